"""What a frame is, by its bytes. Checksums are scapy's; that a device has to look at lengths before it looks at
sums is read here the slow way, as offload/src/flow/key.rs reads it."""

import logging
import struct
from dataclasses import dataclass

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import IP, in4_chksum  # noqa: E402
from scapy.utils import checksum  # noqa: E402

UNKNOWN, BAD, GOOD = 0, 1, 2
TAGS = (0x8100, 0x88A8)
LINK_LEN = 14
# What is asked for a frame to send, in s_axis_tuser of checksum_tx.
IPV4, TCP = 1 << 16, 1 << 17


@dataclass
class Look:
    l3: int = UNKNOWN
    l4: int = UNKNOWN
    # The 128 bits of FlowKey; None where nothing could match.
    key: int | None = None
    is_segment: bool = False
    # Why it has no key, as rx_parser counts it; None where it has one.
    without: str | None = "not_ipv4"
    # Where the packet and what it carries begin, and where that ends.
    l3_at: int = 0
    l4_at: int = 0
    end: int = 0


def word(frame, at):
    return struct.unpack_from(">H", frame, at)[0] if at + 2 <= len(frame) else None


def same(field, computed):
    """Zero has two writings in one's complement (RFC 1624 3); scapy knows one of them."""
    return field % 0xFFFF == computed % 0xFFFF


def raw_sum(frame):
    """Not complemented, over all that follows Ethernet."""
    return 0xFFFF ^ checksum(frame[LINK_LEN:]) if len(frame) > LINK_LEN else 0


def look(frame):
    found = Look()
    at, vlan = 12, None
    for _ in range(2):
        if word(frame, at) not in TAGS:
            break
        tci = word(frame, at + 2)
        if tci is None:
            return found
        vlan = tci & 0xFFF if vlan is None else vlan
        at += 4
    vlan = 0 if vlan in (None, 0xFFF) else vlan
    if word(frame, at) == 0x0806:
        found.key, found.without = 1 << 30 | vlan << 17, None
        return found
    packet = frame[at + 2 :]
    if word(frame, at) != 0x0800:
        return found
    found.without = "ipv4_malformed"
    if len(packet) < 20:
        return found
    header_len, total_len = (packet[0] & 15) * 4, word(packet, 2)
    if packet[0] >> 4 != 4 or header_len < 20 or not header_len <= total_len <= len(packet):
        return found
    header, segment = packet[:header_len], packet[header_len:total_len]
    found.l3_at, found.l4_at, found.end = at + 2, at + 2 + header_len, at + 2 + total_len
    zeroed = header[:10] + b"\0\0" + header[12:]
    found.l3 = GOOD if same(word(header, 10), checksum(zeroed)) else BAD
    key = int.from_bytes(header[12:20], "big") << 64 | vlan << 17
    if header[9] != 6 or word(header, 6) & 0x3FFF:
        found.key, found.without = key | (header[9] == 1) << 29, None
        return found
    found.without = "tcp_malformed"
    if len(segment) < 20:
        return found
    found.without = None
    found.key = key | int.from_bytes(segment[:4], "big") << 32 | 1 << 16
    found.is_segment = True
    addresses = IP(src=".".join(map(str, header[12:16])), dst=".".join(map(str, header[16:20])))
    zeroed = segment[:16] + b"\0\0" + segment[18:]
    found.l4 = GOOD if same(word(segment, 16), in4_chksum(6, addresses, zeroed)) else BAD
    return found


def unfinished(rng, frame, asks=IPV4 | TCP):
    """The frame as a host leaves it, and what is to be said of it."""
    found = look(frame)
    frame = bytearray(frame)
    if asks & IPV4:
        frame[found.l3_at + 10 : found.l3_at + 12] = rng.randbytes(2)
    if asks & TCP:
        pseudo = frame[found.l3_at + 12 : found.l3_at + 20] + struct.pack(">HH", 6, found.end - found.l4_at)
        frame[found.l4_at + 16 : found.l4_at + 18] = struct.pack(">H", 0xFFFF ^ checksum(bytes(pseudo)))
    return bytes(frame), found.l3_at | (found.l4_at - found.l3_at) << 8 | asks

"""Frames without end, the same for the same seed: scapy makes them right, and then some are damaged."""

import logging
import struct

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption  # noqa: E402
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

HEADERS_LEN = 54


def link(rng, tags=None):
    packet = Ether(src=rng.randbytes(6), dst=rng.randbytes(6))
    for tag in range(rng.choice((0, 0, 1, 2)) if tags is None else tags):
        packet /= Dot1Q(vlan=rng.choice((0, 1, 42, 4094, 4095)), prio=rng.randrange(8))
    frame = bytes(packet)
    return frame, packet


def with_provider_tag(rng, frame, tags):
    """A tag as 802.1ad has it is one with another number."""
    if tags and rng.random() < 0.3:
        frame = frame[:12] + b"\x88\xa8" + frame[14:]
    return frame


def segment(rng, payload_len, tags=None, ip_options=None, tcp_options=None, **ip):
    """A right TCP segment."""
    tags = rng.choice((0, 0, 0, 1, 2)) if tags is None else tags
    ip_options = rng.choice((0, 0, 0, 4, 8, 20, 40)) if ip_options is None else ip_options
    tcp_options = rng.choice((0, 12, 40)) if tcp_options is None else tcp_options
    _, packet = link(rng, tags)
    # Options are bytes to whoever sums them: no-operations, and data that looks like anything.
    option = IPOption(b"\x88" + bytes([ip_options]) + rng.randbytes(ip_options - 2)) if ip_options else None
    packet /= IP(
        src=".".join(str(byte) for byte in rng.randbytes(4)),
        dst=".".join(str(byte) for byte in rng.randbytes(4)),
        id=rng.randrange(1 << 16), tos=rng.randrange(256), ttl=rng.randrange(1, 256),
        options=[option] if option else [], **{"flags": "DF", **ip},
    )
    packet /= TCP(
        sport=rng.randrange(1 << 16), dport=rng.randrange(1 << 16), seq=rng.randrange(1 << 32),
        ack=rng.randrange(1 << 32), window=rng.randrange(1 << 16),
        options=[("NOP", None)] * tcp_options,
    )
    return with_provider_tag(rng, bytes(packet / Raw(rng.randbytes(payload_len))), tags)


def odd(rng, payload_len):
    """One that is no TCP segment in one IPv4 packet, or whose lengths lie."""
    frame = bytearray(segment(rng, payload_len, tags=rng.choice((0, 1, 2))))
    l3 = 14
    while struct.unpack_from(">H", frame, l3 - 2)[0] in (0x8100, 0x88A8):
        l3 += 4
    kind = rng.randrange(13)
    total_len = struct.unpack_from(">H", frame, l3 + 2)[0]
    header_len = (frame[l3] & 15) * 4
    if kind == 0:
        frame[l3] = 6 << 4 | frame[l3] & 15
    elif kind == 1:
        frame[l3] = 0x40 | rng.randrange(5)
    elif kind == 2:
        frame[l3] = 0x4F
    elif kind == 3:
        struct.pack_into(">H", frame, l3 + 2, min(0xFFFF, total_len + rng.choice((1, 2, 3, 64, 60000))))
    elif kind == 4:
        struct.pack_into(">H", frame, l3 + 2, rng.randrange(header_len))
    elif kind == 5:
        struct.pack_into(">H", frame, l3 + 2, header_len + rng.randrange(24))
    elif kind == 6:
        struct.pack_into(">H", frame, l3 + 2, rng.randrange(header_len, total_len + 1))
    elif kind == 7:
        frame[l3 + 6] |= 0x20
    elif kind == 8:
        struct.pack_into(">H", frame, l3 + 6, rng.choice((1, 0x1000, 0x1FFF, 0x3FFF, 0x8000, 0xC000)))
    elif kind == 9:
        frame[l3 + 9] = rng.choice((0, 1, 7, 17, 255))
    elif kind == 10:
        struct.pack_into(">H", frame, l3 - 2, rng.choice((0x86DD, 0x0806, 0x8100, 0x88A8, 0x9100, 0)))
    elif kind == 11:
        frame[l3 - 2 : l3 - 2] = struct.pack(">HH", 0x8100, 7) * rng.choice((1, 2, 3))
    else:
        frame[l3 + header_len + 12] = rng.randrange(256)
    return bytes(frame)


def other(rng, payload_len):
    """What is not TCP at all."""
    _, packet = link(rng)
    kind = rng.randrange(4)
    if kind == 0:
        return bytes(packet / ARP(psrc="10.0.0.1", pdst="10.0.0.2"))
    body = ICMP() if kind == 1 else UDP(sport=rng.randrange(1 << 16)) if kind == 2 else Raw(b"")
    return bytes(packet / IP(src="10.1.2.3", dst="10.4.5.6") / body / Raw(rng.randbytes(payload_len)))


def damaged(rng, frame):
    """Flips a bit or some, or writes a word that is hard to tell from another."""
    frame = bytearray(frame)
    kind = rng.randrange(4)
    if kind == 0:
        frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        for _ in range(rng.randrange(2, 9)):
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    else:
        at = rng.randrange(len(frame) // 2) * 2
        frame[at : at + 2] = rng.choice((b"\0\0", b"\xff\xff"))
    return bytes(frame)


def any_frame(rng, payload_len_max=200):
    """One of all that there are."""
    payload_len = rng.choice((0, 0, 1, 2, 3, rng.randrange(payload_len_max), rng.randrange(payload_len_max)))
    make = rng.choices((segment, odd, other), (5, 4, 1))[0]
    frame = make(rng, payload_len)
    if rng.random() < 0.3:
        frame = damaged(rng, frame)
    if rng.random() < 0.25:
        # Padding, which may be anything.
        frame += rng.choice((bytes, rng.randbytes))(rng.randrange(1, 30))
    if rng.random() < 0.15:
        # A runt, or cut off on its way.
        frame = frame[: rng.randrange(1, len(frame) + 1)]
    return frame


def of_length(rng, length):
    """A frame of so many bytes: a right segment where one fits, else the beginning of one."""
    if length < HEADERS_LEN:
        return segment(rng, 0, 0, 0, 0)[:length]
    return segment(rng, length - HEADERS_LEN, 0, 0, 0)


def zero_sum(rng, writing):
    """A segment whose checksum comes out as zero, written in one of its two ways."""
    frame = bytearray(segment(rng, 32, 0, 0, 0))
    # The payload takes what the field held.
    value = struct.unpack_from(">H", frame, 50)[0]
    rest = struct.unpack_from(">H", frame, 60)[0]
    total = value + rest
    struct.pack_into(">H", frame, 60, (total & 0xFFFF) + (total >> 16))
    frame[50:52] = writing
    return bytes(frame)

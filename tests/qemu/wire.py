"""The line between two NICs of a guest, from outside: frames put onto it, and all that crossed it held against sums of
our own making."""
import socket
import struct
import threading

IPV4, TCP = 0x0800, 6
LINK_LEN = 14


def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def tcp_pseudo_header(packet, length):
    return packet[12:20] + struct.pack("!BBH", 0, TCP, length)


def wrong_sums(frame):
    """Which sums of an IPv4 frame with TCP in it are wrong; None of another frame."""
    if struct.unpack("!H", frame[12:14])[0] != IPV4 or frame[LINK_LEN + 9] != TCP:
        return None
    packet = frame[LINK_LEN:]
    header_len = (packet[0] & 0x0F) * 4
    total_len = struct.unpack("!H", packet[2:4])[0]
    segment = packet[header_len:total_len]
    wrong = set()
    if ones_sum(packet[:header_len]) != 0xFFFF:
        wrong.add("IPv4")
    if ones_sum(tcp_pseudo_header(packet, len(segment)) + segment) != 0xFFFF:
        wrong.add("TCP")
    return wrong


def ports(frame):
    """Source and destination, of an IPv4 frame with TCP in it."""
    at = LINK_LEN + (frame[LINK_LEN] & 0x0F) * 4
    return struct.unpack("!HH", frame[at : at + 4])


def segment_of_a_stranger(to_mac, to_addr, to_port, wrong):
    """An acknowledgment that belongs to no connection, in a frame whose sum of `wrong` is off by one bit."""
    segment = struct.pack("!HHIIBBHHH", 40_000, to_port, 1000, 2000, 5 << 4, 0x10, 65_535, 0, 0) + b"stranger"
    addresses = socket.inet_aton("10.9.0.7") + socket.inet_aton(to_addr)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 7, 0, 64, TCP, 0) + addresses
    tcp_sum = ones_sum(tcp_pseudo_header(header, len(segment)) + segment) ^ 0xFFFF ^ (0x0100 if wrong == "TCP" else 0)
    ipv4_sum = ones_sum(header) ^ 0xFFFF ^ (0x0100 if wrong == "IPv4" else 0)
    segment = segment[:16] + struct.pack("!H", tcp_sum) + segment[18:]
    header = header[:10] + struct.pack("!H", ipv4_sum) + header[12:]
    link = bytes.fromhex(to_mac.replace(":", "")) + bytes.fromhex("020000000007") + struct.pack("!H", IPV4)
    return link + header + segment


class Line:
    """A hub of a guest's with one end out here."""

    def __init__(self, number, folder):
        self.number = number
        self.capture = folder / f"hub{number}.pcap"
        self.capture.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        # Theirs is one that was free a moment ago.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.theirs = free.getsockname()[1]
        self.sent = 0
        self.stopped = threading.Event()
        self.thread = None

    def arguments(self):
        """What tells QEMU of it: two NICs' ends, `n{number}a` and `n{number}b`, and ours."""
        n, ours = self.number, self.socket.getsockname()[1]
        ends = "".join(f" -netdev hubport,id=n{n}{end},hubid={n}" for end in "ab")
        remote = f"remote.type=inet,remote.host=127.0.0.1,remote.port={ours}"
        out = f"dgram,id=out{n},local.type=inet,local.host=127.0.0.1,local.port={self.theirs},{remote}"
        dump = f"filter-dump,id=dump{n},netdev=n{n}a,file={self.capture}"
        return f"{ends} -netdev {out} -netdev hubport,id=n{n}c,hubid={n},netdev=out{n} -object {dump}".split()

    def disturb(self, mac, addr, port):
        """Sends wrong frames to one end from now on, a few at a time, until stopped."""
        frames = [segment_of_a_stranger(mac, addr, port, wrong) for wrong in ("TCP", "IPv4")]

        def send():
            while not self.stopped.wait(0.02):
                for frame in frames:
                    self.socket.sendto(frame, ("127.0.0.1", self.theirs))
                    self.sent += 1

        self.thread = threading.Thread(target=send, daemon=True)
        self.thread.start()

    def leave_alone(self):
        self.stopped.set()
        if self.thread:
            self.thread.join()

    def frames(self):
        """All that crossed it, from its capture."""
        data = self.capture.read_bytes()
        at = 24
        while at + 16 <= len(data):
            (length,) = struct.unpack("<I", data[at + 8 : at + 12])
            yield data[at + 16 : at + 16 + length]
            at += 16 + length

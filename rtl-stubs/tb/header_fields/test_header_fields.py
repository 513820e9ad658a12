"""header_fields: each beat two cycles later, its masked lanes zeroed, and with the last one what the frame's bytes say."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

import frames
from bench import Bench
from reference import TAGS, word

LATENCY = 2
# The last number that a length has: 2^17 - 1.
LEN_LAST = (1 << 17) - 1
SAID = ("is_ipv4", "is_arp", "vlan", "ipv4_is_sound", "is_tcp", "is_icmp", "is_fragment", "src", "dst", "l3_word", "l4_word",
        "l4_len", "packet_end")


class Fields(Bench):
    def __init__(self, dut):
        super().__init__(dut)
        self.passed, self.beats_out = [], []
        cocotb.start_soon(self._listen())

    async def _listen(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            if dut.rst.value == 1:
                continue
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                self.passed.append(self.cycle)
            if dut.beat_valid.value == 1:
                beat = {name: int(getattr(dut, name).value) for name in
                        ("beat_first", "beat_last", "beat_data", "beat_index", "frame_len")}
                # Of a frame that is long enough; what has not come yet may be anything.
                said = {name: getattr(dut, name).value for name in SAID} if beat["beat_last"] else None
                self.beats_out.append((self.cycle, beat, said))

    def came_out(self, sent):
        width = self.stream.width
        beats, passed = iter(self.beats_out), iter(self.passed)
        for frame in sent:
            for at in range(0, len(frame), width):
                cycle, beat, said = next(beats)
                assert cycle - next(passed) == LATENCY
                kept = frame[at : at + width]
                end = at + len(kept)
                index = min(at // width, LEN_LAST // width)
                assert beat == {
                    "beat_first": int(at == 0), "beat_last": int(end == len(frame)), "beat_data": int.from_bytes(kept, "little"),
                    "beat_index": index, "frame_len": LEN_LAST if index == LEN_LAST // width else end,
                }
            names = fields(frame)
            assert {name: int(said[name]) for name in names} == names, frame.hex()
        assert next(beats, None) is None and next(passed, None) is None


def fields(frame):
    """Those that the frame is long enough to have."""
    at, tags = 12, []
    while len(tags) < 2 and word(frame, at) in TAGS:
        tags.append(word(frame, at + 2))
        at += 4
    kind = word(frame, at)
    found = {"is_ipv4": int(kind == 0x0800), "is_arp": int(kind == 0x0806)}
    if None not in tags:
        found["vlan"] = tags[0] & 0xFFF if tags and tags[0] & 0xFFF != 0xFFF else 0
    packet = frame[at + 2 :]
    if kind != 0x0800 or len(packet) < 20:
        return found
    header_len, total_len = (packet[0] & 15) * 4, word(packet, 2)
    return found | {
        "ipv4_is_sound": int(packet[0] >> 4 == 4 and 20 <= header_len <= total_len),
        "is_tcp": int(packet[9] == 6), "is_icmp": int(packet[9] == 1), "is_fragment": int(word(packet, 6) & 0x3FFF != 0),
        "src": int.from_bytes(packet[12:16], "big"), "dst": int.from_bytes(packet[16:20], "big"),
        "l3_word": (at + 2) // 2, "l4_word": (at + 2 + header_len) // 2, "l4_len": (total_len - header_len) % (1 << 16),
        "packet_end": at + 2 + total_len,
    }


async def read(dut, frames_of, gaps=0.0, stalls=0.0):
    rng = random.Random(len(dut.s_axis_tdata))
    bench = Fields(dut)
    bench.stream.pause(rng, gaps, stalls)
    await bench.reset()
    sent = frames_of(rng)
    for frame in sent:
        bench.stream.send(rng, frame)
    await bench.sent()
    bench.came_out(sent)


@cocotb.test()
async def anything(dut):
    await read(dut, lambda rng: [frames.any_frame(rng) for _ in range(600)])


@cocotb.test()
async def anything_with_gaps_and_stalls(dut):
    await read(dut, lambda rng: [frames.any_frame(rng) for _ in range(200)], 0.3, 0.3)


@cocotb.test()
async def every_length_cut_off_anywhere(dut):
    """A frame that ends within its type names none, whatever its first byte is; one that ends within a tag has no type."""

    def cut(rng):
        whole = [frames.segment(rng, 0, tags, 0, 0) for tags in (0, 1, 2)] + [b"\x81" * 26, b"\x88" * 26, b"\x08" * 26]
        return [frame[:length] for frame in whole for length in range(1, len(frame) + 1)]

    await read(dut, cut)


@cocotb.test()
async def a_length_without_a_number_is_the_last_number(dut):
    """And the frame that follows begins at zero."""
    await read(dut, lambda rng: [
        part for length in (LEN_LAST - 64, LEN_LAST + 1, LEN_LAST + 900)
        for part in (rng.randbytes(length), frames.segment(rng, 20))
    ])


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_behind(dut):
    rng = random.Random(3)
    bench = Fields(dut)
    await bench.reset()
    for _ in range(60):
        bench.stream.send(rng, frames.segment(rng, rng.randrange(40, 400) + 3 * bench.stream.width))
        await bench.cycles(rng.randrange(1, 8))
        dut.rst.value = 1
        bench.stream.source.clear()
        await bench.cycles(rng.randrange(1, 4))
        bench.passed.clear()
        bench.beats_out.clear()
        dut.rst.value = 0
        sent = [frames.any_frame(rng) for _ in range(3)]
        for frame in sent:
            bench.stream.send(rng, frame)
        await bench.sent()
        bench.came_out(sent)

"""checksum_rx against scapy's checksums."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

import frames
from bench import Bench
from reference import BAD, GOOD, UNKNOWN, look, raw_sum

STATS = ("l3_good", "l3_bad", "l4_good", "l4_bad", "unknown")


class Judge(Bench):
    def __init__(self, dut):
        super().__init__(dut)
        self.latency = 7 if len(dut.s_axis_tdata) > 64 else 4
        self.verdicts = []
        self.counted = dict.fromkeys(STATS, 0)
        cocotb.start_soon(self._listen())

    async def _listen(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            if dut.rst.value == 1:
                continue
            for name in STATS:
                self.counted[name] += int(getattr(dut, f"stat_{name}").value)
            if dut.verdict_valid.value == 1:
                values = (dut.verdict_l3, dut.verdict_l4, dut.raw_sum)
                self.verdicts.append((self.cycle, *(int(value.value) for value in values)))

    def judged(self, sent):
        """Every frame has its verdict, right, at its cycle, and all are counted."""
        assert len(self.verdicts) == len(sent) == len(self.last_beats)
        expected = dict.fromkeys(STATS, 0)
        for frame, last, (cycle, l3, l4, raw) in zip(sent, self.last_beats, self.verdicts):
            found = look(frame)
            assert (l3, l4) == (found.l3, found.l4), frame.hex()
            assert raw % 0xFFFF == raw_sum(frame) % 0xFFFF, frame.hex()
            assert cycle - last == self.latency
            expected["l3_good"] += l3 == GOOD
            expected["l3_bad"] += l3 == BAD
            expected["l4_good"] += l4 == GOOD
            expected["l4_bad"] += l4 == BAD
            expected["unknown"] += l3 == UNKNOWN
        assert self.counted == expected


async def judge(dut, frames_of, gaps=0.0, stalls=0.0):
    rng = random.Random(dut._name + str(len(dut.s_axis_tdata)))
    bench = Judge(dut)
    bench.stream.pause(rng, gaps, stalls)
    await bench.reset()
    # Registers hold anything at first, which is X where the simulator has it: a whole header comes before a runt.
    sent = [frames.segment(rng, 60), *frames_of(rng)]
    for frame in sent:
        bench.stream.send(rng, frame)
    await bench.sent()
    bench.judged(sent)
    return bench


@cocotb.test()
async def every_length_back_to_back(dut):
    """1 to 1600 bytes, one beat each cycle."""
    bench = await judge(dut, lambda rng: [frames.of_length(rng, length) for length in range(1, 1601)])
    assert bench.last_beats[-1] - bench.first_beats[0] + 1 == bench.beats


@cocotb.test()
async def a_frame_in_every_cycle(dut):
    """The shortest frames, of one beat where that is wide."""
    bench = await judge(dut, lambda rng: [frames.of_length(rng, rng.choice((1, 8, 14, 54, 60, 64))) for _ in range(300)])
    assert bench.last_beats[-1] - bench.first_beats[0] + 1 == bench.beats


@cocotb.test()
async def jumbo_frames(dut):
    def jumbo(rng):
        right = [frames.segment(rng, 9200 - 54 - odd, 0, 0, 0) for odd in (0, 1)]
        return right + [frames.damaged(rng, frame) for frame in right] + [frames.of_length(rng, 9216)]

    await judge(dut, jumbo)


@cocotb.test()
async def the_longest_packet_and_beyond(dut):
    """Total Length at its most, behind two tags, and a frame that goes on far behind it."""

    def longest(rng):
        frame = frames.segment(rng, 65535 - 40, tags=2, ip_options=0, tcp_options=0)
        # A sum of many ones: none of its carries is lost.
        ones = frame[:62] + b"\xff" * (len(frame) - 62)
        return [frame, ones, frame + rng.randbytes(66_000), frames.segment(rng, 5)]

    await judge(dut, longest)


@cocotb.test()
async def anything(dut):
    await judge(dut, lambda rng: [frames.any_frame(rng) for _ in range(1500)])


@cocotb.test()
async def anything_with_gaps_and_stalls(dut):
    await judge(dut, lambda rng: [frames.any_frame(rng) for _ in range(600)], gaps=0.3, stalls=0.3)


@cocotb.test()
async def zero_is_right_in_both_writings(dut):
    def zeros(rng):
        return [frames.zero_sum(rng, writing) for writing in (b"\0\0", b"\xff\xff") * 8]

    bench = await judge(dut, zeros)
    assert bench.counted["l4_good"] == 17


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_behind(dut):
    """Whatever has passed of a frame before a reset is no part of the next one."""
    rng = random.Random(3)
    bench = Judge(dut)
    await bench.reset()
    width = bench.stream.width
    bench.stream.send(rng, frames.segment(rng, 60))
    await bench.sent()
    for _ in range(100):
        bench.stream.send(rng, frames.segment(rng, rng.randrange(40, 400) + 3 * width))
        await bench.cycles(rng.randrange(1, 6))
        dut.rst.value = 1
        bench.stream.source.clear()
        await bench.cycles(rng.randrange(1, 4))
        bench.verdicts.clear()
        bench.last_beats.clear()
        bench.counted = dict.fromkeys(STATS, 0)
        dut.rst.value = 0
        sent = [frames.any_frame(rng) for _ in range(3)]
        for frame in sent:
            bench.stream.send(rng, frame)
        await bench.sent()
        bench.judged(sent)

"""offload_pipe: each frame that goes in comes out whole with what is to be said of it, or is dropped for one reason
that is counted; never anything else."""

import random
from dataclasses import dataclass

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamFrame

import frames
from bench import Bench
from reference import UNKNOWN, look, raw_sum

MAC_ERROR, TOO_LONG, BUFFER_FULL, NOT_OURS, FLOW_DROP = 1, 2, 3, 4, 5
REASONS = ("mac_error", "too_long", "buffer_full", "not_ours", "flow_drop")
LEN_MAX = 9216
ALL = (1 << 112) - 1
SAID = ("queue", "hit", "rule", "marked", "mark", "is_segment", "verdict_l3", "verdict_l4", "raw_sum", "len",
        "stamp_tod", "stamp_count", "stamp_generation")


@dataclass(frozen=True)
class Rule:
    priority: int
    value: int
    mask: int
    drop: int = 0
    queue: int = 0
    marks: int = 0
    mark: int = 0


class Pipe(Bench):
    def __init__(self, dut):
        super().__init__(dut, sink=False)
        self.out, self.drops, self.first_out = [], [], []
        self.counted = dict.fromkeys(REASONS, 0)
        self.delivered = 0
        self.stalls = 0.0
        self.rng = random.Random(11)
        for name in ("write_valid", "read_valid", "set_valid", "read_index", "write_index", "set_seconds", "set_ns"):
            getattr(dut, name).setimmediatevalue(0)
        dut.period_ns.setimmediatevalue(6)
        dut.period_fraction.setimmediatevalue(0x66666666)
        dut.enable_l3.setimmediatevalue(1)
        dut.enable_l4.setimmediatevalue(1)
        dut.miss_is_ours.setimmediatevalue(1)
        dut.miss_queue.setimmediatevalue(9)
        dut.m_axis_tready.setimmediatevalue(0)
        cocotb.start_soon(self._take())
        cocotb.start_soon(self._clock())
        self.times = {}

    async def _clock(self):
        """The clock's reading in each cycle, as Bench counts them."""
        while True:
            await RisingEdge(self.dut.clk)
            await ReadOnly()
            await FallingEdge(self.dut.clk)
            if self.dut.rst.value == 0:
                self.times[self.cycle] = int(self.dut.tod.value), int(self.dut.count.value)

    async def _take(self):
        """Takes beats at falling edges, when all has settled."""
        dut, data, held = self.dut, bytearray(), None
        while True:
            await FallingEdge(dut.clk)
            if dut.rst.value == 1:
                data, held = bytearray(), None
                dut.m_axis_tready.value = 0
                continue
            for name in REASONS:
                self.counted[name] += int(getattr(dut, f"stat_drop_{name}").value)
            self.delivered += int(dut.stat_delivered.value)
            if dut.drop_valid.value == 1:
                self.drops.append(int(dut.drop_code.value))
            # Decided before the edge to come, and held until after it.
            ready = self.rng.random() >= self.stalls
            dut.m_axis_tready.value = ready
            if dut.m_axis_tvalid.value == 1:
                said = tuple(int(getattr(dut, f"m_{name}").value) for name in SAID)
                beat = (said, int(dut.m_axis_tdata.value), int(dut.m_axis_tkeep.value), int(dut.m_axis_tlast.value))
                assert held is None or beat == held
                held = beat
                if ready:
                    held = None
                    if not data:
                        self.first_out.append(self.cycle)
                        self.said = said
                    assert said == self.said
                    kept = beat[2].bit_length()
                    assert beat[2] == (1 << kept) - 1
                    data += beat[1].to_bytes(len(dut.m_axis_tkeep), "little")[:kept]
                    if beat[3]:
                        self.out.append((bytes(data), dict(zip(SAID, said))))
                        data = bytearray()

    async def write(self, index, rule):
        dut = self.dut
        await FallingEdge(dut.clk)
        dut.write_valid.value = 1
        dut.write_index.value = index
        dut.write_enable.value = 1
        dut.write_counts.value = 1
        for name in ("priority", "value", "mask", "drop", "queue", "marks", "mark"):
            getattr(dut, f"write_{name}").value = getattr(rule, name)
        await FallingEdge(dut.clk)
        dut.write_valid.value = 0

    async def read(self, index):
        dut = self.dut
        await FallingEdge(dut.clk)
        dut.read_valid.value, dut.read_index.value = 1, index
        await FallingEdge(dut.clk)
        dut.read_valid.value = 0
        return int(dut.read_hits.value), int(dut.read_bytes.value)

    def push(self, frame, error=False):
        """A frame off the wire; an error is said with its last beat, and on others anything is."""
        width = self.stream.width
        pad = -len(frame) % width
        beats = (len(frame) + pad) // width
        users = [self.rng.getrandbits(1) for _ in range((beats - 1) * width)] + [int(error)] * width
        data = bytes(frame) + self.rng.randbytes(pad)
        keep = [1] * len(frame) + [0] * pad
        self.stream.source.send_nowait(AxiStreamFrame(tdata=data, tkeep=keep, tuser=users))

    async def drained(self, timeout=20_000):
        await self.stream.source.wait()
        for _ in range(timeout // 50):
            await self.cycles(50)
            if self.dut.m_axis_tvalid.value == 0 and self.delivered == len(self.out):
                break
        await self.cycles(30)

    def delivers(self, frame, said, rules, first, miss_queue=9):
        """What is said of a frame that came through."""
        found = look(frame)
        index = classify(rules, found.key)
        rule = rules[index] if index is not None else None
        expected = {
            "queue": rule.queue if rule else miss_queue, "hit": int(rule is not None), "rule": index or 0,
            "marked": rule.marks if rule else 0, "mark": rule.mark if rule and rule.marks else 0,
            "is_segment": int(found.is_segment), "verdict_l3": found.l3, "verdict_l4": found.l4, "len": len(frame),
            "stamp_tod": self.times[first][0], "stamp_count": self.times[first][1], "stamp_generation": 0,
        }
        raw = said.pop("raw_sum")
        assert raw % 0xFFFF == raw_sum(frame) % 0xFFFF
        assert said == expected, frame.hex()


def classify(rules, key):
    if key is None:
        return None
    matching = [(rule.priority, i) for i, rule in rules.items() if (key >> 16 ^ rule.value) & rule.mask == 0]
    return min(matching)[1] if matching else None


def rules_for(keys):
    """Two connections, a listener's mask, one that drops, and ARP."""
    some = [key for key in keys if key is not None]
    port = 0xFFFF << 16
    return {
        0: Rule(0, some[0] >> 16, ALL, queue=1, marks=1, mark=0xDEADBEEF),
        5: Rule(0, some[1] >> 16, ALL, queue=2),
        3: Rule(7, some[0] >> 16 & port, port, queue=3),
        9: Rule(1, some[2] >> 16, ALL, drop=1),
        15: Rule(2, 1 << 14, 1 << 14, queue=4, marks=1, mark=7),
    }


async def pipe_of(dut, rng, number, miss_is_ours=1):
    pipe = Pipe(dut)
    dut.miss_is_ours.value = miss_is_ours
    await pipe.reset()
    pool = [frames.segment(rng, rng.randrange(120)) for _ in range(6)]
    rules = rules_for([look(frame).key for frame in pool])
    for index, rule in rules.items():
        await pipe.write(index, rule)
    # Registers hold anything at first, which is X where the simulator has it: a whole header comes before a runt.
    sent = [frames.segment(rng, 60)]
    for _ in range(number):
        frame = rng.choice(pool) if rng.random() < 0.6 else frames.any_frame(rng)
        sent.append(frames.damaged(rng, frame) if rng.random() < 0.1 else frame)
    return pipe, rules, sent


async def all_come_out(dut, miss_is_ours, gaps, stalls, number=300):
    rng = random.Random(17 + miss_is_ours)
    pipe, rules, sent = await pipe_of(dut, rng, number, miss_is_ours)
    pipe.stalls = stalls
    pipe.stream.pause(rng, gaps, 0)
    damaged = [rng.random() < 0.1 for _ in sent]
    for frame, error in zip(sent, damaged):
        pipe.push(frame, error)
    await pipe.drained()
    assert len(pipe.first_beats) == len(sent)
    drops, counts = iter(pipe.drops), {index: (0, 0) for index in rules}
    out = iter(pipe.out)
    for frame, error, first in zip(sent, damaged, pipe.first_beats):
        index = classify(rules, look(frame).key)
        if not error and index is not None:
            counts[index] = counts[index][0] + 1, counts[index][1] + len(frame)
        reason = MAC_ERROR if error else FLOW_DROP if index is not None and rules[index].drop else 0
        reason = reason or (0 if index is not None or miss_is_ours else NOT_OURS)
        if reason:
            assert next(drops) == reason
            continue
        data, said = next(out)
        assert data == frame
        pipe.delivers(frame, said, rules, first)
    assert next(drops, None) is None and next(out, None) is None
    assert [pipe.counted[name] for name in REASONS] == [pipe.drops.count(code) for code in range(1, 6)]
    for index in rules:
        assert await pipe.read(index) == counts[index]
    return pipe


@cocotb.test()
async def every_frame_comes_out_whole_with_what_is_said_of_it(dut):
    await all_come_out(dut, 1, 0, 0)


@cocotb.test()
async def isolated_with_gaps_and_stalls(dut):
    await all_come_out(dut, 0, 0.3, 0.2)


@cocotb.test()
async def what_overflows_is_dropped_whole_and_nothing_that_is_in(dut):
    """Nobody takes frames for a while, and then slowly: jumbo frames among them."""
    rng = random.Random(23)
    pipe = Pipe(dut)
    await pipe.reset()
    pipe.stalls = 1.0
    sent = [frames.of_length(rng, rng.choice((60, 64, 300, 1514, LEN_MAX))) for _ in range(80)]
    for frame in sent:
        pipe.push(frame)
    await pipe.stream.source.wait()
    pipe.stalls = 0.5
    more = [frames.of_length(rng, 60) for _ in range(20)]
    await pipe.cycles(3000)
    for frame in more:
        pipe.push(frame)
    await pipe.drained()
    assert set(pipe.drops) == {BUFFER_FULL} and pipe.counted["buffer_full"] == len(pipe.drops)
    assert len(pipe.out) + len(pipe.drops) == len(sent) + len(more)
    # Those that are out are among those that were sent, in their order, the first of all too.
    rest = iter(sent + more)
    for data, _ in pipe.out:
        assert any(frame == data for frame in rest)
    assert pipe.out[0][0] == sent[0] and pipe.out[-1][0] == more[-1]
    assert len(pipe.drops) > 5


@cocotb.test()
async def a_host_that_is_always_ready_loses_nothing(dut):
    """While the longest frame leaves, the shortest come, each right behind the one before, and again."""
    rng = random.Random(27)
    pipe = Pipe(dut)
    await pipe.reset()
    sent = [frames.of_length(rng, length) for length in ([LEN_MAX] + [60] * 400 + [LEN_MAX] * 3 + [60] * 200 + [LEN_MAX, 60])]
    for frame in sent:
        pipe.push(frame)
    await pipe.drained()
    assert pipe.last_beats[-1] - pipe.first_beats[0] + 1 == pipe.beats
    assert not pipe.drops and [data for data, _ in pipe.out] == sent


@cocotb.test()
async def a_frame_beyond_the_longest_is_dropped_for_that(dut):
    rng = random.Random(29)
    pipe = Pipe(dut)
    await pipe.reset()
    longest, short = frames.of_length(rng, LEN_MAX), frames.of_length(rng, 60)
    for frame in (short, rng.randbytes(LEN_MAX + 64), longest, rng.randbytes(140_000), short):
        pipe.push(frame)
    pipe.push(rng.randbytes(LEN_MAX + 64), error=True)
    pipe.push(short)
    await pipe.drained()
    assert [data for data, _ in pipe.out] == [short, longest, short, short]
    assert pipe.drops == [TOO_LONG, TOO_LONG, MAC_ERROR]


@cocotb.test()
async def the_first_beat_leaves_so_many_cycles_after_the_last_came(dut):
    rng = random.Random(31)
    pipe = Pipe(dut)
    await pipe.reset()
    for length in (60, 64, 65, 128, 1514, 9000):
        pipe.push(frames.of_length(rng, length))
        await pipe.drained()
    assert [out - last for out, last in zip(pipe.first_out, pipe.last_beats)] == [11] * 6


@cocotb.test()
async def verdicts_that_are_not_asked_for_are_unknown(dut):
    rng = random.Random(37)
    pipe = Pipe(dut)
    await pipe.reset()
    for l3, l4 in ((0, 1), (1, 0), (0, 0)):
        dut.enable_l3.value, dut.enable_l4.value = l3, l4
        frame = frames.segment(rng, 40)
        pipe.push(frame)
        await pipe.drained()
        said = pipe.out[-1][1]
        assert (said["verdict_l3"], said["verdict_l4"]) == (2 if l3 else UNKNOWN, 2 if l4 else UNKNOWN)


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_behind(dut):
    rng = random.Random(41)
    pipe = Pipe(dut)
    await pipe.reset()
    pipe.push(frames.segment(rng, 60))
    await pipe.drained()
    for _ in range(30):
        for _ in range(3):
            pipe.push(frames.segment(rng, rng.randrange(40, 300)))
        await pipe.cycles(rng.randrange(1, 60))
        dut.rst.value = 1
        pipe.stream.source.clear()
        await pipe.cycles(3)
        pipe.out.clear()
        pipe.drops.clear()
        pipe.first_beats.clear()
        pipe.delivered = 0
        dut.rst.value = 0
        sent = [frames.any_frame(rng) for _ in range(3)]
        for frame in sent:
            pipe.push(frame)
        await pipe.drained()
        assert [data for data, _ in pipe.out] == sent and not pipe.drops
        for (frame, said), first in zip(pipe.out, pipe.first_beats):
            pipe.delivers(frame, said, {}, first)

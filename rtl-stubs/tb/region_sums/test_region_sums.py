"""region_sums against sums that are added up byte by byte, whatever lies where, and wherever regions begin and end."""

import random
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

# Of Ethernet, without tags.
LINK_LEN = 14


@dataclass
class Asked:
    """A frame, and what is to be summed of it."""

    frame: bytes
    l3_known: int
    l3_word: int
    l4_word: int
    l4_end: int
    skip: int
    skip_word: int
    extra: int

    def sums(self):
        """Of all behind Ethernet's bytes, of the first region, and of the second."""
        value = lambda at: self.frame[at] << (8 if at % 2 == 0 else 0)  # noqa: E731
        everywhere = range(len(self.frame))
        l3 = [at for at in everywhere if self.l3_word <= at // 2 < self.l4_word and not (self.skip and at // 2 == self.skip_word)]
        l4 = [at for at in everywhere if self.l4_word <= at // 2 and at < self.l4_end]
        return (
            sum(value(at) for at in everywhere if at >= LINK_LEN),
            sum(map(value, l3)) if self.l3_known else 0,
            (sum(map(value, l4)) if self.l3_known else 0) + self.extra,
        )


def any_frame(rng, length):
    l3_word = rng.choice((7, 9, 11, rng.randrange(32)))
    l4_word = min(63, l3_word + rng.choice((10, 12, 30, rng.randrange(32))))
    frame = rng.choice((rng.randbytes, lambda number: b"\xff" * number))(length)
    l4_end = rng.choice((length, length, rng.randrange(length + 1), length + rng.randrange(1000), (1 << 17) - 1))
    return Asked(frame, rng.random() < 0.9, l3_word, l4_word, l4_end, rng.getrandbits(1),
                 rng.randrange(64) if rng.random() < 0.3 else min(63, l3_word + 5), rng.getrandbits(19))


class Sums:
    def __init__(self, dut):
        self.dut = dut
        self.width = len(dut.beat_data) // 8
        self.latency = 4 if self.width > 8 else 1
        self.cycle, self.last_beats, self.said = 0, [], []
        # What is told one cycle after the last beat, where beats are wide.
        self.extra_then = None
        cocotb.start_soon(Clock(dut.clk, 2, units="step").start())
        dut.rst.value = 1
        dut.beat_valid.value = 0

    async def tick(self):
        """One cycle, from one falling edge to the next: sums stand after the edge between them."""
        await FallingEdge(self.dut.clk)
        self.cycle += 1
        if self.dut.sums_valid.value == 1:
            self.said.append((self.cycle, *(int(getattr(self.dut, f"{name}_sum").value) for name in ("raw", "l3", "l4"))))

    async def reset(self, cycles=3):
        self.dut.rst.value, self.dut.beat_valid.value = 1, 0
        for _ in range(cycles):
            await self.tick()
        self.dut.rst.value = 0
        self.said.clear()
        self.last_beats.clear()

    async def idle(self, rng, cycles):
        for _ in range(cycles):
            self.dut.beat_valid.value = 0
            self._garbage(rng)
            await self.tick()

    def _garbage(self, rng):
        """What is beside no beat is anything; the extra is only what is due."""
        dut = self.dut
        for name in ("beat_first", "beat_last", "beat_data", "beat_index", "l3_known", "l3_word", "l4_word", "l4_end", "skip",
                     "skip_word"):
            getattr(dut, name).value = rng.getrandbits(len(getattr(dut, name)))
        dut.l4_extra.value = rng.getrandbits(19) if self.extra_then is None else self.extra_then
        self.extra_then = None

    async def send(self, rng, asked, gaps=0.0, beats_max=None):
        """A frame, or its first beats."""
        dut, width = self.dut, self.width
        for index, at in enumerate(range(0, len(asked.frame), width)):
            if index == beats_max:
                return
            while rng.random() < gaps:
                await self.idle(rng, 1)
            is_last = at + width >= len(asked.frame)
            self._garbage(rng)
            dut.beat_valid.value = 1
            dut.beat_first.value, dut.beat_last.value = int(at == 0), int(is_last)
            dut.beat_data.value = int.from_bytes(asked.frame[at : at + width], "little")
            dut.beat_index.value = index
            for name in ("l3_known", "l3_word", "l4_word", "l4_end", "skip", "skip_word"):
                getattr(dut, name).value = int(getattr(asked, name))
            if is_last and width > 8:
                self.extra_then = asked.extra
            elif is_last:
                dut.l4_extra.value = asked.extra
            await self.tick()
            if is_last:
                # After the edge that took it.
                self.last_beats.append(self.cycle)

    def summed(self, sent):
        assert len(self.said) == len(sent)
        for asked, last, (cycle, *sums) in zip(sent, self.last_beats, self.said):
            assert cycle - last == self.latency - 1
            assert tuple(sums) == asked.sums(), asked


async def sum_up(dut, lengths, gaps=0.0):
    rng = random.Random(len(dut.beat_data))
    bench = Sums(dut)
    await bench.reset()
    sent = [any_frame(rng, length) for length in lengths(rng)]
    for asked in sent:
        await bench.send(rng, asked, gaps)
    await bench.idle(rng, 8)
    bench.summed(sent)


@cocotb.test()
async def every_length_back_to_back(dut):
    await sum_up(dut, lambda rng: range(1, 400))


@cocotb.test()
async def any_length_with_gaps(dut):
    await sum_up(dut, lambda rng: [rng.randrange(1, 300) for _ in range(200)], 0.3)


@cocotb.test()
async def the_longest_frames(dut):
    """Their carries stay in the upper bits: nothing is lost of 0xffff as often as it fits."""
    await sum_up(dut, lambda rng: [9216, 65_557, 60, 9215])


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_behind(dut):
    rng = random.Random(5)
    bench = Sums(dut)
    await bench.reset()
    for _ in range(60):
        await bench.send(rng, any_frame(rng, rng.randrange(1, 600)), beats_max=rng.randrange(1, 9))
        bench.extra_then = None
        await bench.reset(rng.randrange(1, 4))
        sent = [any_frame(rng, rng.randrange(1, 300)) for _ in range(3)]
        for asked in sent:
            await bench.send(rng, asked)
        await bench.idle(rng, 8)
        bench.summed(sent)

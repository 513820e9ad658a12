"""rx_timestamp against when first beats passed."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

import frames
from bench import Bench

LATENCY = 1


class Stamps(Bench):
    """The clock says which cycle it is."""

    def __init__(self, dut):
        super().__init__(dut)
        self.stamps = []
        cocotb.start_soon(self._tick())
        cocotb.start_soon(self._listen())

    async def _tick(self):
        dut, cycle = self.dut, 0
        while True:
            dut.tod.value, dut.count.value, dut.generation.value = cycle << 48 | 5, cycle, cycle % 65536
            await RisingEdge(dut.clk)
            cycle += 1

    async def _listen(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            if dut.rst.value == 0 and dut.stamp_valid.value == 1:
                values = (dut.stamp_tod, dut.stamp_count, dut.stamp_generation)
                self.stamps.append((self.cycle, *(int(value.value) for value in values)))

    def stamped(self, sent):
        assert len(self.stamps) == len(self.first_beats) == sent
        for first, (cycle, tod, count, generation) in zip(self.first_beats, self.stamps):
            assert cycle - first == LATENCY
            # Both count edges; the clock's reading of the first beat's cycle, no other.
            assert (tod >> 48, count, generation) == (first, first, first % 65536)


@cocotb.test()
async def the_first_beat_is_stamped(dut):
    for gaps, stalls in ((0, 0), (0.4, 0), (0, 0.4), (0.3, 0.3)):
        rng = random.Random(gaps + stalls)
        bench = Stamps(dut) if not gaps and not stalls else bench
        bench.stamps.clear()
        bench.first_beats.clear()
        bench.stream.pause(rng, gaps, stalls)
        await bench.reset()
        for _ in range(200):
            bench.stream.send(rng, frames.of_length(rng, rng.choice((1, 8, 9, 60, 64, 65, rng.randrange(1, 300)))))
        await bench.sent()
        bench.stamped(200)


@cocotb.test()
async def a_reset_in_mid_frame_ends_it(dut):
    """What comes next begins a frame."""
    rng = random.Random(4)
    bench = Stamps(dut)
    await bench.reset()
    for _ in range(50):
        bench.stream.send(rng, rng.randbytes(400))
        await bench.cycles(rng.randrange(1, 5))
        dut.rst.value = 1
        bench.stream.source.clear()
        await bench.cycles(2)
        bench.stamps.clear()
        bench.first_beats.clear()
        dut.rst.value = 0
        bench.stream.send(rng, rng.randbytes(100))
        await bench.sent()
        bench.stamped(1)

"""A clock, a reset, and a stream that blocks look at as it passes: cocotbext-axi's source drives it and
cocotbext-axi's sink takes it, each with pauses of its own."""

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource


def pauses(rng, share):
    """A cycle in so many, at random."""
    while True:
        yield rng.random() < share


class Stream:
    def __init__(self, dut, prefix="s_axis", sink=True):
        bus = AxiStreamBus.from_prefix(dut, prefix)
        self.width = len(dut.s_axis_tkeep)
        self.source = AxiStreamSource(bus, dut.clk, dut.rst)
        self.sink = AxiStreamSink(bus, dut.clk, dut.rst) if sink else None
        for part in (self.source, self.sink):
            if part:
                part.log.setLevel("ERROR")

    def pause(self, rng, gaps, stalls):
        """Makes the source leave out, and the sink refuse, such a share of cycles."""
        self.source.set_pause_generator(pauses(rng, gaps) if gaps else None)
        self.source.pause = False
        if self.sink:
            self.sink.set_pause_generator(pauses(rng, stalls) if stalls else None)
            self.sink.pause = False

    def send(self, rng, frame, garbage=True, tuser=None):
        """Queues a frame; what is in its last beat's masked lanes is anything."""
        pad = -len(frame) % self.width if garbage else 0
        data = bytes(frame) + rng.randbytes(pad)
        keep = [1] * len(frame) + [0] * pad
        self.source.send_nowait(AxiStreamFrame(tdata=data, tkeep=keep, tuser=tuser))


class Bench:
    """Counts cycles, and when last beats passed."""

    def __init__(self, dut, sink=True):
        self.dut = dut
        self.cycle = 0
        self.last_beats = []
        self.first_beats = []
        self.beats = 0
        cocotb.start_soon(Clock(dut.clk, 2, units="step").start())
        dut.rst.setimmediatevalue(1)
        self.stream = Stream(dut, sink=sink)
        cocotb.start_soon(self._watch())

    async def _watch(self):
        dut, first = self.dut, True
        while True:
            # Settled values, as the next edge will take them.
            await RisingEdge(self.dut.clk)
            await ReadOnly()
            self.cycle += 1
            if dut.rst.value == 1:
                first = True
                continue
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                self.beats += 1
                if first:
                    self.first_beats.append(self.cycle)
                first = dut.s_axis_tlast.value == 1
                if first:
                    self.last_beats.append(self.cycle)

    async def cycles(self, count):
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    async def reset(self, cycles=3):
        self.dut.rst.value = 1
        await self.cycles(cycles)
        self.dut.rst.value = 0

    async def sent(self):
        """Until all that is queued has passed, and what follows it has settled."""
        await self.stream.source.wait()
        await self.cycles(20)

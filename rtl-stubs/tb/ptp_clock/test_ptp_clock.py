"""ptp_clock against whole numbers: 2^-32 ns are the unit, and nothing is ever rounded."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

SECOND = 10**9 << 32
# A period is added for the first time so many cycles after the one that takes it in.
DELAY = 2


class Ptp:
    def __init__(self, dut):
        self.dut = dut
        cocotb.start_soon(Clock(dut.clk, 2, units="step").start())
        dut.rst.setimmediatevalue(1)
        dut.set_valid.setimmediatevalue(0)

    async def reset(self, period):
        dut = self.dut
        self.period(period)
        dut.rst.value = 1
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        self.time = self.total = self.generation = 0
        self.periods = [0] * DELAY

    def period(self, period):
        self.now = period
        self.dut.period_ns.value = period >> 32
        self.dut.period_fraction.value = period & 0xFFFFFFFF

    async def cycle(self, to=None):
        """One cycle, in which the time may be set, if it is one; then both clocks are compared."""
        dut = self.dut
        dut.set_valid.value = to is not None
        if to is not None:
            dut.set_seconds.value, dut.set_ns.value = to
            to = to if to[1] < 10**9 else None
        await FallingEdge(dut.clk)
        self.periods.append(self.now)
        step = self.periods.pop(0)
        self.total = (self.total + step) % (1 << 80)
        if to is None:
            self.time += step
        else:
            self.time = to[0] * SECOND + (to[1] << 32)
            self.generation = (self.generation + 1) % (1 << 16)
        seconds, rest = divmod(self.time, SECOND)
        assert int(dut.tod.value) == seconds % (1 << 48) << 48 | rest >> 16
        assert int(dut.count.value) == self.total >> 16
        assert int(dut.generation.value) == self.generation

    async def cycles(self, number):
        for _ in range(number):
            await self.cycle()


def period_of(mhz):
    return round(1000 / mhz * (1 << 32))


@cocotb.test()
async def it_adds_up_every_fraction(dut):
    """The periods of 10G, 25G and 100G: none of them is a whole number of ns."""
    clock = Ptp(dut)
    for mhz in (156.25, 390.625, 322.265625):
        await clock.reset(period_of(mhz))
        await clock.cycles(3000)


@cocotb.test()
async def a_second_begins_where_the_one_before_ends(dut):
    rng = random.Random(1)
    clock = Ptp(dut)
    await clock.reset(period_of(156.25))
    for seconds in (0, 1_700_000_000, (1 << 48) - 2, (1 << 48) - 1):
        for _ in range(8):
            await clock.cycle((seconds, 10**9 - rng.randrange(1, 60)))
            await clock.cycles(rng.randrange(12, 20))
    # The last ns of a second, set: the next one begins in the next cycle.
    await clock.cycle((7, 999_999_999))
    await clock.cycles(3)
    assert clock.time // SECOND == 8


@cocotb.test()
async def it_is_slewed_and_set_while_it_goes_on(dut):
    rng = random.Random(2)
    clock = Ptp(dut)
    await clock.reset(period_of(390.625))
    for _ in range(4000):
        if rng.random() < 0.1:
            clock.period(rng.randrange(256 << 32))
        to = (rng.getrandbits(48), rng.randrange(10**9)) if rng.random() < 0.05 else None
        await clock.cycle(to)


@cocotb.test()
async def what_is_no_time_sets_nothing(dut):
    """The first ns that no second has, the last that the field holds, and the block between: no generation begins."""
    rng = random.Random(3)
    clock = Ptp(dut)
    await clock.reset(period_of(156.25))
    await clock.cycle((7, 999_999_900))
    for ns in (10**9, 10**9 + 1, (1 << 30) - 1, *(rng.randrange(10**9, 1 << 30) for _ in range(40))):
        await clock.cycle((rng.getrandbits(48), ns))
        await clock.cycles(rng.randrange(3))
    assert clock.generation == 1 and clock.time // SECOND == 8

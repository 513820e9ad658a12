"""axil_cdc between cocotbext-axi's master and its memory, whatever their clocks."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiLiteRam

from bench import pauses


SLVERR = 2


async def begin(dut, bus_period, data_period, idle, rng):
    """Both clocks, and after a reset of both sides a master and a memory that pause."""
    clocks = [cocotb.start_soon(Clock(clk, period, units="step").start())
              for clk, period in ((dut.s_clk, bus_period), (dut.m_clk, data_period))]
    dut.s_rst.value = dut.m_rst.value = 1
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.s_clk, dut.s_rst)
    memory = AxiLiteRam(AxiLiteBus.from_prefix(dut, "m_axil"), dut.m_clk, dut.m_rst, size=512)
    channels = [memory.write_if.aw_channel, memory.write_if.w_channel, memory.write_if.b_channel,
                memory.read_if.ar_channel, memory.read_if.r_channel, master.write_if.b_channel,
                master.read_if.r_channel]
    for channel in channels:
        channel.set_pause_generator(pauses(rng, idle))
    for part in (master.write_if, master.read_if, memory.write_if, memory.read_if):
        part.log.setLevel("ERROR")
    await ClockCycles(dut.s_clk, 10)
    await ClockCycles(dut.m_clk, 10)
    dut.s_rst.value = dut.m_rst.value = 0
    await ClockCycles(dut.s_clk, 5)
    return clocks, master, memory


async def cross(dut, bus_period, data_period, idle):
    rng = random.Random(bus_period * 1000 + data_period)
    clocks, master, memory = await begin(dut, bus_period, data_period, idle, rng)
    model = bytearray(512)
    memory.write(0, bytes(512))
    for _ in range(120):
        at = rng.randrange(512)
        if rng.random() < 0.5:
            data = rng.randbytes(rng.randrange(1, min(8, 512 - at) + 1))
            model[at : at + len(data)] = data
            await master.write(at, data)
        else:
            length = rng.randrange(1, min(8, 512 - at) + 1)
            assert (await master.read(at, length)).data == bytes(model[at : at + length])
    # Both ways at once: each is answered, by what is its own.
    reads = [cocotb.start_soon(master.read(64, 64)) for _ in range(3)]
    writes = [cocotb.start_soon(master.write(256 + 4 * turn, rng.randbytes(4))) for turn in range(8)]
    for task in reads:
        assert (await task).data == bytes(model[64:128])
    for task in writes:
        await task
    for clock in clocks:
        clock.kill()


@cocotb.test()
async def fast_to_slow(dut):
    await cross(dut, 10, 46, 0.3)


@cocotb.test()
async def slow_to_fast(dut):
    await cross(dut, 46, 10, 0.3)


@cocotb.test()
async def nearly_alike(dut):
    """Their edges drift past each other."""
    await cross(dut, 100, 98, 0.0)


class Watch:
    """What is asked on one side, and what is done of it on the other, with their times."""

    def __init__(self, dut):
        self.dut = dut
        self.asked, self.done = [], []
        self.reset_until = 0
        cocotb.start_soon(self._listen("s"))
        cocotb.start_soon(self._listen("m"))

    async def _listen(self, side):
        """Settled values, as the next edge will take them."""
        dut, clk, rst = self.dut, getattr(self.dut, f"{side}_clk"), getattr(self.dut, f"{side}_rst")
        signal = lambda name: getattr(dut, f"{side}_axil_{name}").value  # noqa: E731
        while True:
            await RisingEdge(clk)
            await ReadOnly()
            if rst.value == 1:
                # Until the coming edge.
                await RisingEdge(clk)
                self.reset_until = get_sim_time() if side == "m" else self.reset_until
                continue
            for kind in ("aw", "ar"):
                if signal(f"{kind}valid") == 1 and signal(f"{kind}ready") == 1:
                    data = int(signal("wdata")) if kind == "aw" else 0
                    what = kind, int(signal(f"{kind}addr")), data
                    await RisingEdge(clk)
                    if side == "s":
                        self.asked.append((what, get_sim_time()))
                    else:
                        self.does(what)
                    break

    def does(self, what):
        """It is what was asked last, for the first time, and not of before a reset."""
        asked, when = self.asked[-1]
        assert what == asked, "what is done is not what was asked last"
        assert len(self.done) < len(self.asked) and self.done[-1:] != [len(self.asked)], "it is done twice"
        assert when >= self.reset_until, "it was asked before a reset, and is done after it"
        self.done.append(len(self.asked))


async def pulse(dut, rng, sides):
    """Resets these sides alone, each for its own time."""

    async def one(side):
        clk, rst = getattr(dut, f"{side}_clk"), getattr(dut, f"{side}_rst")
        await RisingEdge(clk)
        rst.value = 1
        await ClockCycles(clk, rng.randrange(1, 4))
        rst.value = 0

    for task in [cocotb.start_soon(one(side)) for side in sides]:
        await task


async def one_side_is_reset(dut, bus_period, data_period):
    rng = random.Random(bus_period * 1000 + data_period + 1)
    clocks, master, memory = await begin(dut, bus_period, data_period, 0.2, rng)
    watch = Watch(dut)
    words = [rng.getrandbits(32) for _ in range(64)]
    memory.write(0, b"".join(word.to_bytes(4, "little") for word in words))
    settle = 40 * max(bus_period, data_period)

    async def access():
        """One read or write; whether it was done, by its answer."""
        at = rng.randrange(64)
        if rng.random() < 0.5:
            answer = await master.write(256 + 4 * at, rng.randbytes(4))
        else:
            answer = await master.read(4 * at, 4)
            if answer is not None and answer.resp == 0:
                assert answer.data == words[at].to_bytes(4, "little")
        return answer

    for turn in range(60):
        # Each bit that is turned has been turned an odd number of times, or an even one.
        for _ in range(rng.randrange(1, 4)):
            before = len(watch.done)
            assert (await access()).resp == 0 and len(watch.done) == before + 1
        done = len(watch.done)
        await pulse(dut, rng, rng.choice(("s", "m", "sm")))
        await Timer(settle, "step")
        assert len(watch.done) == done, "something is done that nobody asked for"

        # And while one is under way.
        under_way = cocotb.start_soon(access())
        await Timer(rng.randrange(1, settle // 3), "step")
        side = rng.choice(("s", "m", "sm"))
        await pulse(dut, rng, side)
        answer = await under_way
        # The master gives up what its own reset meets.
        assert answer is None or answer.resp in (0, SLVERR)
        assert not (answer is not None and answer.resp == SLVERR and side == "s")
        await Timer(settle, "step")
    # All is refused while the other side stays in reset.
    dut.m_rst.value = 1
    assert [(await access()).resp for _ in range(3)] == [SLVERR] * 3
    dut.m_rst.value = 0
    await Timer(settle, "step")
    assert (await access()).resp == 0
    for clock in clocks:
        clock.kill()


@cocotb.test()
async def one_side_is_reset_fast_to_slow(dut):
    await one_side_is_reset(dut, 10, 46)


@cocotb.test()
async def one_side_is_reset_slow_to_fast(dut):
    await one_side_is_reset(dut, 46, 10)


@cocotb.test()
async def one_side_is_reset_nearly_alike(dut):
    await one_side_is_reset(dut, 100, 98)

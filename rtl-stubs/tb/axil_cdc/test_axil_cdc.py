"""axil_cdc between cocotbext-axi's master and its memory, whatever their clocks."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiLiteRam

from bench import pauses


async def cross(dut, bus_period, data_period, idle):
    rng = random.Random(bus_period * 1000 + data_period)
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

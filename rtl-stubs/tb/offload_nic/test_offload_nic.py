"""offload_nic as a driver sees it: by its registers alone, over AXI4-Lite from another clock domain.

Under Verilator, the one that takes the generated registers, cocotb 1.8.1 sees signals after an edge where others see
them before: everything here happens at falling edges, by hand, where all has settled. cocotbext-axi drives axil_cdc
in its own bench."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from cocotb.utils import get_sim_time

import frames
from reference import IPV4, TCP, look, unfinished

# Of regs/offload.rdl, written out once more.
IDENTITY, VERSION, CAPABILITIES, SHAPE, ENABLES = 0x000, 0x004, 0x008, 0x00C, 0x010
INDEX, VALUE, MASK, ACTIONS, MARK, COMMIT, GENERATION, HITS, BYTES = 0x020, 0x024, 0x034, 0x044, 0x048, 0x04C, 0x050, 0x054, 0x05C
PERIOD_FRACTION, PERIOD_NS, SET_SECONDS, SET_NS, CLOCK_COMMIT, NOW = 0x080, 0x084, 0x088, 0x090, 0x094, 0x098
CLOCK_GENERATION, COUNTERS, TX_COUNTERS, LAST_DROP, TX_LAST_DROP = 0x0B0, 0x100, 0x140, 0x180, 0x184
EVENTS, RX_PEAK, RX_BUFFER = 0x188, 0x18C, 0x190
LEN_MAX = 9216
# Of rtl/offload_pkg.sv, likewise.
TOO_LONG, LENGTHS = 2, 6


class Driver:
    def __init__(self, dut):
        self.dut, self.begun = dut, get_sim_time("step")
        self.clocks = [
            cocotb.start_soon(Clock(dut.clk, 64, units="step").start()),
            cocotb.start_soon(Clock(dut.axil_clk, 100, units="step").start()),
        ]
        dut.rst.value = dut.axil_rst.value = 1
        dut.m_axis_tready.value = 1
        dut.m_axis_tx_tready.value = 0
        for name in ("s_axil_awvalid", "s_axil_wvalid", "s_axil_arvalid", "s_axis_tvalid", "s_axis_tuser", "s_axis_tx_tvalid"):
            getattr(dut, name).value = 0
        dut.s_axil_bready.value = dut.s_axil_rready.value = 1
        dut.s_axil_wstrb.value = 15
        self.out, self.sent = [], []
        self.stalls, self.rng = 0.0, random.Random(0)
        cocotb.start_soon(self._take())
        cocotb.start_soon(self._take_sent())

    async def start(self):
        await ClockCycles(self.dut.axil_clk, 10)
        self.dut.rst.value = self.dut.axil_rst.value = 0
        await ClockCycles(self.dut.axil_clk, 10)

    async def in_phase(self):
        """To an edge of the bus's clock at which both clocks stand to each other as at the last such: every 1600 steps."""
        while (get_sim_time("step") - self.begun) % 1600 != 1550:
            await FallingEdge(self.dut.axil_clk)

    def stop(self):
        for clock in self.clocks:
            clock.kill()

    async def _take(self):
        dut, data = self.dut, bytearray()
        while True:
            await FallingEdge(dut.clk)
            if dut.rst.value == 0 and dut.m_axis_tvalid.value == 1:
                kept = int(dut.m_axis_tkeep.value).bit_length()
                data += int(dut.m_axis_tdata.value).to_bytes(len(dut.m_axis_tkeep), "little")[:kept]
                if dut.m_axis_tlast.value == 1:
                    said = {name: int(getattr(dut, f"m_{name}").value)
                            for name in ("queue", "marked", "mark", "verdict_l3", "verdict_l4", "stamp_tod")}
                    self.out.append((bytes(data), said))
                    data = bytearray()

    async def _take_sent(self):
        """The wire, which stalls in such a share of cycles."""
        dut, data = self.dut, bytearray()
        while True:
            await FallingEdge(dut.clk)
            takes = self.rng.random() >= self.stalls
            dut.m_axis_tx_tready.value = takes
            if dut.rst.value == 1:
                data = bytearray()
            elif takes and dut.m_axis_tx_tvalid.value == 1:
                kept = int(dut.m_axis_tx_tkeep.value).bit_length()
                data += int(dut.m_axis_tx_tdata.value).to_bytes(len(dut.m_axis_tx_tkeep), "little")[:kept]
                if dut.m_axis_tx_tlast.value == 1:
                    self.sent.append(bytes(data))
                    data = bytearray()

    async def _until(self, signal):
        """Until this is high at the coming edge, and then past it."""
        for _ in range(500):
            if getattr(self.dut, signal).value == 1:
                return await FallingEdge(self.dut.axil_clk)
            await FallingEdge(self.dut.axil_clk)
        raise AssertionError(f"{signal} stays low")

    async def read(self, at, words=1):
        dut, value = self.dut, 0
        for word in range(words):
            await FallingEdge(dut.axil_clk)
            dut.s_axil_araddr.value, dut.s_axil_arvalid.value = at + 4 * word, 1
            await Timer(1, "step")
            await self._until("s_axil_arready")
            dut.s_axil_arvalid.value = 0
            for _ in range(500):
                if dut.s_axil_rvalid.value == 1:
                    break
                await FallingEdge(dut.axil_clk)
            assert (int(dut.s_axil_rvalid.value), int(dut.s_axil_rresp.value)) == (1, 0)
            value |= int(dut.s_axil_rdata.value) << 32 * word
        return value

    async def write(self, at, value):
        dut = self.dut
        await FallingEdge(dut.axil_clk)
        dut.s_axil_awaddr.value, dut.s_axil_wdata.value = at, value
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 1
        await Timer(1, "step")
        await self._until("s_axil_awready")
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
        await self._until("s_axil_bvalid")

    async def rule(self, index, value, mask, destination=0, drop=0, mark=None, priority=0):
        await self.write(INDEX, index)
        for at, word in ((VALUE, value), (MASK, mask)):
            for number, shift in enumerate((96, 64, 32)):
                await self.write(at + 4 * number, word >> shift & 0xFFFFFFFF)
            await self.write(at + 12, word >> 16 & 0x7FFF)
        await self.write(MARK, mark or 0)
        await self.write(ACTIONS, 1 | drop << 1 | (mark is not None) << 2 | 1 << 3 | priority << 4 | destination << 8)
        await self.write(COMMIT, 1)

    async def counts(self, index):
        await self.write(INDEX, index)
        await self.write(COMMIT, 2)
        return await self.read(HITS, 2), await self.read(BYTES, 2)

    async def send(self, sent):
        dut = self.dut
        width = len(dut.s_axis_tkeep)
        for frame in sent:
            for at in range(0, len(frame), width):
                beat = frame[at : at + width]
                await FallingEdge(dut.clk)
                dut.s_axis_tvalid.value = 1
                dut.s_axis_tdata.value = int.from_bytes(beat, "little")
                dut.s_axis_tkeep.value = (1 << len(beat)) - 1
                dut.s_axis_tlast.value = at + width >= len(frame)
        await FallingEdge(dut.clk)
        dut.s_axis_tvalid.value = 0
        await ClockCycles(dut.clk, 300)

    async def transmit(self, asked):
        """Frames to send, each with what is asked for it; on beats but the first that may be anything."""
        dut, rng = self.dut, self.rng
        width = len(dut.s_axis_tx_tkeep)
        await FallingEdge(dut.clk)
        for frame, meta in asked:
            for at in range(0, len(frame), width):
                beat = frame[at : at + width]
                dut.s_axis_tx_tvalid.value = 1
                dut.s_axis_tx_tdata.value = int.from_bytes(beat + rng.randbytes(width - len(beat)), "little")
                dut.s_axis_tx_tkeep.value = (1 << len(beat)) - 1
                dut.s_axis_tx_tlast.value = at + width >= len(frame)
                dut.s_axis_tx_tuser.value = rng.getrandbits(18) if at else meta
                await Timer(1, "step")
                while dut.s_axis_tx_tready.value == 0:
                    await FallingEdge(dut.clk)
                await FallingEdge(dut.clk)
        dut.s_axis_tx_tvalid.value = 0

    async def tx_counts(self):
        """Finished, passed, too long, lengths that are wrong."""
        return [await self.read(TX_COUNTERS + 4 * number) for number in range(4)]

    def take_sent(self):
        sent, self.sent = self.sent, []
        return sent


@cocotb.test()
async def a_driver_finds_sets_up_and_counts(dut):
    rng = random.Random(1)
    driver = Driver(dut)
    await driver.start()
    assert await driver.read(IDENTITY) == int.from_bytes(b"FIXW", "big")
    assert await driver.read(VERSION) == 1 << 16 | 2
    # rx_ and tx_ checksums of both kinds, rx_timestamp, rx_timestamp_real_time, flow_*: offload/src/capability.rs.
    assert await driver.read(CAPABILITIES) == sum(1 << bit for bit in range(12))
    assert await driver.read(SHAPE) == len(dut.s_axis_tkeep) | 16 << 8 | 16 << 16

    # After a reset nothing is ours, and nothing is judged.
    right = [frames.segment(rng, 40) for _ in range(3)]
    await driver.send(right)
    assert not driver.out and await driver.read(COUNTERS + 16) == 3 and await driver.read(LAST_DROP) == 4
    # A reset and a drop, each cleared by a one in its own bit; and the most that was held, cleared by its read.
    assert await driver.read(EVENTS) == 0b11
    await driver.write(EVENTS, 0b01)
    assert await driver.read(EVENTS) == 0b10
    most, room = await driver.read(RX_PEAK), await driver.read(RX_BUFFER)
    assert 1 <= most >> 16 <= 3 and len(right[0]) <= most & 0xFFFF <= room & 0xFFFF == 32768
    assert await driver.read(RX_PEAK) == 0

    keys = [look(frame).key for frame in right]
    whole = (1 << 128) - (1 << 16) - (1 << 31)
    await driver.rule(2, keys[0], whole, destination=5, mark=0xCAFEF00D)
    await driver.rule(7, keys[1], whole, drop=1)
    assert await driver.read(GENERATION) == 2
    await driver.write(ENABLES, 3 | 1 << 8 | 9 << 16)
    await driver.send(right + [frames.damaged(rng, right[0])[:30]] + right)
    assert [data for data, _ in driver.out][:2] == [right[0], right[2]] and len(driver.out) == 5
    said = driver.out[0][1]
    assert (said["queue"], said["marked"], said["mark"]) == (5, 1, 0xCAFEF00D)
    assert (said["verdict_l3"], said["verdict_l4"]) == (2, 2)
    assert driver.out[1][1]["queue"] == 9
    assert await driver.counts(2) == (2, 2 * len(right[0]))
    assert await driver.counts(7) == (2, 2 * len(right[1]))
    assert [await driver.read(COUNTERS + 4 * number) for number in range(6)] == [5, 0, 0, 0, 3, 2]
    assert await driver.read(LAST_DROP) == 5
    driver.stop()


@cocotb.test()
async def a_driver_sets_the_clock_and_reads_it_whole(dut):
    rng = random.Random(2)
    driver = Driver(dut)
    await driver.start()
    await driver.write(ENABLES, 1 << 8)
    await driver.write(PERIOD_NS, 6)
    await driver.write(PERIOD_FRACTION, 0x66666666)
    await driver.write(CLOCK_COMMIT, 1)
    await driver.write(SET_SECONDS, 0xFFFFFFFF)
    await driver.write(SET_SECONDS + 4, 0x1234)
    # A second ends while it is read.
    await driver.write(SET_NS, 999_999_000)
    await driver.write(CLOCK_COMMIT, 2)
    last = 0
    for _ in range(20):
        await driver.write(CLOCK_COMMIT, 4)
        fraction, ns, seconds = await driver.read(NOW), await driver.read(NOW + 4), await driver.read(NOW + 8, 2)
        assert fraction < 1 << 16 and ns < 10**9 and seconds in (0x1234FFFFFFFF, 0x123500000000)
        now = (seconds * 10**9 + ns << 16) + fraction
        # Each is later than the one before, by no more than the reads took.
        assert not last or 0 < now - last < 3000 << 16
        last = now
    assert seconds == 0x123500000000
    assert await driver.read(CLOCK_GENERATION) == 1
    # No second has so many ns: nothing is set, and no generation begins.
    for ns_set in (10**9, (1 << 30) - 1):
        await driver.write(SET_NS, ns_set)
        await driver.write(CLOCK_COMMIT, 2)
        await driver.write(CLOCK_COMMIT, 4)
        assert await driver.read(NOW + 8, 2) == seconds and ns < await driver.read(NOW + 4) < 10**9
        assert await driver.read(CLOCK_GENERATION) == 1
    await driver.send([frames.segment(rng, 20)])
    stamp = driver.out[0][1]["stamp_tod"]
    assert stamp >> 48 == seconds and (stamp >> 16 & 0xFFFFFFFF) > ns
    driver.stop()


@cocotb.test()
async def a_reset_of_one_side_alone_does_nothing_twice(dut):
    """The stream's side is reset after one access and after two; what was switched on is off, and stays off."""
    driver = Driver(dut)
    await driver.start()
    for accesses in (1, 2, 3):
        for _ in range(accesses):
            await driver.write(ENABLES, 0xF)
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        await ClockCycles(dut.axil_clk, 20)
        assert await driver.read(ENABLES) == 0
        await driver.write(ENABLES, 3)
        await FallingEdge(dut.axil_clk)
        dut.axil_rst.value = 1
        await ClockCycles(dut.axil_clk, 2)
        await FallingEdge(dut.axil_clk)
        dut.axil_rst.value = 0
        await ClockCycles(dut.axil_clk, 20)
        assert await driver.read(ENABLES) == 3
    driver.stop()


@cocotb.test()
async def a_driver_has_frames_finished_while_others_are_received(dut):
    rng = random.Random(3)
    driver = Driver(dut)
    await driver.start()
    # After a reset nothing is finished, whatever is asked for, and however wrong its lengths.
    left = [unfinished(rng, frames.segment(rng, rng.randrange(200))) for _ in range(4)]
    left.append((left[0][0], 13 | 19 << 8 | IPV4 | TCP))
    await driver.transmit(left)
    await ClockCycles(dut.clk, 300)
    assert driver.take_sent() == [frame for frame, _ in left] and await driver.tx_counts() == [0, 5, 0, 0]

    # Both ways at once, while the wire stalls and the host has the driver read.
    await driver.write(ENABLES, 0xF | 1 << 8)
    driver.stalls = 0.3
    right, asked, expected, counts = [frames.segment(rng, rng.randrange(200)) for _ in range(40)], [], [], [0, 5, 0, 0]
    for turn in range(60):
        frame = frames.segment(rng, rng.randrange(200))
        asks = rng.choice((IPV4 | TCP, IPV4 | TCP, IPV4, TCP, 0))
        sent, meta = unfinished(rng, frame, asks)
        if turn % 10 == 4:
            # No length of IPv4's header.
            sent, meta, counts[3] = sent, 14 | 22 << 8 | TCP, counts[3] + 1
        elif turn in (19, 39):
            sent, counts[2] = rng.randbytes(LEN_MAX + 64), counts[2] + 1
        else:
            expected.append(frame)
            counts[0 if asks else 1] += 1
        asked.append((sent, meta))
    transmits = cocotb.start_soon(driver.transmit(asked))
    await driver.send(right)
    for _ in range(10):
        assert await driver.read(IDENTITY) == int.from_bytes(b"FIXW", "big")
    await transmits
    await ClockCycles(dut.clk, 400)
    assert driver.take_sent() == expected
    assert [data for data, _ in driver.out] == right and all(said["verdict_l4"] == 2 for _, said in driver.out)
    assert await driver.tx_counts() == counts
    # What is dropped of frames to send says nothing of those that are received.
    assert (await driver.read(TX_LAST_DROP), await driver.read(LAST_DROP)) == (LENGTHS, 0)
    await driver.transmit([(rng.randbytes(LEN_MAX + 64), IPV4)])
    await ClockCycles(dut.clk, 100)
    assert (await driver.read(TX_LAST_DROP), await driver.read(LAST_DROP)) == (TOO_LONG, 0)

    # A sum alone.
    for enables, fields in ((4, (24,)), (8, (50,))):
        await driver.write(ENABLES, enables)
        frame = frames.segment(rng, 30, 0, 0, 0)
        sent, meta = unfinished(rng, frame)
        half = bytearray(sent)
        for at in fields:
            half[at : at + 2] = frame[at : at + 2]
        await driver.transmit([(sent, meta)])
        await ClockCycles(dut.clk, 200)
        assert driver.take_sent() == [bytes(half)]
    driver.stop()


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_of_it_on_the_way_out(dut):
    rng = random.Random(4)
    driver = Driver(dut)
    await driver.start()
    for turn in range(12):
        driver.stalls = rng.choice((0, 0.3, 1))
        transmits = cocotb.start_soon(
            driver.transmit([unfinished(rng, frames.segment(rng, rng.randrange(100, 400))) for _ in range(3)])
        )
        await ClockCycles(dut.clk, rng.randrange(2, 40))
        transmits.kill()
        dut.rst.value = dut.axil_rst.value = 1
        dut.s_axis_tx_tvalid.value = 0
        await driver.start()
        driver.take_sent()
        assert (await driver.tx_counts(), await driver.read(TX_LAST_DROP)) == ([0] * 4, 0)
        await driver.write(ENABLES, 12)
        driver.stalls = 0
        right = [frames.segment(rng, rng.randrange(200)) for _ in range(2)]
        await driver.transmit([unfinished(rng, frame) for frame in right])
        await ClockCycles(dut.clk, 200)
        assert driver.take_sent() == right and await driver.tx_counts() == [2, 0, 0, 0]
        if turn % 3 == 0:
            await driver.transmit([(right[0][:30], 14 | 20 << 8 | TCP)])
            await ClockCycles(dut.clk, 60)
            assert await driver.read(TX_LAST_DROP) == LENGTHS
    driver.stop()


async def beat(dut, wait=0):
    """A frame of one beat, whole lanes of zeroes, after so many cycles."""
    for _ in range(wait + 1):
        await FallingEdge(dut.clk)
    dut.s_axis_tdata.value, dut.s_axis_tkeep.value = 0, (1 << len(dut.s_axis_tkeep)) - 1
    dut.s_axis_tvalid.value = dut.s_axis_tlast.value = 1
    await FallingEdge(dut.clk)
    dut.s_axis_tvalid.value = 0


# An access begins so many cycles of the bus behind the frame that would come at once, which sees to it that the frame's fate can be
# known before it has its effect; and in as many cycles of the stream the frame begins, which sees to it that it can be known after.
BEFORE, SWEPT = 10, 40


@cocotb.test()
async def an_event_in_the_cycle_of_its_clearing_stays(dut):
    """A frame is dropped in each cycle around an access. What a read in the place of the write does not see yet, the write does
    not clear: one of both tells of it, and never neither."""
    driver = Driver(dut)
    await driver.start()
    # A host that takes nothing, so that each drop is one for want of room as well; and before that each is for no rule.
    for is_full in (False, True):
        if is_full:
            dut.m_axis_tready.value = 0
            await driver.write(ENABLES, 1 << 8)
            # 256, and what has left the buffer and waits to be taken.
            for _ in range(260):
                await beat(dut)
            await ClockCycles(dut.clk, 50)
            assert await driver.read(COUNTERS + 12) > 0
        named = 0b110 if is_full else 0b010
        told = []
        for wait in range(SWEPT):
            seen = []
            for clears in (False, True):
                await driver.write(EVENTS, 0x3F)
                if clears:
                    # One that was heard before, and is to be cleared.
                    await beat(dut)
                    await ClockCycles(dut.clk, 50)
                    assert await driver.read(EVENTS) == named
                await driver.in_phase()
                drops = cocotb.start_soon(beat(dut, wait))
                await ClockCycles(dut.axil_clk, BEFORE)
                word = await (driver.write(EVENTS, named) if clears else driver.read(EVENTS))
                await drops
                await ClockCycles(dut.clk, 50)
                seen.append(await driver.read(EVENTS) if clears else word)
            assert sum(seen) == named and not seen[0] & seen[1], (wait, seen)
            told.append(seen[1] == named)
        assert told == sorted(told) and not told[0] and told[-1], told
    driver.stop()


@cocotb.test()
async def a_frame_to_send_that_is_dropped_as_its_event_is_cleared_is_told(dut):
    driver = Driver(dut)
    await driver.start()
    await driver.write(ENABLES, 12)
    # No length of IPv4's header.
    wrong = [(bytes(len(dut.s_axis_tx_tkeep)), 14 | 22 << 8 | TCP)]

    async def drop(wait):
        await ClockCycles(dut.clk, wait + 1)
        await driver.transmit(wrong)

    told = []
    for wait in range(SWEPT):
        seen = []
        for clears in (False, True):
            await driver.write(EVENTS, 0x3F)
            await driver.in_phase()
            drops = cocotb.start_soon(drop(wait))
            await ClockCycles(dut.axil_clk, BEFORE)
            word = await (driver.write(EVENTS, 0b1000) if clears else driver.read(EVENTS))
            await drops
            await ClockCycles(dut.clk, 50)
            seen.append(await driver.read(EVENTS) if clears else word)
        assert sorted(seen) == [0, 0b1000], (wait, seen)
        told.append(seen[1] != 0)
    assert told == sorted(told) and not told[0] and told[-1], told
    driver.stop()


@cocotb.test()
async def a_peak_in_the_cycle_of_its_read_is_told_by_that_or_by_the_next(dut):
    """Two frames of a beat each, so far apart that both are held for some cycles, for one, or never; and a read in each cycle
    around that."""
    driver = Driver(dut)
    await driver.start()
    await driver.write(ENABLES, 1 << 8)

    async def two(wait, apart):
        await beat(dut, wait)
        await beat(dut, apart)

    def most(*words):
        return max(word & 0xFFFF for word in words), max(word >> 16 for word in words)

    peaks = set()
    for apart in range(5, 13):
        await driver.read(RX_PEAK)
        await two(0, apart)
        await ClockCycles(dut.clk, 50)
        peak = most(await driver.read(RX_PEAK))
        peaks.add(peak)
        told = []
        for wait in range(SWEPT):
            assert await driver.read(RX_PEAK) == 0
            await driver.in_phase()
            comes = cocotb.start_soon(two(wait, apart))
            await ClockCycles(dut.axil_clk, BEFORE)
            words = [await driver.read(RX_PEAK)]
            await comes
            await ClockCycles(dut.clk, 50)
            words.append(await driver.read(RX_PEAK))
            assert most(*words) == peak, (apart, wait, words, peak)
            told.append(most(words[0]) == peak)
        assert told == sorted(told, reverse=True) and told[0] and not told[-1], told
    # With one frame and with two.
    lanes = len(dut.s_axis_tkeep)
    assert {(lanes, 1), (2 * lanes, 2)} <= peaks, peaks
    driver.stop()

"""checksum_tx against frames as scapy finishes them: their sums are taken out, and have to come back."""

import random
import struct

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink
from scapy.utils import checksum

import frames
from bench import Bench, pauses
from reference import IPV4, TCP, unfinished

STATS = ("finished", "passed", "drop_too_long", "drop_lengths")
# As rtl/offload_pkg.sv numbers them.
TOO_LONG, LENGTHS = 2, 6
LEN_MAX = 9216


class Sender(Bench):
    def __init__(self, dut):
        super().__init__(dut, sink=False)
        self.out = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.out.log.setLevel("ERROR")
        self.first_out = []
        self.outs = 0
        self.counted = dict.fromkeys(STATS, 0)
        self.codes = []
        dut.enable_l3.setimmediatevalue(1)
        dut.enable_l4.setimmediatevalue(1)
        cocotb.start_soon(self._listen())

    async def _listen(self):
        dut, first = self.dut, True
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            if dut.rst.value == 1:
                first = True
                continue
            for name in STATS:
                self.counted[name] += int(getattr(dut, f"stat_{name}").value)
            if dut.drop_valid.value == 1:
                self.codes.append(int(dut.drop_code.value))
            if dut.m_axis_tvalid.value == 1 and dut.m_axis_tready.value == 1:
                self.outs += 1
                if first:
                    self.first_out.append(self.cycle)
                first = dut.m_axis_tlast.value == 1

    def ask(self, rng, frame, meta):
        """tuser is the first beat's; on others it is anything."""
        width = self.stream.width
        users = [meta if byte < width else rng.getrandbits(18) for byte in range(len(frame) + width)]
        pad = -len(frame) % width
        keep = [1] * len(frame) + [0] * pad
        data = bytes(frame) + rng.randbytes(pad)
        self.stream.source.send_nowait(AxiStreamFrame(tdata=data, tkeep=keep, tuser=users[: len(data)]))

    async def left(self, expected):
        for wanted in expected:
            found = bytes((await self.out.recv()).tdata)
            assert found == wanted, f"\n{found.hex()}\n{wanted.hex()}"
        await self.cycles(30)
        assert self.out.empty()


def any_right(rng, payload_len):
    frame = frames.segment(rng, payload_len)
    # Behind the packet a driver pads, and what is there does not count.
    return frame + rng.randbytes(rng.choice((0, 0, 1, 6, 13)))


async def finish(dut, right_frames, gaps=0.0, stalls=0.0, seed=1):
    rng = random.Random(seed)
    bench = Sender(dut)
    bench.stream.pause(rng, gaps, 0)
    if stalls:
        bench.out.set_pause_generator(pauses(rng, stalls))
    await bench.reset()
    right = right_frames(rng)
    for frame in right:
        bench.ask(rng, *unfinished(rng, frame, rng.choice((IPV4 | TCP, IPV4 | TCP, IPV4, TCP, 0))))
    await bench.left(right)
    assert bench.counted["finished"] + bench.counted["passed"] == len(right)
    return bench


@cocotb.test()
async def every_length_back_to_back(dut):
    """54 to 1600 bytes."""
    bench = await finish(dut, lambda rng: [frames.of_length(rng, length) for length in range(54, 1601)])
    # One beat in each cycle: it never waits but at the first frame's end and for the last one's.
    assert bench.last_beats[-1] - bench.first_beats[0] + 1 == bench.beats == bench.outs


@cocotb.test()
async def short_frames_do_not_wait_for_the_longest(dut):
    """A beat is taken in each cycle where one is always taken on the other side."""
    lengths = [LEN_MAX] + [60] * 400 + [LEN_MAX] * 3 + [54] * 200 + [LEN_MAX, 60]
    bench = await finish(dut, lambda rng: [frames.of_length(rng, length) for length in lengths])
    assert bench.last_beats[-1] - bench.first_beats[0] + 1 == bench.beats == bench.outs


@cocotb.test()
async def any_segment_with_tags_options_and_padding(dut):
    await finish(dut, lambda rng: [any_right(rng, rng.randrange(200)) for _ in range(400)])


@cocotb.test()
async def any_segment_with_gaps_and_stalls(dut):
    await finish(dut, lambda rng: [any_right(rng, rng.randrange(120)) for _ in range(200)], 0.3, 0.4, 2)


@cocotb.test()
async def jumbo_frames_while_the_way_out_is_slow(dut):
    """More than the ring holds: the sender waits, nothing is lost."""
    await finish(dut, lambda rng: [frames.segment(rng, LEN_MAX - 54 - rng.randrange(3), 0, 0, 0) for _ in range(5)], 0, 0.5, 3)


@cocotb.test()
async def a_sum_of_zero_is_written_as_zero(dut):
    await finish(dut, lambda rng: [frames.zero_sum(rng, b"\0\0") for _ in range(8)])


@cocotb.test()
async def the_first_beat_leaves_so_many_cycles_after_the_last_came(dut):
    rng = random.Random(5)
    bench = Sender(dut)
    await bench.reset()
    for length in (54, 60, 64, 65, 128, 500, 1514, 9000):
        frame = frames.of_length(rng, length)
        bench.ask(rng, *unfinished(rng, frame))
        await bench.left([frame])
    store = 10 if bench.stream.width > 8 else 7
    assert [out - last for out, last in zip(bench.first_out, bench.last_beats)] == [store] * 8


@cocotb.test()
async def what_asks_for_nothing_passes_as_it_is(dut):
    rng = random.Random(6)
    bench = Sender(dut)
    await bench.reset()
    sent = [frames.any_frame(rng) for _ in range(200)] + [rng.randbytes(1), rng.randbytes(LEN_MAX)]
    for frame in sent:
        bench.ask(rng, frame, rng.getrandbits(16))
    await bench.left(sent)
    assert bench.counted["passed"] == len(sent)


@cocotb.test()
async def what_cannot_be_finished_is_dropped_whole_and_counted(dut):
    """Between frames that can be, which come out right."""
    rng = random.Random(7)
    bench = Sender(dut)
    await bench.reset()
    expected, lengths, too_long = [], 0, 0
    for turn in range(120):
        good = frames.segment(rng, rng.randrange(100))
        bench.ask(rng, *unfinished(rng, good))
        expected.append(good)
        frame, meta = unfinished(rng, frames.segment(rng, 20, 0, 0, 0))
        kind = turn % 7
        if kind == 0:
            # Of Ethernet, or of IPv4, no length that there is.
            meta = meta & ~0xFF | rng.choice((0, 12, 13, 15, 16, 26, 78, 142, 255))
        elif kind == 1:
            meta = meta & ~0xFF00 | rng.choice((0, 4, 16, 19, 21, 22, 64, 84, 252)) << 8
        elif kind == 2:
            # The frame ends within TCP's field, or before it.
            frame = frame[: rng.randrange(15, 52)]
        elif kind == 3:
            # It ends within the IPv4 header, and that alone is asked for.
            frame, meta = frame[: rng.randrange(1, 34)], meta & ~TCP
        elif kind == 4:
            # The packet ends before the frame does, and before TCP's field.
            frame = frame[:16] + struct.pack(">H", rng.randrange(20, 38)) + frame[18:]
        elif kind == 5 and turn < 30:
            frame, too_long, lengths = rng.randbytes(LEN_MAX + rng.choice((64, 65, 10_000))), too_long + 1, lengths - 1
        else:
            frame, lengths = b"", lengths - 1
        lengths += 1
        if frame:
            bench.ask(rng, frame, meta)
    await bench.left(expected)
    assert (bench.counted["drop_too_long"], bench.counted["drop_lengths"]) == (too_long, lengths)
    assert bench.counted["finished"] == len(expected)
    assert sorted(bench.codes) == [TOO_LONG] * too_long + [LENGTHS] * lengths


@cocotb.test()
async def what_is_off_is_left_as_it_came(dut):
    """Whatever is asked for, and with lengths for which what is on would drop it; a frame goes by its first beat."""
    rng = random.Random(10)
    bench = Sender(dut)
    await bench.reset()
    for turn in range(40):
        on = turn % 4
        dut.enable_l3.value, dut.enable_l4.value = on & 1, on >> 1
        right = frames.segment(rng, rng.randrange(20, 200), 0, 0, 0)
        left, meta = unfinished(rng, right)
        expected = left[:24] + (right if on & 1 else left)[24:26] + left[26:50] + (right if on & 2 else left)[50:52] + left[52:]
        before = bench.beats
        bench.ask(rng, left, meta)
        # It is on its way in, and has to stay what it was begun as.
        await bench.cycles(4)
        assert bench.beats > before
        dut.enable_l3.value, dut.enable_l4.value = 1 - (on & 1), 1 - (on >> 1)
        await bench.left([expected])
        if not on:
            dut.enable_l3.value = dut.enable_l4.value = 0
            bench.ask(rng, left[:40], meta)
            await bench.left([left[:40]])
    assert not bench.codes and bench.counted == {"finished": 30, "passed": 20, "drop_too_long": 0, "drop_lengths": 0}


@cocotb.test()
async def lengths_that_lie_leave_the_sum_to_the_frames_end(dut):
    """As where Total Length is longer than the frame, or there is none: then all of the frame is summed."""
    rng = random.Random(8)
    bench = Sender(dut)
    await bench.reset()
    expected = []
    for at, value in ((16, b"\xff\xff"), (16, b"\0\x13"), (14, b"\x65"), (14, b"\x44"), (12, b"\x86\xdd")) * 4:
        frame = bytearray(frames.segment(rng, rng.randrange(40), 0, 0, 0))
        frame[at : at + len(value)] = value
        segment = bytes(frame[34:])
        # What the host left in the field is summed with the rest.
        expected.append(bytes(frame[:50]) + struct.pack(">H", checksum(segment)) + bytes(frame[52:]))
        bench.ask(rng, bytes(frame), 14 | 20 << 8 | TCP)
    await bench.left(expected)


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_behind(dut):
    rng = random.Random(9)
    bench = Sender(dut)
    await bench.reset()
    for _ in range(60):
        for _ in range(2):
            bench.ask(rng, *unfinished(rng, frames.segment(rng, rng.randrange(40, 300))))
        await bench.cycles(rng.randrange(1, 60))
        dut.rst.value = 1
        bench.stream.source.clear()
        await bench.cycles(2)
        bench.out.clear()
        dut.rst.value = 0
        right = [any_right(rng, rng.randrange(100)) for _ in range(2)]
        for frame in right:
            bench.ask(rng, *unfinished(rng, frame))
        await bench.left(right)

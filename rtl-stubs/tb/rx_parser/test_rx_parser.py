"""rx_parser against the reading of reference.py, and against scapy's own of the frames that it made."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Dot1Q, Ether

import frames
from bench import Bench
from reference import look, word

LATENCY = 3
STATS = ("not_ipv4", "ipv4_malformed", "tcp_malformed")


class Parser(Bench):
    def __init__(self, dut):
        super().__init__(dut)
        self.keys, self.ends = [], []
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
            if dut.key_valid.value == 1:
                self.keys.append((self.cycle, dut.key.value))
            if dut.end_valid.value == 1:
                values = (dut.end_has_key, dut.end_is_segment, dut.end_len)
                self.ends.append((self.cycle, *(int(value.value) for value in values)))

    def parsed(self, sent):
        assert len(self.keys) == len(self.ends) == len(sent) == len(self.last_beats)
        without = dict.fromkeys(STATS, 0)
        for frame, last, first, key, end in zip(sent, self.last_beats, self.first_beats, self.keys, self.ends):
            found = look(frame)
            cycle, has_key, is_segment, length = end
            assert cycle - last == LATENCY
            assert first + LATENCY <= key[0] <= cycle
            assert (has_key, is_segment) == (found.key is not None, found.is_segment), frame.hex()
            assert length == len(frame)
            if has_key:
                assert int(key[1]) == found.key, f"{int(key[1]):032x} {found.key:032x} {frame.hex()}"
            if not has_key:
                without[found.without] += 1
        assert self.counted == without


async def parse(dut, frames_of, gaps=0.0, stalls=0.0):
    rng = random.Random(dut._name + str(len(dut.s_axis_tdata)))
    bench = Parser(dut)
    bench.stream.pause(rng, gaps, stalls)
    await bench.reset()
    # Registers hold anything at first, which is X where the simulator has it: a whole header comes before a runt.
    sent = [frames.segment(rng, 60), *frames_of(rng)]
    for frame in sent:
        bench.stream.send(rng, frame)
    await bench.sent()
    bench.parsed(sent)
    return bench, sent


@cocotb.test()
async def what_scapy_reads_is_what_is_in_the_key(dut):
    """Segments that scapy made, by its own dissection: no reading of ours between."""
    bench, sent = await parse(dut, lambda rng: [frames.segment(rng, rng.randrange(60)) for _ in range(150)])
    for frame, (_, key) in zip(sent, bench.keys):
        packet = Ether(frame)
        if word(frame, 12) == 0x88A8:
            continue
        vlan = packet[Dot1Q].vlan if Dot1Q in packet else 0
        address = lambda text: int.from_bytes(bytes(map(int, text.split("."))), "big")  # noqa: E731
        expected = address(packet[IP].src) << 96 | address(packet[IP].dst) << 64
        expected |= packet[TCP].sport << 48 | packet[TCP].dport << 32 | (vlan % 4095) << 17 | 1 << 16
        assert int(key) == expected


@cocotb.test()
async def every_length_cut_off_anywhere(dut):
    """Frames with all that there is before the ports, each cut after each of its bytes."""

    def cut(rng):
        whole = [frames.segment(rng, 3, tags, options, 0) for tags in (0, 1, 2) for options in (0, 20, 40)]
        # Halves of types: 0x08, 0x81 and 0x88 with nothing behind them.
        whole += [bytes([half]) * 26 for half in (0x08, 0x81, 0x88)]
        return [frame[:length] for frame in whole for length in range(1, len(frame) + 1)]

    await parse(dut, cut)


@cocotb.test()
async def the_key_comes_with_the_headers(dut):
    """A lookup begins while the frame goes on: after the beat that has the last byte of the ports."""
    rng = random.Random(7)
    bench = Parser(dut)
    await bench.reset()
    width = bench.stream.width
    for tags in (0, 1, 2):
        for options in (0, 4, 8, 20, 24, 40):
            bench.stream.send(rng, frames.segment(rng, 600, tags, options, 0))
    await bench.sent()
    cases = [(tags, options) for tags in (0, 1, 2) for options in (0, 4, 8, 20, 24, 40)]
    for (tags, options), first, (cycle, _) in zip(cases, bench.first_beats, bench.keys):
        last_byte = 14 + 4 * tags + 20 + options + 3
        assert cycle == first + last_byte // width + LATENCY


@cocotb.test()
async def anything(dut):
    await parse(dut, lambda rng: [frames.any_frame(rng) for _ in range(1500)])


@cocotb.test()
async def anything_with_gaps_and_stalls(dut):
    await parse(dut, lambda rng: [frames.any_frame(rng) for _ in range(500)], gaps=0.3, stalls=0.3)


@cocotb.test()
async def a_reset_in_mid_frame_leaves_nothing_behind(dut):
    rng = random.Random(3)
    bench = Parser(dut)
    await bench.reset()
    bench.stream.send(rng, frames.segment(rng, 60))
    await bench.sent()
    for _ in range(100):
        bench.stream.send(rng, frames.segment(rng, rng.randrange(40, 400) + 3 * bench.stream.width))
        await bench.cycles(rng.randrange(1, 8))
        dut.rst.value = 1
        bench.stream.source.clear()
        await bench.cycles(rng.randrange(1, 4))
        for log in (bench.keys, bench.ends, bench.last_beats, bench.first_beats):
            log.clear()
        bench.counted = dict.fromkeys(STATS, 0)
        dut.rst.value = 0
        sent = [frames.any_frame(rng) for _ in range(3)]
        for frame in sent:
            bench.stream.send(rng, frame)
        await bench.sent()
        bench.parsed(sent)

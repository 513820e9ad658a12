"""flow_match against rules held one by one against a key, as RuleSet::classify does."""

import random
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

import frames
from reference import look

LATENCY = 4
RULES = 16
ALL = (1 << 112) - 1


@dataclass(frozen=True)
class Rule:
    enable: int
    priority: int
    value: int
    mask: int
    drop: int = 0
    queue: int = 0
    marks: int = 0
    mark: int = 0
    counts: int = 0


def any_rule(rng, keys):
    """A rule about one of so many keys, or about some bits of them."""
    key = rng.choice(keys)
    mask = rng.choice((ALL, ALL, 0, rng.getrandbits(112) & rng.getrandbits(112) & rng.getrandbits(112), 1 << 14))
    return Rule(
        rng.random() < 0.85, rng.randrange(16), key & mask, mask, rng.random() < 0.2, rng.randrange(16),
        rng.random() < 0.5, rng.getrandbits(32), rng.random() < 0.7,
    )


def classify(table, key):
    """The index of the rule that decides; None where none matches."""
    matching = [
        (rule.priority, index) for index, rule in enumerate(table)
        if rule and rule.enable and (key ^ rule.value) & rule.mask == 0
    ]
    return min(matching)[1] if matching else None


class Steering:
    def __init__(self, dut):
        self.dut = dut
        self.found = []
        self.cycle = 0
        cocotb.start_soon(Clock(dut.clk, 2, units="step").start())
        for name in ("write_valid", "key_valid", "count_valid", "read_valid", "write_index", "count_index", "read_index"):
            getattr(dut, name).setimmediatevalue(0)
        dut.rst.setimmediatevalue(1)
        cocotb.start_soon(self._listen())

    async def _listen(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            self.cycle += 1
            if dut.rst.value == 0 and dut.match_valid.value == 1:
                names = ("hit", "index", "life", "drop", "queue", "marks", "mark", "generation")
                self.found.append((self.cycle, *(int(getattr(dut, f"match_{name}").value) for name in names)))

    async def reset(self):
        self.dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)
        self.found.clear()

    def write(self, index, rule):
        dut = self.dut
        dut.write_valid.value = 1
        dut.write_index.value = index
        for name in ("enable", "priority", "value", "mask", "drop", "queue", "marks", "mark", "counts"):
            getattr(dut, f"write_{name}").value = int(getattr(rule, name))

    def count(self, index, life, length):
        dut = self.dut
        dut.count_valid.value = 1
        dut.count_index.value = index
        dut.count_life.value = life
        dut.count_bytes.value = length

    def idle(self):
        for name in ("write_valid", "key_valid", "count_valid", "read_valid"):
            getattr(self.dut, name).value = 0

    async def read(self, index):
        self.idle()
        self.dut.read_valid.value = 1
        self.dut.read_index.value = index
        await RisingEdge(self.dut.clk)
        self.idle()
        await RisingEdge(self.dut.clk)
        await ReadOnly()
        counts = int(self.dut.read_hits.value), int(self.dut.read_bytes.value)
        await RisingEdge(self.dut.clk)
        return counts


@cocotb.test()
async def a_key_meets_whole_rules_while_they_are_written(dut):
    """A key in nearly every cycle, and a write in every second: each decision is one that some whole table makes,
    the one of the key's own cycle. Counts come back late, in any order, and are those of the rules still there."""
    rng = random.Random(5)
    steering = Steering(dut)
    await steering.reset()
    frames_of_keys = [frames.segment(rng, 0) for _ in range(12)]
    keys = [look(frame).key >> 16 for frame in frames_of_keys]
    table, lives = [None] * RULES, [0] * RULES
    counts = [(0, 0)] * RULES
    generation = 0
    expected, late = [], []
    for _ in range(6000):
        await RisingEdge(dut.clk)
        steering.idle()
        if rng.random() < 0.9:
            key = rng.choice(keys) if rng.random() < 0.9 else rng.getrandbits(112)
            dut.key_valid.value = 1
            dut.key.value = key
            index = classify(table, key)
            if index is None:
                expected.append((steering.cycle, 0, 0, 0, 0, 0, 0, 0, generation))
            else:
                rule = table[index]
                expected.append(
                    (steering.cycle, 1, index, lives[index], int(rule.drop), rule.queue, int(rule.marks), rule.mark,
                     generation)
                )
                late.append((index, lives[index], rng.randrange(1, 9217)))
        if late and rng.random() < 0.9:
            # Often the newest, so that one rule counts in cycle after cycle.
            index, life, length = late.pop(-1 if rng.random() < 0.5 else rng.randrange(len(late)))
            steering.count(index, life, length)
            if table[index].counts and lives[index] == life:
                hits, total = counts[index]
                counts[index] = hits + 1, total + length
            del late[:-50]
        if rng.random() < 0.5:
            index, rule = rng.randrange(RULES), any_rule(rng, keys)
            steering.write(index, rule)
            table[index], counts[index] = rule, (0, 0)
            lives[index] = (lives[index] + 1) % 256
            generation += 1
            # Older than what life tells apart.
            late = [(i, life, length) for i, life, length in late if i != index or (lives[i] - life) % 256 < 200]
    await RisingEdge(dut.clk)
    steering.idle()
    for _ in range(LATENCY + 2):
        await RisingEdge(dut.clk)
    assert len(steering.found) == len(expected) > 5000
    for found, wanted in zip(steering.found, expected):
        # A value written at this edge is seen by the next one, and four later the answer stands.
        assert found[0] - wanted[0] == LATENCY + 1, (found, wanted)
        assert found[1:] == wanted[1:]
    assert sum(wanted[1] for wanted in expected) > 2000
    for index in range(RULES):
        assert await steering.read(index) == counts[index]
    assert sum(hits for hits, _ in counts) > 0


@cocotb.test()
async def the_lower_number_wins_wherever_it_stands(dut):
    rng = random.Random(6)
    steering = Steering(dut)
    await steering.reset()
    key = look(frames.segment(rng, 0)).key >> 16
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        places = rng.sample(range(RULES), 3)
        for place, priority in zip(places, order):
            steering.write(place, Rule(1, priority, 0, 0, queue=priority))
            await RisingEdge(dut.clk)
        steering.idle()
        dut.key_valid.value = 1
        dut.key.value = key
        await RisingEdge(dut.clk)
        steering.idle()
        for _ in range(LATENCY + 1):
            await RisingEdge(dut.clk)
        assert steering.found[-1][5] == 0
        for place in places:
            steering.write(place, Rule(0, 0, 0, 0))
            await RisingEdge(dut.clk)
        steering.idle()


@cocotb.test()
async def frames_in_a_row_of_one_rule_all_count(dut):
    """One in every cycle, until its carry has gone through every byte of a word."""
    steering = Steering(dut)
    await steering.reset()
    steering.write(3, Rule(1, 0, 0, 0, counts=1))
    await RisingEdge(dut.clk)
    steering.idle()
    for _ in range(700):
        steering.count(3, 1, 100_000)
        await RisingEdge(dut.clk)
    steering.idle()
    await RisingEdge(dut.clk)
    assert await steering.read(3) == (700, 70_000_000)
    # A reset takes rules and counts with it.
    await steering.reset()
    assert await steering.read(3) == (0, 0)

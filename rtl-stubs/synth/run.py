"""Synthesises every block by Yosys and holds it to budget.toml: `scripts/rtl synth` calls this.

Two families: look-up tables of six inputs (7 series, UltraScale) and of four (ECP5, iCE40). Cells are those of a
generic mapping without carry chains, so they say how one commit compares with the next, not what a vendor's tool
will make of it; depth is in tables, from register to register. Memories stay whole, their bits are counted
by themselves, and a path ends at them. So it is with the generated register block, which is not counted."""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

STUBS = Path(__file__).resolve().parent.parent
BUDGET = STUBS / "synth" / "budget.toml"
README = STUBS / "README.md"
BLOCKS = tomllib.loads((STUBS / "blocks.toml").read_text())
INPUTS = (6, 4)
# Tables of six inputs in a row, from which on the README names a block.
DEEP = 15


def outlines(generated, folder):
    """What is generated, as Yosys 0.23 takes it: structures packed, and of a module its ports alone."""
    for name in generated:
        text = (STUBS / "regs" / "generated" / f"{name}.sv").read_text()
        if name.endswith("_pkg"):
            text = text.replace("typedef struct {", "typedef struct packed {")
        else:
            text = f"(* blackbox *)\n{text[text.index('module '):text.index(');') + 2]}\nendmodule\n"
        (folder / f"{name}.sv").write_text(text)
        yield str(folder / f"{name}.sv")


def synthesise(block, width, folder):
    """Tables and depth for each family; flip-flops; bits of RAM."""
    generated = BLOCKS[block].get("generated", [])
    names = ("offload_pkg", *BLOCKS[block]["uses"], block)
    sources = " ".join([*outlines(generated, folder), *(f"rtl/{name}.sv" for name in names)])
    ends_at = " ".join(["t:ram", *(f"t:{name}" for name in generated)])
    sized = f"chparam -set DATA_W {width} {block}; " if width else ""
    map_each = "".join(
        f"design -load mapped; abc -lut {inputs}; opt_clean; log family {inputs}; stat; cutpoint {ends_at}; ltp -noff; " for inputs in INPUTS
    )
    script = (
        f"read_verilog -sv {sources}; {sized}hierarchy -top {block}; proc; flatten; opt; log memories; stat; memory -nomap; "
        f"chtype -set ram t:$mem_v2; read_verilog -lib synth/ram.v; "
        f"synth -flatten -top {block}; design -save mapped; {map_each}"
    )
    done = subprocess.run(["yosys", "-p", script], cwd=STUBS, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stdout[-500:] + done.stderr[-500:])
    before, *families = re.split(r"^family \d$", done.stdout, flags=re.M)
    found = {"memory_bits": max(map(int, re.findall(r"Number of memory bits: +(\d+)", before)), default=0)}
    for inputs, text in zip(INPUTS, families):
        cells = {name: int(number) for name, number in re.findall(r"^ +(\$\S+) +(\d+)$", text, flags=re.M)}
        found[f"lut{inputs}"] = sum(number for name, number in cells.items() if name == "$lut")
        found[f"depth_lut{inputs}"] = int(re.search(r"Longest topological path.*length=(\d+)", text)[1])
        found["flip_flops"] = sum(number for name, number in cells.items() if "DFF" in name)
    return found


def table(budget):
    """The budget, as the README shows it."""
    rows = [
        f"| {name} | {of['lut6']:,}, {of['depth_lut6']} | {of['lut4']:,}, {of['depth_lut4']} | {of['flip_flops']:,} | {of['memory_bits']:,} |"
        for name, of in sorted(budget.items())
    ]
    head = ["| block | LUT6, depth | LUT4, depth | flip-flops | bits of RAM |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def deepest(budget):
    """The deepest paths, as the README tells of them: all of DEEP tables and more."""
    deep = [(of["depth_lut6"], name) for name, of in budget.items() if of["depth_lut6"] >= DEEP]
    return ", ".join(f"`{name}` {depth}" for depth, name in sorted(deep, key=lambda one: (-one[0], one[1])))


def shown():
    """The README, up to the table, the table and after it."""
    return re.split(r"((?:^\| block \| LUT6.*\n)(?:^\|.*\n)+)", README.read_text(), maxsplit=1, flags=re.M)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write budget.toml and the README's table anew")
    parser.add_argument("block", nargs="*", help=f"of {', '.join(BLOCKS)}; all of them if left out")
    chosen = parser.parse_args()
    write = chosen.write
    if unknown := set(chosen.block) - set(BLOCKS):
        parser.error(f"there is no block {', '.join(unknown)}")
    budget = tomllib.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    passed, failed = 0, []
    for block, made in BLOCKS.items():
        if chosen.block and block not in chosen.block:
            continue
        for width in made.get("widths", [None]):
            name = f"{block}_{width}" if width else block
            with tempfile.TemporaryDirectory() as folder:
                found = synthesise(block, width, Path(folder))
            # Below it as well: the README shows what was found.
            differs = [
                f"{key} is {number}, where {budget.get(name, {}).get(key, 'nothing')} is written"
                for key, number in found.items() if number != budget.get(name, {}).get(key)
            ]
            print(f"    {name}: {', '.join(f'{key} {number}' for key, number in found.items())}", flush=True)
            if write:
                budget[name] = found
            if differs and not write:
                failed.append(f"{name}: {'; '.join(differs)}; scripts/rtl synth --write, if it is to be so")
            else:
                passed += 1
    if write:
        head = "# What each block takes: `scripts/rtl synth` fails where Yosys finds another number, and `--write` writes it anew.\n\n"
        tables = [
            "\n".join([f"[{name}]", *(f"{key} = {number}" for key, number in found.items()), ""])
            for name, found in sorted(budget.items())
        ]
        BUDGET.write_text(head + "\n".join(tables))
        before, _, after = shown()
        README.write_text(before + table(budget) + after)
    if shown()[1] != table(budget):
        failed.append("the README's table is not what budget.toml has; scripts/rtl synth --write")
    else:
        passed += 1
    told = f"The deepest paths, in tables of six inputs: {deepest(budget)}."
    if told not in " ".join(README.read_text().split()):
        failed.append(f"the README does not say \"{told}\"")
    else:
        passed += 1
    for what in failed:
        print(f"FAILED: {what}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

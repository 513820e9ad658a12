"""Proves what proofs.toml lists, and that each property fails under its mutations: `scripts/rtl formal` calls this."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STUBS = Path(__file__).resolve().parent.parent
FORMAL = STUBS / "formal"
PROOFS = tomllib.loads((FORMAL / "proofs.toml").read_text())["proof"]
TIME_S_MAX = 600
# How deep a mutation is looked for of what holds for ever; of the rest, as deep as that is proven.
MUTATION_CYCLES_MAX = 80
NO_ANSWER = f"no answer in {TIME_S_MAX} s"


def harness(proof):
    return FORMAL / f"{proof.get('top', proof['name'])}_formal.sv"


def properties(text, defines):
    """The property of each line that these defines leave: the comment that stands last before it."""
    names, name, left = {}, None, [True]
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"`(ifdef|ifndef) (\w+)", line):
            left.append((found[2] in defines) == (found[1] == "ifdef"))
        elif line.startswith("`else"):
            left[-1] = not left[-1]
        elif line.startswith("`endif"):
            left.pop()
        elif all(left):
            if found := re.search(r"// property: (.*)", line):
                name = found[1]
            names[number] = name
    return names


def properties_of(proof):
    names = properties(harness(proof).read_text(), proof.get("defines", ()))
    chosen = proof.get("properties")
    return {line: name for line, name in names.items() if name and (not chosen or name in chosen)}


def unproven():
    """Sentences about properties that nothing proves or no mutation breaks, and about mutations of none."""
    faults = []
    for path in sorted(FORMAL.glob("*_formal.sv")):
        named = re.findall(r"// property: (.*)", path.read_text())
        proofs = [proof for proof in PROOFS if harness(proof) == path]
        proven = {name for proof in proofs for name in properties_of(proof).values()}
        broken = {mutation["property"] for proof in proofs for mutation in proof.get("mutation", ())}
        for name in named:
            if name not in proven:
                faults.append(f"{path.name}: no proof has \"{name}\"")
            if name not in broken:
                faults.append(f"{path.name}: no mutation breaks \"{name}\"")
    for proof in PROOFS:
        names = set(properties_of(proof).values())
        wanted = {mutation["property"] for mutation in proof.get("mutation", ())} | proof.get("bounded", {}).keys()
        wanted |= set(proof.get("properties", ()))
        faults += [f"{proof['name']}: it has no property \"{name}\"" for name in sorted(wanted - names)]
    return faults


def by_whom():
    """What the README says of proofs that not both look at, as it has to."""
    said = {
        "proven by z3 alone": [proof["name"] for proof in PROOFS if "induction" in proof],
        "proven by ABC alone": [proof["name"] for proof in PROOFS if "depth" not in proof],
    }
    return [f"{words}: {', '.join(f'`{name}`' for name in names)}" for words, names in said.items()]


def mistold():
    text = " ".join((STUBS / "README.md").read_text().split())
    return [f"README.md does not say \"{sentence}\"" for sentence in by_whom() if sentence not in text]


def model(proof, folder, mutation=None, name=None):
    """Written down as SMT-LIB with all properties, or with one alone, by its name, as AIGER."""
    top = harness(proof).stem
    files = []
    for block in ("offload_pkg", *proof["blocks"]):
        free = FORMAL / f"{block}_free.sv"
        text = (free if block in proof.get("free", ()) else STUBS / "rtl" / f"{block}.sv").read_text()
        if mutation and mutation["file"] == block:
            if text.count(mutation["from"]) != 1:
                raise ValueError(f"{mutation['from']!r} is not there once in rtl/{block}.sv")
            text = text.replace(mutation["from"], mutation["to"])
        (folder / f"{block}.sv").write_text(text)
        files.append(str(folder / f"{block}.sv"))
    defines = "".join(f" -D{define}" for define in proof.get("defines", ()))
    sizes = "".join(f"chparam -set {name} {value} {top}; " for name, value in proof.get("sizes", {}).items())
    alone = ""
    if name:
        # A statement's place goes from where its condition begins to where it ends.
        places = [f"a:src=*{top}.sv:*-{line}.*" for line, said in properties_of(proof).items() if said == name]
        alone = f"select -set alone {' '.join(places)}; delete t:$assert @alone %d; select -assert-min 1 t:$assert; "
    clocks = "clk2fflogic" if proof.get("clocks", 1) > 1 else "async2sync"
    made = folder / ("model.aig" if name else "model.smt2")
    written = (
        f"techmap; opt -fast; dffunmap; setundef -anyseq; aigmap; opt_clean; write_aiger -I -B -zinit {made}" if name
        else f"write_smt2 -wires {made}"
    )
    script = (
        f"read_verilog -formal -sv{defines} {' '.join(files)} {harness(proof)}; {sizes}prep -flatten -top {top}; "
        f"{alone}opt_clean; memory_map; {clocks}; opt -full; dffunmap; opt_clean; setundef -anyseq; {written}"
    )
    done = subprocess.run(["yosys", "-q", "-p", script], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stdout + done.stderr)
    return made


def by_z3(proof, folder, *arguments):
    """What does not hold, of all properties at once."""
    command = ["yosys-smtbmc", "-s", "z3", "--unroll", "--noprogress", *arguments, str(model(proof, folder))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_S_MAX)
    except subprocess.TimeoutExpired:
        return NO_ANSWER
    if "Status: PASSED" in done.stdout or "Status: passed" in done.stdout:
        return ""
    lines = re.findall(rf"Assert failed in .*?{harness(proof).name}:\d+\.\d+-(\d+)\.", done.stdout)
    names = properties_of(proof)
    failed = sorted({names.get(int(line), f"line {line}") for line in lines})
    return "; ".join(failed) or f"yosys-smtbmc ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def by_abc(proof, folder, name, search, mutation=None):
    """What ABC says of one property: 'holds', at which cycle it fails, or all that it said."""
    made = model(proof, folder, mutation, name)
    command = ["yosys-abc", "-q", f"read_aiger {made}; fold; strash; scorr; {search}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_S_MAX)
    except subprocess.TimeoutExpired:
        return NO_ANSWER
    if "Property proved" in done.stdout or f"No output asserted in {search.split()[-1]} frames" in done.stdout:
        return "holds"
    if found := re.search(r"was asserted in frame (\d+)", done.stdout):
        return int(found[1])
    return f"ABC ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def checks(proof, mutate):
    """What there is to be done for a proof: what each check is called, and a function that finds what is wrong."""

    bounded = proof.get("bounded", {})

    def holds(name, search):
        def check(folder):
            found = by_abc(proof, folder, name, search)
            return "" if found == "holds" else f"it fails in cycle {found}" if isinstance(found, int) else found
        return check

    def breaks(mutation):
        def check(folder):
            name = mutation["property"]
            found = by_abc(proof, folder, name, f"bmc3 -F {bounded.get(name, MUTATION_CYCLES_MAX)}", mutation)
            return "" if isinstance(found, int) else "it holds all the same" if found == "holds" else found
        return check

    if "depth" in proof:
        yield f"all hold for {proof['depth']} cycles", lambda folder: by_z3(proof, folder, "-t", str(proof["depth"]))
    if "induction" in proof:
        cycles = str(proof["induction"])
        yield f"all close by induction over {cycles} cycles", lambda folder: by_z3(proof, folder, "-i", "-t", cycles)
    for name in dict.fromkeys(properties_of(proof).values()):
        if name in bounded:
            yield f"\"{name}\" holds for {bounded[name]} cycles", holds(name, f"bmc3 -F {bounded[name]}")
        elif "induction" not in proof:
            yield f"\"{name}\" holds for ever", holds(name, "pdr")
    for mutation in proof.get("mutation", []) if mutate else []:
        yield f"mutation of {mutation['file']} breaks \"{mutation['property']}\"", breaks(mutation)


def run(proof, what, check):
    """A sentence about what is wrong, if anything."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            fault = check(Path(folder))
        except ValueError as error:
            fault = str(error)
    outcome = "FAILED" if fault else "passed"
    print(f"    {proof['name']}: {what}: {outcome} ({time.monotonic() - begin:.0f} s)", flush=True)
    return f"{proof['name']}: {what}: {fault}" if fault else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-mutations", action="store_true", help="prove alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time; as many as there are cores if left out")
    parser.add_argument("proof", nargs="*", help=f"of {', '.join(proof['name'] for proof in PROOFS)}; all if left out")
    chosen = parser.parse_args()
    if unknown := set(chosen.proof) - {proof["name"] for proof in PROOFS}:
        parser.error(f"there is no proof {', '.join(unknown)}")
    failed = unproven() + mistold()
    with ThreadPoolExecutor(chosen.jobs) as jobs:
        found = [
            jobs.submit(run, proof, what, check)
            for proof in PROOFS if not chosen.proof or proof["name"] in chosen.proof
            for what, check in checks(proof, not chosen.no_mutations)
        ]
        found = [job.result() for job in found]
    failed += [fault for fault in found if fault]
    for what in failed:
        print(f"FAILED: {what}")
    print(f"{found.count('')} passed, {len(failed)} failed")
    return 1 if failed or not found.count("") else 0


if __name__ == "__main__":
    sys.exit(main())

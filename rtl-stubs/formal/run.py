"""Proves what proofs.toml lists, and that each proof fails under its mutations: `scripts/rtl formal` calls this."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

STUBS = Path(__file__).resolve().parent.parent
FORMAL = STUBS / "formal"
PROOFS = tomllib.loads((FORMAL / "proofs.toml").read_text())["proof"]
TIME_S_MAX = 600


def properties(harness):
    """The property of each line: the comment that stands last before it."""
    names, name = {}, None
    for number, line in enumerate(harness.read_text().splitlines(), 1):
        if found := re.search(r"// property: (.*)", line):
            name = found[1]
        names[number] = name
    return names


def build(proof, folder, mutation=None):
    """The proof's model in SMT-LIB."""
    top = f"{proof.get('top', proof['name'])}_formal"
    names = []
    for name in ("offload_pkg", *proof["blocks"]):
        free = FORMAL / f"{name}_free.sv"
        text = (free if name in proof.get("free", ()) else STUBS / "rtl" / f"{name}.sv").read_text()
        if mutation and mutation["file"] == name:
            if text.count(mutation["from"]) != 1:
                raise ValueError(f"{mutation['from']!r} is not there once in rtl/{name}.sv")
            text = text.replace(mutation["from"], mutation["to"])
        (folder / f"{name}.sv").write_text(text)
        names.append(str(folder / f"{name}.sv"))
    harness = FORMAL / f"{top}.sv"
    defines = "".join(f" -D{define}" for define in proof.get("defines", ()))
    sizes = "".join(f"chparam -set {name} {value} {top}; " for name, value in proof.get("sizes", {}).items())
    model = folder / "model.smt2"
    script = (
        f"read_verilog -formal -sv{defines} {' '.join(names)} {harness}; {sizes}prep -flatten -top {top}; memory_map; "
        f"async2sync; opt -full; dffunmap; opt_clean; setundef -anyseq; write_smt2 -wires {model}"
    )
    done = subprocess.run(["yosys", "-q", "-p", script], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stdout + done.stderr)
    return model, harness


def solve(model, harness, *arguments):
    """Whether it holds, and where not, which properties fail."""
    command = ["yosys-smtbmc", "-s", "z3", "--unroll", "--noprogress", *arguments, str(model)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_S_MAX)
    except subprocess.TimeoutExpired:
        return False, {f"no answer in {TIME_S_MAX} s"}
    if "Status: PASSED" in done.stdout or "Status: passed" in done.stdout:
        return True, set()
    # A statement's place goes from where its condition begins to where it ends.
    lines = [int(line) for line in re.findall(rf"Assert failed in .*?{harness.name}:\d+\.\d+-(\d+)\.", done.stdout)]
    names = properties(harness)
    return False, {str(names[line]) for line in lines} or {done.stdout[-2000:] + done.stderr[-2000:]}


def check(proof, mutate):
    """Counts of what held as it should, and sentences about what did not."""
    passed, failed = 0, []

    def count(what, fault):
        nonlocal passed
        print(f"    {proof['name']}: {what}: {'FAILED' if fault else 'passed'} ({time.monotonic() - begin:.0f} s)", flush=True)
        if fault:
            failed.append(f"{proof['name']}: {what}: {fault}")
        else:
            passed += 1

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        begin = time.monotonic()
        model, harness = build(proof, folder)
        holds, found = solve(model, harness, "-t", str(proof["depth"]))
        count(f"holds for {proof['depth']} cycles from any start", "" if holds else "; ".join(found))
        if "induction" in proof:
            begin = time.monotonic()
            holds, found = solve(model, harness, "-i", "-t", str(proof["induction"]))
            count(f"closes by induction over {proof['induction']} cycles", "" if holds else "; ".join(found))
        for mutation in proof.get("mutation", []) if mutate else []:
            begin = time.monotonic()
            model, harness = build(proof, folder, mutation)
            holds, found = solve(model, harness, "-t", str(proof["depth"]))
            wanted = mutation["property"]
            fault = "it holds all the same" if holds else "" if wanted in found else f"another fails: {'; '.join(found)}"
            count(f"mutation breaks \"{wanted}\"", fault)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-mutations", action="store_true", help="prove alone")
    parser.add_argument("proof", nargs="*", help=f"of {', '.join(proof['name'] for proof in PROOFS)}; all if left out")
    chosen = parser.parse_args()
    if unknown := set(chosen.proof) - {proof["name"] for proof in PROOFS}:
        parser.error(f"there is no proof {', '.join(unknown)}")
    passed, failed = 0, []
    for proof in PROOFS:
        if chosen.proof and proof["name"] not in chosen.proof:
            continue
        try:
            right, wrong = check(proof, not chosen.no_mutations)
        except ValueError as error:
            right, wrong = 0, [f"{proof['name']}: {error}"]
        passed, failed = passed + right, failed + wrong
    for what in failed:
        print(f"FAILED: {what}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

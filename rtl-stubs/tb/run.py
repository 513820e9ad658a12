"""Builds blocks, at each width of theirs, and runs their test benches: `scripts/rtl test` calls this."""

import argparse
import os
import shutil
import sys
import tomllib
import xml.etree.ElementTree as xml
from pathlib import Path

STUBS = Path(__file__).resolve().parent.parent
BLOCKS = tomllib.loads((STUBS / "blocks.toml").read_text())
WIDTHS = (64, 512)


def widths(block, chosen):
    """Those of a block that were asked for; one that has none is built once."""
    has = BLOCKS[block].get("widths") or BLOCKS[block].get("bench_widths")
    return [width for width in has if width in (chosen or WIDTHS)] if has else [None]


def named(block, width):
    return f"{block} at {width} bits" if width else block


def simulator_of(block):
    """Icarus, which cocotb sees signals of as cocotbext-axi wants them; Verilator for what Icarus does not take."""
    return BLOCKS[block].get("simulator", "icarus")


def run(block, width, only):
    simulator = simulator_of(block)
    build = STUBS.parent / "target" / "rtl" / f"{block}_{width or 0}_{simulator}"
    from cocotb.runner import get_runner

    runner = get_runner(simulator)
    sources = [STUBS / "rtl" / f"{name}.sv" for name in ("offload_pkg", *BLOCKS[block]["uses"], block)]
    sources[:0] = [STUBS / "regs" / "generated" / f"{name}.sv" for name in BLOCKS[block].get("generated", [])]
    # A block that is no stream by itself has a frame around it.
    top, around = block, STUBS / "tb" / block / f"{block}_bench.sv"
    if around.exists():
        top, sources = f"{block}_bench", [*sources, around]
    arguments = {"icarus": ["-g2012"], "verilator": ["-Wno-fatal", "--x-initial", "unique"]}[simulator]
    parameters = {"DATA_W": width} if width else {}
    if simulator == "icarus":
        # Icarus 11 knows no other way to set a parameter than by its name from the top.
        arguments += [f"-P{top}.{name}={value}" for name, value in parameters.items()]
        parameters = {}
    runner.build(
        verilog_sources=sources, hdl_toplevel=top, parameters=parameters, build_args=arguments, build_dir=build, always=True,
    )
    tests = STUBS / "tb"
    sys.path[:0] = [str(tests), str(tests / block)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(tests), str(tests / block)])
    results = build / "results.xml"
    results.unlink(missing_ok=True)
    runner.test(
        hdl_toplevel=top, test_module=f"test_{block}", build_dir=build, test_dir=build, results_xml=str(results),
        testcase=only, seed=1, extra_env={"COCOTB_LOG_LEVEL": "INFO"},
    )
    cases = list(xml.parse(results).iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    if not cases:
        raise RuntimeError("there is no test in it")
    return len(cases) - len(failed), [f"{named(block, width)}: {name}" for name in failed]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, choices=WIDTHS, action="append", help="all of them if left out")
    parser.add_argument("--only", help="one test by its name")
    parser.add_argument("block", nargs="*", help=f"of {', '.join(BLOCKS)}; all of them if left out")
    chosen = parser.parse_args()
    passed, failed, skipped = 0, [], 0
    for block in chosen.block or BLOCKS:
        if block not in BLOCKS:
            parser.error(f"there is no block {block}; it is one of {', '.join(BLOCKS)}")
        tool = {"icarus": "iverilog", "verilator": "verilator"}[simulator_of(block)]
        if not shutil.which(tool):
            print(f"SKIPPED: bench of {block}: {tool} is not installed; apt-get install {tool}")
            skipped += 1
            continue
        for width in widths(block, chosen.width):
            try:
                right, wrong = run(block, width, chosen.only)
            except (SystemExit, RuntimeError, FileNotFoundError, xml.ParseError) as error:
                right, wrong = 0, [f"{named(block, width)} did not run: {error!r}"]
            print(f"    {named(block, width)}: {right} passed, {len(wrong)} failed")
            passed, failed = passed + right, failed + wrong
    for name in failed:
        print(f"FAILED: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not (passed or skipped) else 0


if __name__ == "__main__":
    sys.exit(main())

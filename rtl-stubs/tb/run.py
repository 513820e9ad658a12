"""Builds a block at a width and runs its test bench. `scripts/rtl test` calls this."""

import argparse
import os
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

from cocotb.runner import get_runner

STUBS = Path(__file__).resolve().parent.parent
# What each block is built from, but for the package.
SOURCES = {
    "checksum_rx": ["header_fields", "region_sums"],
    "rx_parser": ["header_fields"],
}
WIDTHS = (64, 512)


def run(block, width, simulator, only):
    build = STUBS.parent / "target" / "rtl" / f"{block}_{width}_{simulator}"
    runner = get_runner(simulator)
    names = ["offload_pkg", *SOURCES[block], block]
    arguments = {"icarus": ["-g2012"], "verilator": ["-Wno-fatal", "--x-initial", "unique"]}[simulator]
    if simulator == "icarus":
        # Icarus 11 knows no other way to set a parameter than by its name from the top.
        arguments = [*arguments, f"-P{block}.DATA_W={width}"]
        parameters = {}
    else:
        parameters = {"DATA_W": width}
    runner.build(
        verilog_sources=[STUBS / "rtl" / f"{name}.sv" for name in names],
        hdl_toplevel=block, parameters=parameters, build_args=arguments, build_dir=build, always=True,
    )
    tests = STUBS / "tb"
    sys.path[:0] = [str(tests), str(tests / block)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(tests), str(tests / block)])
    results = build / "results.xml"
    results.unlink(missing_ok=True)
    runner.test(
        hdl_toplevel=block, test_module=f"test_{block}", build_dir=build, test_dir=build, results_xml=str(results),
        testcase=only, seed=1, extra_env={"COCOTB_LOG_LEVEL": "INFO"},
    )
    cases = list(xml.parse(results).iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    return len(cases) - len(failed), [f"{block} at {width} bits: {name}" for name in failed]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulator", choices=("icarus", "verilator"), default="icarus")
    parser.add_argument("--width", type=int, choices=WIDTHS, action="append", help="all of them if left out")
    parser.add_argument("--only", help="one test by its name")
    parser.add_argument("block", nargs="*", help=f"of {', '.join(SOURCES)}; all of them if left out")
    chosen = parser.parse_args()
    passed, failed = 0, []
    for block in chosen.block or SOURCES:
        if block not in SOURCES:
            parser.error(f"there is no block {block}; it is one of {', '.join(SOURCES)}")
        for width in chosen.width or WIDTHS:
            try:
                right, wrong = run(block, width, chosen.simulator, chosen.only)
            except (SystemExit, RuntimeError, FileNotFoundError, xml.ParseError) as error:
                right, wrong = 0, [f"{block} at {width} bits did not run: {error!r}"]
            print(f"    {block} at {width} bits: {right} passed, {len(wrong)} failed")
            passed, failed = passed + right, failed + wrong
    for name in failed:
        print(f"FAILED: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())

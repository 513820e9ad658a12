"""What is to be true of what guests told, and of what crossed their lines."""
import json
import subprocess

import wire

GOOD_AND_BAD = "of 16 right sums: good 16, bad 0; of 16 wrong ones: good 0, bad 16"
ONLY_BAD = "of 16 right sums: good 0, bad 0; of 16 wrong ones: good 0, bad 16"
NEVER = "of 16 right sums: good 0, bad 0; of 16 wrong ones: good 0, bad 0"
# That of the selftest's frames, many of which are wrong on purpose.
PROBE_PORT = 40_000
FINISHED = "16 of 16 fields left to it arrived right"


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, *found):
        """Passes when all of `found`, each a pair of what was found and what was expected, agree. What was expected
        may be a question of what was found."""
        wrong = [
            f"{value!r}, expected {expected.__doc__ if callable(expected) else repr(expected)}"
            for value, expected in found
            if not (expected(value) if callable(expected) else value == expected)
        ]
        if wrong:
            self.failed += 1
            print(f"FAILED {what}: found {'; '.join(wrong)}", flush=True)
        else:
            self.passed += 1
            print(f"ok {what}", flush=True)


def some(count):
    """more than none"""
    return count is not None and count > 0


def more_than(least):
    def question(count):
        return count is not None and count > least

    question.__doc__ = f"more than {least}"
    return question


def contains(words):
    def question(text):
        return words in str(text)

    question.__doc__ = f"something with {words!r}"
    return question


def linked_alone(tally, program):
    """A static build needs none of DPDK's libraries."""
    dynamic = subprocess.run(["readelf", "--dynamic", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    needed = [line for line in dynamic.splitlines() if "(NEEDED)" in line]
    of_dpdk = [line for line in needed if "librte_" in line]
    tally.check("the static build needs no library of DPDK's", (of_dpdk, []), (len(needed), some))


class Trials:
    """What a guest told, by the name of the trial; nothing of what it did not get to."""

    def __init__(self, trials):
        self.trials = trials

    def code(self, name):
        return self.trials.get(name, (None, ""))[0]

    def text(self, name):
        return self.trials.get(name, (None, ""))[1]

    def json(self, name):
        try:
            return json.loads(self.text(name).strip().splitlines()[-1])
        except (ValueError, IndexError):
            return {}

    def seen(self, name, capability):
        rows = self.json(name).get("findings", [])
        return next((row["seen"] for row in rows if row["capability"] == capability), None)

    def state(self, name, check):
        rows = self.json(name).get("checks", [])
        return next(((row["state"], row["found"]) for row in rows if row["check"] == check), (None, None))

    def row(self, name, capability):
        rows = self.json(name).get("plan", [])
        return next(((row["by"], row.get("observed")) for row in rows if row["capability"] == capability), None)

    def count(self, name, counter):
        return self.json(name).get("counters", {}).get(counter)


def of_igb(tally, told, lines):
    trials = Trials(told)
    driver, iommu = trials.state("doctor", "driver binding"), trials.state("doctor", "IOMMU")
    tally.check(
        "igb: behind an IOMMU by vfio-pci, as doctor says",
        (trials.code("doctor"), 0),
        (driver, ("ok", "vfio-pci")),
        (iommu, contains("'ok', 'there")),
    )
    flow = trials.json("flow")
    tally.check(
        "igb: flow creates the session's rule in the NIC and shows it",
        (trials.code("flow"), 0),
        (flow.get("outcome"), "device"),
        (flow.get("by"), "NIC"),
        (len(flow.get("rules", [])), 1),
    )
    driver_tests(tally, "igb", trials.text("driver"), 5)
    verdicts(tally, "igb", trials, "selftest", GOOD_AND_BAD)
    for capability in ("tx_ipv4_checksum", "tx_tcp_checksum"):
        tally.check(f"igb: {capability} is done by the NIC", (trials.seen("selftest", capability), FINISHED))
    tally.check(
        "igb: rules and frames that they name",
        (trials.code("selftest"), 0),
        (trials.seen("selftest", "flow_steering"), contains("16 came to our queue")),
    )
    traded(tally, "igb", trials, "igb-trade", 500)
    sums_are_the_nics(tally, "igb", trials, "igb-trade", "rx", "proven")
    sums_are_the_nics(tally, "igb", trials, "igb-trade", "tx", "passive")
    tally.check("igb: good is believed", (trials.count("igb-trade", "rx_checksum_trusted"), more_than(500)))
    crossed(tally, "igb", lines[0])


def of_others(tally, told, lines):
    trials = Trials(told)
    driver = trials.state("doctor", "driver binding")
    tally.check("e1000e: by uio_pci_generic, and doctor warns", (driver, contains("'warn', 'uio_pci_generic")))
    flow = trials.json("e1000e-flow")
    tally.check(
        "e1000e: has no rules, and the host classifies",
        (trials.code("e1000e-flow"), 0),
        (flow.get("outcome"), "host"),
        (flow.get("by"), "fixwire"),
    )
    verdicts(tally, "e1000e", trials, "e1000e-selftest", ONLY_BAD)
    for capability in ("tx_ipv4_checksum", "tx_tcp_checksum"):
        seen = trials.seen("e1000e-selftest", capability)
        tally.check(f"e1000e: {capability} is done by the NIC", (seen, FINISHED))
    traded(tally, "e1000e", trials, "e1000e-trade", 300)
    # By the frames of a stranger that it called bad, and that were.
    sums_are_the_nics(tally, "e1000e", trials, "e1000e-trade", "rx", "proven")
    sums_are_the_nics(tally, "e1000e", trials, "e1000e-trade", "tx", "passive")
    trusted, verified = (trials.count("e1000e-trade", f"rx_checksum_{how}") for how in ("trusted", "verified"))
    tally.check("e1000e: of what is unknown the bytes decide", (trusted, 0), (verified, more_than(300)))
    crossed(tally, "e1000e", lines[0])

    seen = trials.seen("vmxnet3-selftest", "rx_tcp_checksum")
    tally.check(f"vmxnet3: rx_tcp_checksum, {NEVER}", (seen, NEVER))
    seen = trials.seen("vmxnet3-selftest", "tx_tcp_checksum")
    tally.check("vmxnet3: tx_tcp_checksum is done by the NIC", (seen, FINISHED))
    driver_tests(tally, "vmxnet3", trials.text("vmxnet3-driver"), 1)
    traded(tally, "vmxnet3", trials, "vmxnet3-trade", 300)
    rows = [trials.row("vmxnet3-trade", f"tx_{layer}_checksum") for layer in ("ipv4", "tcp")]
    tally.check("vmxnet3: the host sums IPv4, the NIC TCP", (rows, [("fixwire", None), ("NIC", "passive")]))
    crossed(tally, "vmxnet3", lines[1])


def driver_tests(tally, nic, text, expected):
    """Those of hw/tests/nic, each as its own runner says."""
    outcomes = [line.split() for line in text.splitlines() if line.startswith("test ") and " ... " in line]
    for _, name, _, outcome in outcomes:
        tally.check(f"{nic}: {name.replace('_', ' ')}", (outcome, "ok"))
    tally.check(f"{nic}: the driver's tests ran", (len(outcomes), expected))


def verdicts(tally, nic, trials, name, expected):
    for capability in ("rx_ipv4_checksum", "rx_tcp_checksum"):
        tally.check(f"{nic}: {capability}, {expected}", (trials.seen(name, capability), expected))


def sums_are_the_nics(tally, nic, trials, name, way, observed):
    rows = [trials.row(name, f"{way}_{layer}_checksum") for layer in ("ipv4", "tcp")]
    tally.check(f"{nic}: sums of {way} are the NIC's, {observed}", (rows, [("NIC", observed)] * 2))


def traded(tally, nic, trials, name, orders):
    session = trials.json(name).get("session", {})
    tally.check(
        f"{nic}: a session trades between two processes",
        (trials.code(name), 0),
        (trials.code(f"{name}-accepted"), 0),
        (session.get("orders_sent"), orders),
        (session.get("reports_received"), orders),
    )
    for side, told in (("trader", name), ("exchange", f"{name}-accepted")):
        report = trials.json(told)
        show_plan(side, report)
        tally.check(f"{nic}: the {side} gets every buffer back", (report.get("buffers_not_returned"), 0))
    wrong = [trials.count(name, f"{layer}_checksum_wrong") for layer in ("ipv4", "tcp")]
    contradicted = [
        trials.count(name, counter)
        for counter in ("nic_said_bad_but_good", "nic_said_good_but_bad", "nic_demoted", "rx_errors", "tx_errors")
    ]
    tally.check(
        f"{nic}: wrong frames of a stranger are dropped by name, the device uncontradicted",
        *((count, some) for count in wrong),
        (contradicted, [0] * 5),
    )


def show_plan(side, report):
    print(f"plan of the {side} on {report.get('nic')} by profile {report.get('profile')}")
    for row in report.get("plan", []):
        print(f"  {row['capability']}: {row['by']}, {row['observed'] or '-'}: {row['reason']}")


def crossed(tally, nic, line):
    """Of all that crossed a line: what we sent in trading is right, and what the stranger sent is not."""
    ours = strangers = 0
    wrong = []
    for frame in line.frames():
        sums = wire.wrong_sums(frame)
        if sums is None:
            continue
        if frame[6:12] == bytes.fromhex("020000000007"):
            strangers += bool(sums)
        elif b"35=" in frame and PROBE_PORT not in wire.ports(frame):
            ours += 1
            wrong += [sums] if sums else []
    what = f"{nic}: every message on the line has right sums, by another's reckoning"
    tally.check(what, (wrong, []), (ours, more_than(600)))
    tally.check(f"{nic}: every wrong frame crossed the line as it was sent", (strangers, more_than(line.sent // 2)))

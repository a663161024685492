#!/usr/bin/env python3
"""What it costs to take a job off a queue and put one in: Weir's, a heap, the array that it replaces, others' FIFOs.

    run.py --program build/bench/queues [--weir PROGRAM] [--full] [--runs N] [--operations N] [--strict | --json]

All take turns on the same jobs in one process; Node.js has its own. Prints Markdown tables and the targets, met or missed,
and writes every single run to bench/results/. A missed target does not fail the program: it measures. With --strict it
ends with 1 when a target was missed or could not be measured, or a peer is not to be had. Instructions are counted where
valgrind is installed.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))

import machine  # noqa: E402
import results  # noqa: E402
from callgrind import instructions  # noqa: E402
from tables import Targets, ratio, table  # noqa: E402

# Runs of each, pops and pushes in one, messages of a delivery, seconds for each of Node's.
SHORT = (3, 1_000_000, 4_000_000, 0.3)
FULL = (11, 5_000_000, 20_000_000, 2)
SIZES = (1, 50, 500, 100_000)
COUNTED = 20_000
WEIR, AGEING, HEAP = "weir", "weir, ageing", "binary heap"
ARRAY = "node, shift and splice"
PEERS = {
    ("priority", ARRAY): "no Node.js (Debian: nodejs)",
    ("fifo", "ck_fifo (SPSC)"): "built without Concurrency Kit (Debian: libck-dev)",
    ("fifo", "moodycamel"): "built without moodycamel's queue (Debian: libconcurrentqueue-dev)",
}
# ns for a pop and a push of 500 jobs; of a heap's; messages a second, and wake-ups for each.
HOLD, DELIVERY, WAKEUPS = 25, 20e6, 0.01


def measure(arguments):
    """The runs of everybody, and the program's exit code."""
    command = [arguments.program, "--runs", arguments.runs, "--operations", arguments.operations]
    command += ["--messages", arguments.messages]
    process = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    runs = [json.loads(line) for line in process.stdout.splitlines()]
    node = shutil.which("node") or shutil.which("nodejs")
    if node:
        script = Path(__file__).resolve().parent / "array.js"
        output = subprocess.run([node, script, str(arguments.seconds)], stdout=subprocess.PIPE, text=True, check=True)
        runs += [json.loads(line) for line in output.stdout.splitlines()]
    return runs, process.returncode


def count(program):
    """(kind, contender, size) -> instructions, of what is compared by them."""
    if not shutil.which("valgrind"):
        return {}
    counts = {}
    for kind, name in (("priority", WEIR), ("priority", AGEING), ("priority", HEAP), ("fifo", WEIR)):
        for size in SIZES:
            command = [str(program), "--only", name, "--kind", kind, "--size", str(size), "--operations"]
            # At 100 000 what is pushed beforehand would drown the rest.
            rounds = COUNTED if size < COUNTED else 5 * COUNTED
            counts[kind, name, size] = instructions(command, rounds)
    return counts


def medians(runs):
    """(kind, contender, size) -> (median, least, most) in nanoseconds; of deliveries the size is None."""
    figures = defaultdict(list)
    for run in runs:
        figures[run["kind"], run["contender"], run.get("size")].append(run["nanoseconds"])
    return {key: (statistics.median(values), min(values), max(values)) for key, values in figures.items()}


def wakeups(runs):
    """contender -> wake-ups for a message, the most of all runs."""
    most = defaultdict(float)
    for run in runs:
        if run["kind"] == "delivery":
            most[run["contender"]] = max(most[run["contender"]], run["wakeups"] / run["messages"])
    return most


def missing(runs):
    there = {(run["kind"], run["contender"]) for run in runs}
    return {name: reason for (kind, name), reason in PEERS.items() if (kind, name) not in there}


def hold_table(title, kind, figures, counts):
    names = list(dict.fromkeys(name for (of, name, _) in figures if of == kind))
    for size in SIZES:
        rows = []
        base = figures.get((kind, WEIR, size), (None,))[0]
        for name in names:
            if (kind, name, size) not in figures:
                continue
            median, least, most = figures[kind, name, size]
            number = counts.get((kind, name, size))
            rows.append((name, f"{median:.1f}", f"{least:.1f} - {most:.1f}", ratio(median, base),
                         f"{number:.0f}" if number else ""))  # fmt: skip
        if rows:
            table(f"{title}, {size} in the queue", ("", "ns", "least-most", "of weir's", "instructions"), rows)


def print_report(header, runs, counts, skipped):
    """Prints everything; returns the targets."""
    print(f"## Queues\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    for name, reason in skipped.items():
        print(f"\n{name} was skipped: {reason}")
    figures, woken = medians(runs), wakeups(runs)
    hold_table("A pop and a push by priority, no id twice", "priority", figures, counts)
    hold_table("A pop and a push, first in, first out", "fifo", figures, counts)
    rows = [
        (name, f"{median:.1f}", f"{least:.1f} - {most:.1f}", f"{1e3 / median:.1f}", f"{woken[name]:.6f}")
        for (kind, name, _), (median, least, most) in figures.items()
        if kind == "delivery"
    ]
    table("A message from another thread", ("", "ns", "least-most", "million/s", "wake-ups for each"), rows)
    targets = judge(figures, woken)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def judge(figures, woken):
    targets = Targets()

    def time(*key):
        return figures[key][0] if key in figures else None

    def check(wanted, value, add, limit, unit=""):
        if value is None:
            targets.missing(wanted)
        else:
            add(wanted, value, limit, unit)

    for name in (WEIR, AGEING):
        wanted = f"{name}: a pop and a push at 500 in at most {HOLD} ns"
        check(wanted, time("priority", name, 500), targets.below, HOLD, " ns")
    for size, least in ((500, 1), (100_000, 1)):
        weir, heap = time("priority", WEIR, size), time("priority", HEAP, size)
        value = heap / weir if weir and heap else None
        check(f"at {size} no slower than a heap", value, targets.above, least, " x")
    for size, least in ((500, 10), (100_000, 100)):
        weir, array = time("priority", WEIR, size), time("priority", ARRAY, size)
        value = array / weir if weir and array else None
        check(f"at {size} at least {least} x faster than the array", value, targets.above, least, " x")
    delivery = time("delivery", WEIR, None)
    value = 1e3 / delivery if delivery else None
    check(f"mailbox: at least {DELIVERY / 1e6:.0f} million messages a second", value, targets.above, DELIVERY / 1e6)
    check(f"mailbox: at most {WAKEUPS} wake-ups for a message", woken.get(WEIR), targets.below, WAKEUPS)
    return targets


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="build/bench/queues")
    parser.add_argument("--weir", type=Path, help="the weir executable, for its version")
    parser.add_argument("--full", action="store_true", help=f"{FULL[0]} runs of {FULL[1]} operations")
    parser.add_argument("--runs", type=int, help="of which each figure is the median")
    parser.add_argument("--operations", type=int, help="pops and pushes in a run")
    parser.add_argument("--messages", type=int, help="of a delivery")
    parser.add_argument("--name", default="queue", help="of the results file")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the results file's text instead of tables")
    output.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    arguments = parser.parse_args()
    runs, operations, messages, arguments.seconds = FULL if arguments.full else SHORT
    arguments.runs = arguments.runs or runs
    arguments.operations = arguments.operations or operations
    arguments.messages = arguments.messages or messages
    return arguments


def main():
    arguments = parse()
    header = machine.header(arguments.weir)
    runs, code = measure(arguments)
    counts = count(arguments.program)
    skipped = missing(runs)
    if not counts:
        skipped["instructions"] = "valgrind is not installed"
    text = results.save(
        arguments.name if arguments.full else f"{arguments.name}-short",
        header,
        skipped=skipped,
        instructions=[{"kind": k, "contender": n, "size": s, "instructions": c} for (k, n, s), c in counts.items()],
        results=runs,
    )
    if arguments.json:
        print(text)
        return code
    targets = print_report(header, runs, counts, skipped)
    if code != 0:
        print("a contender took jobs in another order", file=sys.stderr)
        return 1
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

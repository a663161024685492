#!/usr/bin/env python3
"""Checks that all contenders take jobs in the same order, and what --strict makes of a run. Ends with 1 otherwise."""

import contextlib
import io
import json
import subprocess
import sys

import run

HEADER = {"cpu": "-", "cores": 2, "kernel": "-", "date": "-", "revision": None, "modified": False}
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(what)
        print(f"{what}: {got}, not {wanted}", file=sys.stderr)


def contenders(program):
    command = [program, "--runs", "1", "--operations", "20000", "--messages", "50000"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    expect("the same order by all", process.returncode, 0)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    names = {(line["kind"], line["contender"], line.get("size")) for line in lines}
    for size in run.SIZES:
        wanted = {("priority", name, size) for name in (run.WEIR, run.AGEING, run.HEAP)}
        wanted |= {("fifo", name, size) for name in (run.WEIR, "std::deque")}
        expect(f"who takes part at {size}", wanted - names, set())
    for line in lines:
        if line["kind"] == "delivery":
            expect(f"messages by {line['contender']}", line["messages"], 50000)
            expect(f"wake-ups by {line['contender']}", 0 < line["wakeups"] <= 50000, True)
    expect("an unknown contender", subprocess.run([program, "--only", "nobody"], stderr=subprocess.DEVNULL).returncode, 2)


def runs(hold=20, ageing=25, heap=40, array=2000, delivery=50, woken=10):
    """What everybody needs in nanoseconds, at every size."""
    every = []
    for size in run.SIZES:
        held = {run.WEIR: hold, run.AGEING: ageing, run.HEAP: heap, run.ARRAY: array}
        every += [{"kind": "priority", "contender": n, "size": size, "nanoseconds": v} for n, v in held.items()]
        every += [
            {"kind": kind, "contender": name, "size": size, "nanoseconds": 5}
            for kind, name in [("fifo", run.WEIR), *run.PEERS]
            if kind == "fifo"
        ]
    letter = {"kind": "delivery", "contender": run.WEIR, "messages": 1000, "wakeups": woken}
    return [*every, {**letter, "nanoseconds": delivery}]


def shortfalls(every):
    skipped = run.missing(every)
    with contextlib.redirect_stdout(io.StringIO()):
        return len(run.results.shortfalls(run.print_report(HEADER, every, {}, skipped), skipped))


def targets():
    def without(name):
        return [one for one in runs() if one["contender"] != name]

    expect("everything met", shortfalls(runs()), 0)
    expect("too slow", shortfalls(runs(hold=25.1, heap=26, array=2600)), 1)
    expect("too slow with ages", shortfalls(runs(ageing=25.1)), 1)
    expect("slower than a heap", shortfalls(runs(heap=19)), 2)
    expect("hardly faster than an array", shortfalls(runs(array=1900)), 1)
    expect("slow deliveries", shortfalls(runs(delivery=50.1)), 1)
    expect("too many wake-ups", shortfalls(runs(woken=11)), 1)
    expect("no Node.js", shortfalls(without(run.ARRAY)), 3)
    expect("no Concurrency Kit", shortfalls(without("ck_fifo (SPSC)")), 1)
    expect("nothing measured", shortfalls([]) > 0, True)


contenders(sys.argv[1])
targets()
print(f"queue selftest: {'FAILED' if failures else 'ok'}")
sys.exit(1 if failures else 0)

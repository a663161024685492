#!/usr/bin/env python3
"""Checks what --strict makes of a run, and which memory runs count. Ends with 1 when something is off."""

import contextlib
import io
import sys

import memory
import results
from run import SHORT, median_of
from tables import Targets, print_report

HEADER = {"cpu": "-", "cores": 2, "kernel": "-", "date": "-", "revision": None, "modified": False}
LABELS = [label for label, _, _ in memory.CASES]
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(what)
        print(f"{what}: {got}, not {wanted}", file=sys.stderr)


def quiet(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return function(*arguments)


def code(targets, skipped=None, failed=()):
    return quiet(results.verdict, results.shortfalls(targets, skipped or {}, failed))


def single_targets():
    met, missed, unmeasured = Targets(), Targets(), Targets()
    for targets in (met, missed, unmeasured):
        targets.below("a", 1, 1)
    missed.above("b", 1, 2)
    unmeasured.missing("b")
    failed = [{"contender": "weir", "run": 0, "reason": "it ended"}]
    expect("all met", code(met), 0)
    expect("one missed", code(missed), 1)
    expect("one not measured", code(unmeasured), 1)
    expect("none at all", code(Targets()), 1)
    expect("a contender that is not there", code(met, {"icecast": "not installed"}), 1)
    expect("a failed run", code(met, {}, failed), 1)


def figure(listeners, window):
    """A run in which everything was as wanted."""
    latency = dict.fromkeys(("p50", "p99", "p999", "max"), 500_000)
    result = {
        "rate": 192_000, "seconds": 1, "others_share": 0, "listeners": listeners, "window_ms": window,
        "cpu_share": {"server": 0.1, "client": 0.1}, "resident_bytes": {"server": 1}, "switches": {"server": [1]},
        "client": {"latency_ns": latency, "kept": listeners, "slow": 0, "skipped_bytes": 0},
        "loop": dict.fromkeys(
            ("entries", "turns", "cpu_over_1ms", "cpu_over_2.5ms", "cpu_max_ms_since_start", "wall_p999_ms_at_most",
             "wall_max_ms_since_start"), 1),
    }
    return median_of([result])


def fanout():
    """With the figures of one case taken away, whoever asked for the case is told."""
    keys = [(case, name, SHORT[size], window) for case, size in (("windows", "listeners"), ("few", "few"))
            for name in ("bare", "weir") for window in SHORT["windows"]]
    keys += [("many", name, SHORT["many"], 100) for name in ("bare", "weir")]
    keys += [("icecast", name, 50, window) for name in ("bare", "weir") for window in (0, 100)]
    whole = {key: figure(key[2], key[3]) for key in keys}
    whole["icecast", "icecast", 50, 0] = {**figure(50, 0), "cpu": 1.0}
    cases = ["windows", "few", "icecast", "many"]

    def report(figures, asked, peers=50):
        return code(quiet(print_report, HEADER, figures, SHORT, peers, {}, [], asked))

    expect("everything measured", report(whole, cases), 0)
    expect("no number that Icecast keeps", report(whole, cases, None), 1)
    for case in cases:
        for name in ("weir", "bare"):
            rest = {key: value for key, value in whole.items() if key[:2] != (case, name)}
            # Beside Icecast, and of the many, the bare loop is there to be looked at.
            wanted = 0 if (case, name) in (("few", "bare"), ("icecast", "bare"), ("many", "bare")) else 1
            expect(f"{case} without {name}", report(rest, cases), wanted)
        others = {key: value for key, value in whole.items() if key[0] == case}
        expect(f"only {case}", report(others, [case]), 0)
    blind = {key: {**value, "loop": {}} for key, value in whole.items()}
    expect("a loop that does not tell", report(blind, cases), 1)


def memory_runs():
    row = {"contender": "weir", "began_bytes": 1, "least_bytes": 1, "most_bytes": 1, "moved_bytes": 1, "seconds": 1,
           "stopped_at_growth": False}
    pushes = [{**row, "case": label} for label in LABELS]
    house = {"listeners": 1000, "resident_bytes": 1, "bytes_per_listener": 1, "kept": 1000}

    def report(rows, full_house):
        return code(quiet(memory.print_tables, HEADER, rows, full_house, {}))

    expect("memory, everything measured", report(pushes, house), 0)
    expect("memory, one case less", report(pushes[1:], house), 1)
    expect("memory, no full house", report(pushes, None), 1)
    expect("memory, a listener lost", report(pushes, {**house, "kept": 999}), 1)
    grown = [*pushes[1:], {**pushes[0], "moved_bytes": memory.GROWTH_LIMIT + 1}]
    expect("memory, grown", report(grown, house), 1)
    expect("21e9 bytes", memory.is_full(int(float("21e9"))), True)
    expect("fewer", memory.is_full(int(21e9) - 1), False)


single_targets()
fanout()
memory_runs()
print(f"strict selftest: {'FAILED' if failures else 'ok'}")
sys.exit(1 if failures else 0)

#!/usr/bin/env python3
"""Checks what is read out of histograms and minutes, and what --strict makes of a run. Ends with 1 otherwise."""

import contextlib
import io
import sys

import processes
import run

HEADER = {"cpu": "-", "cores": 2, "kernel": "-", "date": "-", "revision": None, "modified": False}
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(what)
        print(f"{what}: {got}, not {wanted}", file=sys.stderr)


def histogram():
    buckets = {"0.01": 50, "0.05": 94, "0.1": 95, "+Inf": 100}
    metrics = {f'wait_bucket{{le="{bound}"}}': count for bound, count in buckets.items()}
    metrics |= {'other_bucket{le="0.001"}': 100, "wait_count": 100}
    expect("half", processes.quantile(metrics, "wait", 0.5), 0.01)
    expect("most", processes.quantile(metrics, "wait", 0.95), 0.1)
    expect("all", processes.quantile(metrics, "wait", 1), float("inf"))


def minutes():
    # 10 a second, then 20; a sample each half second.
    ready = [(i / 2, 5 * i if i < 2 * (run.RAMP + 60) else 5 * 2 * (run.RAMP + 60) + 10 * (i - 2 * (run.RAMP + 60)))
             for i in range(2 * (run.RAMP + 130))]  # fmt: skip
    expect("each minute behind the ramp", run.by_minute(ready), [600, 1200])


def runs(share=0.96, peak=60, rate=1501, p50=5, p95=100, success=0.98, ready=1600):
    every = [
        {"case": "fixed", "concurrency": concurrency, "jobs": 100, "seconds": 1, "share": share, "peak_bytes": peak * run.MIB,
         "cpu": {"weir": 0.1, "stand-in": 0.1}}
        for concurrency in run.FIXED
    ]  # fmt: skip
    every.append({"case": "tick", "jobs": 20, "seconds": 8})
    every.append({
        "case": "sustained", "seconds": 60, "jobs": 1600, "ready": ready, "chats": 27, "per_minute": rate, "minutes": [rate],
        "p50_ms": p50, "p95_ms": p95, "success": success, "statuses": {200: 1600}, "violations": 0, "cpu": {"weir": 0.1},
        "peak_bytes": peak * run.MIB, "cache_hits": 0, "cache_misses": 1600,
    })  # fmt: skip
    return every


def shortfalls(every):
    with contextlib.redirect_stdout(io.StringIO()):
        return len(run.results.shortfalls(run.print_report(HEADER, every), {}))


expect("everything met", shortfalls(runs()), 0)
expect("slow at every concurrency", shortfalls(runs(share=0.94)), 3)
expect("too much memory", shortfalls(runs(peak=65)), 1)
expect("too few a minute", shortfalls(runs(rate=1499)), 1)
expect("late", shortfalls(runs(p50=51, p95=151)), 2)
expect("too many failures", shortfalls(runs(success=0.94)), 1)
expect("one was lost", shortfalls(runs(ready=1599)), 1)
expect("nothing measured", shortfalls([]) > 0, True)
histogram()
minutes()
print(f"prewarm selftest: {'FAILED' if failures else 'ok'}")
sys.exit(1 if failures else 0)

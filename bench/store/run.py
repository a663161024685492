#!/usr/bin/env python3
"""What an object store costs beside the client pool below it, what a batch saves, and what a pool of its own is worth.

    run.py --weir PROGRAM [--full] [--runs N] [--only CASE] [--strict]

Prints Markdown tables and the targets, met or missed, and writes every single run to bench/results/. With --strict it
ends with 1 when a target was missed.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import machine  # noqa: E402
import results  # noqa: E402
import servers  # noqa: E402
from tables import Targets, table  # noqa: E402

KIB, MIB = 1024, 1024 * 1024
# (operation, label, bytes, at once, requests of the short form, of the full form)
CASES = (
    ("get", "4 KiB", 4 * KIB, 50, 5000, 20_000),
    ("get", "1 MiB", MIB, 16, 500, 2000),
    ("get", "64 MiB", 64 * MIB, 4, 8, 64),
    ("put", "4 KiB", 4 * KIB, 50, 5000, 20_000),
    ("put", "1 MiB", MIB, 16, 500, 2000),
    ("put", "64 MiB", 64 * MIB, 4, 8, 64),
)
# Of the pool's rate; of the time of one after the other; of the shared pool's.
THROUGHPUT, BATCH, LATENCY = 0.9, 0.3, 0.5
# Seconds that a distant server takes.
DISTANCE = 0.05


def bench(weir, *words):
    output = subprocess.run([weir, "bench", *map(str, words), "--json"], capture_output=True, text=True)
    if output.returncode != 0:
        raise SystemExit(f"weir bench {' '.join(map(str, words))}: {output.stderr}")
    return json.loads(output.stdout)


def throughput(arguments, runs, every, targets):
    nginx = servers.Nginx({size for _, _, size, _, _, _ in CASES})
    rows = []
    try:
        for operation, label, size, parallel, short, full in CASES:
            requests = full if arguments.full else short
            rates = {"store": [], "pool": []}
            cpu = {"store": [], "pool": []}
            for run in range(runs + 1):
                # They take turns at going first.
                for through in sorted(rates, reverse=run % 2 == 0):
                    figures = bench(
                        arguments.weir, "store", "--url", nginx.url(), "--operation", operation, f"--through={through}",
                        "--bytes", size, "--parallel", parallel, "--requests", requests,
                    )  # fmt: skip
                    if run == 0:
                        continue  # the first warms the page cache
                    every.append({"run": run, **figures})
                    rates[through].append(requests / figures["seconds"])
                    cpu[through].append(figures["cpu_seconds"] / requests)
            # Of each run by itself: what else the machine does changes from one to the next.
            share = statistics.median(store / pool for store, pool in zip(rates["store"], rates["pool"]))
            store, pool = (statistics.median(rates[name]) for name in ("store", "pool"))
            cost = [statistics.median(cpu[name]) * 1e6 for name in ("store", "pool")]
            rows.append((
                f"{operation}, {label}", f"{store:.0f}", f"{pool:.0f}", f"{store * size / 1e6:.0f}",
                f"{cost[0]:.0f}", f"{cost[1]:.0f}", f"{share:.2f}",
            ))  # fmt: skip
            targets.above(f"{operation}, {label}: of the pool's rate, at least {THROUGHPUT}", share, THROUGHPUT)
    finally:
        nginx.close()
    table(
        "Objects through the store, and the same through its pool alone",
        ("what", "store/s", "pool/s", "MB/s", "CPU us", "of the pool", "share"), rows,
    )  # fmt: skip


def batch(arguments, runs, every, targets):
    distant = servers.Distant(DISTANCE)
    seconds = {1: [], 16: []}
    try:
        for run in range(runs):
            for parallel in seconds:
                figures = bench(
                    arguments.weir, "store", "--url", distant.url(), "--operation", "batch", "--bytes", 4096,
                    "--requests", 100, "--parallel", parallel,
                )  # fmt: skip
                every.append({"run": run, **figures})
                seconds[parallel].append(figures["seconds"])
    finally:
        distant.close()
    single, together = (statistics.median(seconds[parallel]) for parallel in (1, 16))
    table(
        f"100 objects put, {DISTANCE * 1e3:.0f} ms away", ("how", "seconds"),
        (("one after the other", f"{single:.2f}"), ("a batch, 16 at once", f"{together:.2f}")),
    )  # fmt: skip
    targets.below(f"a batch: of one after the other, at most {BATCH}", together / single, BATCH)


def pools(arguments, runs, every, targets):
    nginx, distant = servers.Nginx({servers.SLOW_RATE}), servers.Distant(DISTANCE)
    found = {"dedicated": [], "shared": []}
    requests = 1000 if arguments.full else 250
    try:
        for run in range(runs):
            for name, values in found.items():
                figures = bench(
                    arguments.weir, "pools", "--url", nginx.url(is_slow=True), "--small", distant.url() + "/bot/sendPhoto",
                    "--requests", requests, "--bytes", servers.SLOW_RATE, *(["--shared"] if name == "shared" else []),
                )  # fmt: skip
                every.append({"run": run, **figures})
                values.append(figures)
    finally:
        nginx.close()
        distant.close()
    middle = {
        name: {part: statistics.median(figures[part] for figures in values) for part in ("p50", "p95", "p99", "transfers")}
        for name, values in found.items()
    }
    table(
        f"{requests} small requests, one each 20 ms to a server {DISTANCE * 1e3:.0f} ms away, beside 200 transfers of 256 KiB"
        " that are wanted at once and take a second each",
        ("150 connections", "p50 ms", "p95 ms", "p99 ms", "objects meanwhile"),
        [
            (label, *(f"{middle[name][part] * 1e3:.0f}" for part in ("p50", "p95", "p99")), f"{middle[name]['transfers']:.0f}")
            for name, label in (("dedicated", "50 for objects, 100 for the others"), ("shared", "shared by both"))
        ],
    )
    targets.below(
        f"a pool of its own: p95 of the shared pool's, at most {LATENCY}", middle["dedicated"]["p95"] / middle["shared"]["p95"],
        LATENCY,
    )  # fmt: skip


PARTS = {"throughput": throughput, "batch": batch, "pools": pools}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--weir", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    runs = arguments.runs or (5 if arguments.full else 3)
    every, targets = [], Targets()
    for name, part in PARTS.items():
        if arguments.only in (None, name):
            part(arguments, runs, every, targets)
    table("Targets", ("wanted", "got", ""), targets.rows)
    results.save("store", machine.header(arguments.weir), runs=every)
    return results.verdict(results.shortfalls(targets, {})) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

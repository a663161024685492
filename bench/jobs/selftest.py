#!/usr/bin/env python3
"""Checks how statements become a script, and what --strict makes of a run. Ends with 1 otherwise."""

import contextlib
import io
import sys

import cluster
import run

HEADER = {"cpu": "-", "cores": 2, "kernel": "-", "date": "-", "revision": None, "modified": False}
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(what)
        print(f"{what}: {got}, not {wanted}", file=sys.stderr)


def script():
    claim = "UPDATE t SET a = $1::bigint,\n  b = $5 LIMIT $2 RETURNING *"
    settle = "UPDATE t FROM unnest($2::bigint[], $3::bigint[], $4::text[]) WHERE x = $1::bigint"
    lines = cluster.round_script({"claim": claim, "settle": settle}, 2).splitlines()
    expect("numbers", lines[:4], ["\\set shift 0", "\\set batch 2", "\\set cap 300000", "\\set lease 30000"])
    expect("the claim", "AS (UPDATE t SET a = :shift::bigint, b = 'bench-0' LIMIT :batch RETURNING *) SELECT" in lines[4], True)
    expect("its rows", lines[4].count("array_agg("), cluster.COLUMNS)
    wanted = "UPDATE t FROM unnest(:a0::bigint[], :a13::bigint[], '{\"ready\",\"ready\"}'::text[]) WHERE x = :shift::bigint;"
    expect("the completion", lines[5], wanted)


def runs(raw=1000, weir=900, peer=100, wake=1, wake_sqlite=1):
    """What everybody does in a second, on every database."""
    every = []
    for name in run.DATABASES:
        for batch in run.JOBS:
            for who, rate in ((run.WEIR, weir), (run.RAW, raw)):
                every.append({"database": name, "batch": batch, "contender": who, "jobs": rate, "seconds": 1})
    every.append({"database": "postgresql", "batch": 1, "contender": run.PROCRASTINATE, "jobs": peer, "seconds": 1})
    for name, p50 in (("sqlite, FULL", wake_sqlite), ("postgresql", wake)):
        every.append({"database": name, "contender": "wake", "wake_p50_ms": p50, "wake_p95_ms": 2 * p50})
    return every


def shortfalls(every, skipped={}):
    with contextlib.redirect_stdout(io.StringIO()):
        return len(run.results.shortfalls(run.print_report(HEADER, every, skipped), skipped))


def targets():
    def without(**what):
        return [one for one in runs() if any(one.get(key) != value for key, value in what.items())]

    expect("everything met", shortfalls(runs()), 0)
    expect("below the raw limit everywhere", shortfalls(runs(weir=790, peer=10)), 9)
    expect("hardly faster than the peer", shortfalls(runs(peer=181)), 1)
    expect("as slow as a tick", shortfalls(runs(wake=1001)), 1)
    expect("as slow as a tick in the process", shortfalls(runs(wake_sqlite=1001)), 1)
    expect("no peer", shortfalls(without(contender=run.PROCRASTINATE), {"Procrastinate": "not there"}), 2)
    expect("no PostgreSQL", shortfalls([one for one in runs() if one["database"][:4] != "post"]), 5)
    expect("durability turned off wants nothing", shortfalls(without(database=run.EXTRA)), 0)
    expect("nothing measured", shortfalls([]) > 0, True)


script()
targets()
print(f"jobs selftest: {'FAILED' if failures else 'ok'}")
sys.exit(1 if failures else 0)

#!/usr/bin/env python3
"""Checks that every contender finds what it has to, and what --strict makes of a run. Ends with 1 otherwise."""

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


def shortfalls(figures, skipped=None):
    with contextlib.redirect_stdout(io.StringIO()):
        return len(run.results.shortfalls(run.print_report(HEADER, figures, skipped or {}), skipped or {}))


def contenders(program):
    """Few bytes, in pieces that cut packets."""
    process = subprocess.run([program, "--mib", "2", "--runs", "1", "--chunk", "1000"], stdout=subprocess.PIPE, text=True)
    expect("what the contenders found", process.returncode, 0)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    names = {(line["data"], line["contender"]) for line in lines}
    expect("the scanner takes part", {("synthetic", "weir, every event"), ("random", "weir, search")} <= names, True)
    # FFmpeg keeps what comes up to the second clock reference to itself: two pictures.
    for line in lines:
        if line["contender"] == "ffmpeg, packets":
            expect("packets that FFmpeg finds", line["bytes"] // 188 - line["found"] < 600, True)
        if line["contender"] == "ffmpeg, resync":
            expect("packets that FFmpeg finds around a gap", 1024 < line["found"] <= 2048, True)


def targets():
    def figures(packets, search, events):
        rates = {}
        for data in ("synthetic", "encoded"):
            rates[data, "memory: sum"] = (20, 20, 20)
            rates[data, "sync bytes only"] = (10, 10, 10)
            rates[data, "weir, packets"] = (packets, packets, packets)
            rates[data, "weir, every event"] = (events, events, events)
        rates["no sync byte", "memory: sum"] = (20, 20, 20)
        rates["no sync byte", "one byte (memchr)"] = (30, 30, 30)
        for name in ("weir, search", "weir, one-shot"):
            rates["no sync byte", name] = (search, search, search)
        return rates

    whole = figures(8, 24, 4)
    expect("everything met", shortfalls(whole), 0)
    expect("locked too slowly", shortfalls(figures(7.9, 24, 4)), 2)
    expect("searching too slowly: the faster of the two is the limit", shortfalls(figures(8, 23, 4)), 2)
    expect("events too slowly", shortfalls(figures(8, 24, 3.9)), 2)
    expect("a search not measured", shortfalls({k: v for k, v in whole.items() if k[1] != "weir, search"}), 1)
    expect("nothing measured", shortfalls({}) > 0, True)
    expect("no encoder", shortfalls({k: v for k, v in whole.items() if k[0] != "encoded"}, {"encoded": "none"}), 1)


contenders(sys.argv[1])
targets()
print(f"ts selftest: {'FAILED' if failures else 'ok'}")
sys.exit(1 if failures else 0)

#!/usr/bin/env python3
"""Memory of many warm stations under many listeners: what is kept lies in files, and a join leaves nothing behind.

    memory.py --programs build/bench --warm-programs build/warm --weir PROGRAM [--full] [--strict]

Twenty stations fill their caches; two hundred listeners join, all of them as far back as there is something, and stay.
Resident memory is read every 100 ms. Then one listener at a time takes a whole cache, again and again.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from relays import Relay, WarmWeir

import machine
import results
from contenders import Failed, Unavailable
from tables import Targets, table

MIB = 1 << 20
STATIONS = 20
LISTENERS = 200
FULL_CACHE, SHORT_CACHE = 48 * MIB, 12 * MIB
RATE = 8_000_000  # bits a second of each station
RSS_LIMIT = 64 * MIB
JOIN_LIMIT = 1 * MIB  # what may stay after joins one by one
SAMPLE_SECONDS = 0.1
STAY_SECONDS = {True: 30, False: 8}
JOINS = 10  # one by one


class Stations(WarmWeir):
    """Twenty of them."""

    name = "weir"

    def __init__(self, programs, source, cache):
        super().__init__(programs, None)
        self.source, self.cache = source, cache

    def configuration(self):
        configuration = super().configuration()
        station = configuration["live"]["stations"][0]
        station["source"]["command"] = [str(self.source), "--rate", str(RATE)]
        station["warm"] = {"seconds": 600, "max": self.cache, "ceiling": self.cache}
        names = ["tv"] + [f"tv{number}" for number in range(1, STATIONS)]
        configuration["live"]["stations"] = [{**station, "name": name} for name in names]
        configuration["limits"] = {"listeners": 2 * LISTENERS}
        configuration["http"]["max_connections"] = 4 * LISTENERS
        return configuration

    def stations(self):
        with urllib.request.urlopen(f"http://{self.address}/live", timeout=5) as response:
            return json.load(response)["stations"]

    def fill(self):
        """Waits until every cache has been in rotation."""
        deadline = time.monotonic() + 3 * self.cache * 8 / RATE + 30
        while any(station["warm"]["tail"] == 0 for station in self.stations()):
            if time.monotonic() > deadline:
                raise Failed("the caches do not fill", self.log)
            time.sleep(0.5)


def audience(arguments, station, name, *options):
    url = f"http://{station.address}/live/{name}.ts"
    command = [arguments.warm_programs / "audience", "--url", url, "--kinds", "healthy:1", "--warm", "max", *options]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate(timeout=300)
    return json.loads(output.splitlines()[-1])


def watch(pid, processes):
    """Samples of resident memory until all of them have ended."""
    samples = []
    while any(process.poll() is None for process in processes):
        samples.append(machine.resident_bytes(pid))
        time.sleep(SAMPLE_SECONDS)
    return samples


def measure(arguments, cache):
    source = arguments.warm_programs.resolve() / "source"
    with Stations(arguments.programs, source, cache) as station:
        pid = station.server.pid
        empty = machine.resident_bytes(pid)
        station.fill()
        filled = machine.resident_bytes(pid)
        stay = STAY_SECONDS[arguments.full]
        each = LISTENERS // STATIONS
        names = [one["name"] for one in station.stations()]
        options = ("--joins", each, "--at-once", each, "--within", 2, "--stay", stay, "--patience", 3 * stay + 60)
        crowd = [audience(arguments, station, name, *options) for name in names]
        samples = watch(pid, crowd)
        sums = [finish(process) for process in crowd]
        time.sleep(1)
        before = machine.resident_bytes(pid)
        joins = []
        for _ in range(JOINS):
            process = audience(arguments, station, names[0], "--joins", 1, "--within", 0, "--stay", 0.5)
            peak = max(watch(pid, [process]), default=0)
            joins.append({"peak_bytes": peak, "sum": finish(process)})
        time.sleep(1)
        after = machine.resident_bytes(pid)
    return {
        "cache_bytes": cache,
        "empty_bytes": empty,
        "filled_bytes": filled,
        "most_bytes": max(samples),
        "samples_bytes": samples,
        "sums": sums,
        "before_joins_bytes": before,
        "after_joins_bytes": after,
        "joins": joins,
    }


def print_tables(header, row):
    print(f"## Memory of warm stations\n\n{header['cpu']}, Linux {header['kernel']}, {header['date']}")
    table(f"Resident memory, MiB: {STATIONS} stations with caches of {row['cache_bytes'] / MIB:.0f} MiB",
          ("when", "MiB"),
          [("started", f"{row['empty_bytes'] / MIB:.1f}"), ("caches full", f"{row['filled_bytes'] / MIB:.1f}"),
           (f"{LISTENERS} listeners, most", f"{row['most_bytes'] / MIB:.1f}"),
           ("when they had left", f"{row['before_joins_bytes'] / MIB:.1f}"),
           (f"after {JOINS} joins of a whole cache", f"{row['after_joins_bytes'] / MIB:.1f}")])
    targets = Targets()
    targets.below(f"{STATIONS} stations, {LISTENERS} listeners in {RSS_LIMIT // MIB} MiB", row["most_bytes"] / MIB,
                  RSS_LIMIT / MIB, " MiB")
    grown = row["after_joins_bytes"] - row["before_joins_bytes"]
    targets.below(f"{JOINS} joins leave less than {JOIN_LIMIT // MIB} MiB", grown / MIB, JOIN_LIMIT / MIB, " MiB")
    whole = [one for one in row["sums"] + [join["sum"] for join in row["joins"]]]
    faults = sum(one["faults"] for one in whole)
    stayed = all(one["left"] == one["joins"] and one["skipping"] == 0 for one in whole)
    targets.add("every body whole, without a skip", f"{faults} faults", faults == 0 and stayed)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="where the bench's programs are")
    parser.add_argument("--warm-programs", type=Path, required=True, help="where source and audience are")
    parser.add_argument("--weir", type=Path, required=True, help="the weir executable")
    parser.add_argument("--full", action="store_true", help=f"caches of {FULL_CACHE // MIB} MiB")
    parser.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    parser.add_argument("--name", default="ts-memory", help="of the results file")
    return parser.parse_args()


def main():
    arguments = parse()
    Relay.program = arguments.weir.resolve()
    header = machine.header(Relay.program)
    try:
        row = measure(arguments, FULL_CACHE if arguments.full else SHORT_CACHE)
    except (Unavailable, Failed) as reason:
        print(f"not measured: {reason}", file=sys.stderr)
        return 1
    results.save(arguments.name if arguments.full else f"{arguments.name}-short", header, **row)
    targets = print_tables(header, row)
    return results.verdict(results.shortfalls(targets, {})) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

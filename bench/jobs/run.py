#!/usr/bin/env python3
"""How many jobs a second are claimed and completed: Weir, the database alone with the same statements, Procrastinate.

    run.py --weir PROGRAM --sqlite build/bench/jobs-sqlite [--full] [--runs N] [--python P] [--strict]

Every run has tables of its own, filled by Weir; contenders take turns. Prints Markdown tables and the targets, met or
missed, and writes every single run to bench/results/. With --strict it ends with 1 when a target was missed or could not
be measured, or a peer is not to be had.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import cluster  # noqa: E402
import machine  # noqa: E402
import results  # noqa: E402
from tables import Targets, table  # noqa: E402

WEIR, RAW, PROCRASTINATE = "weir", "raw", "procrastinate"
# Jobs in a run, by the batch: of the short form, of the full form. Runs, and jobs of a run of Procrastinate's.
JOBS = {1: (1500, 10_000), 5: (5000, 30_000), 100: (10_000, 60_000)}
RUNS = (3, 5)
PEER_JOBS = (1000, 4000)
WAKES = (100, 1000)
# As many as `prewarm.concurrency` has by default.
WORKERS = 5
# Of the raw limit's rate; of Procrastinate's; milliseconds of a sweep's interval.
SHARE, FACTOR, TICK = 0.8, 5, 2000
DATABASES = ("sqlite, FULL", "sqlite, NORMAL", "postgresql", "postgresql, commit off")
# What turns durability off is measured, and wants nothing.
EXTRA = "postgresql, commit off"


def bench(weir, *words):
    output = subprocess.run([weir, "bench", "jobs", *map(str, words), "--json"], capture_output=True, text=True)
    if output.returncode != 0:
        raise SystemExit(f"weir bench jobs {' '.join(map(str, words))}: {output.stderr}")
    return json.loads(output.stdout)


def statements(weir, database):
    return json.loads(subprocess.check_output([weir, "bench", "jobs", "--step", "statements", "--database", database]))


class SQLite:
    def __init__(self, arguments, synchronous):
        self.weir, self.program, self.synchronous = arguments.weir, arguments.sqlite, synchronous
        self.database = f"sqlite?synchronous={synchronous}"
        self.statements = statements(self.weir, self.database)

    def run(self, who, batch, jobs):
        # On a disk: what a commit costs is what is measured.
        with tempfile.TemporaryDirectory(prefix="weir-bench-jobs-", dir="/var/tmp") as data:
            place = ("--database", self.database, "--data", data, "--batch", batch, "--workers", WORKERS)
            bench(self.weir, *place, "--step", "fill", "--jobs", jobs)
            os.sync()
            if who == WEIR:
                return bench(self.weir, *place, "--step", "drain")
            texts = [self.statements[name] for name in ("aged", "best", "take", "ready")]
            command = [self.program, f"{data}/weir.db", self.synchronous, str(batch), *texts]
            return json.loads(subprocess.check_output(command))

    def wake(self, count):
        return bench(self.weir, "--database", self.database, "--step", "wake", "--wakes", count)


class PostgreSQL:
    def __init__(self, arguments, server, commit):
        self.weir, self.server, self.commit = arguments.weir, server, commit
        self.statements = statements(self.weir, server.url)

    def run(self, who, batch, jobs):
        url = self.server.schema(self.commit)
        bench(self.weir, "--database", url, "--step", "fill", "--jobs", jobs)
        self.server.settle_down(url)
        if who == WEIR:
            return bench(self.weir, "--database", url, "--step", "drain", "--batch", batch, "--workers", WORKERS)
        return self.server.pgbench(url, self.statements, batch, WORKERS, jobs)

    def wake(self, count):
        return bench(self.weir, "--database", self.server.schema(), "--step", "wake", "--wakes", count)


def databases(arguments, server):
    """name -> what runs there."""
    found = {"sqlite, FULL": SQLite(arguments, "full"), "sqlite, NORMAL": SQLite(arguments, "normal")}
    if server:
        found["postgresql"] = PostgreSQL(arguments, server, "on")
        found[EXTRA] = PostgreSQL(arguments, server, "off")
    return found


def measure(arguments, server):
    """Every run of Weir's and of the raw limit's."""
    every = []
    for name, place in databases(arguments, server).items():
        for batch, jobs in JOBS.items():
            for run in range(arguments.runs):
                # They take turns at going first.
                for who in sorted((WEIR, RAW), reverse=run % 2 == 0):
                    figures = place.run(who, batch, jobs[arguments.full])
                    every.append({"database": name, "batch": batch, "contender": who, "run": run, **figures})
        if name != EXTRA and name != "sqlite, NORMAL":
            every.append({"database": name, "contender": "wake", **place.wake(WAKES[arguments.full])})
    return every


def procrastinate(arguments, server):
    """Its runs, or why there are none."""
    if not server:
        return [], "no PostgreSQL"
    if subprocess.run([arguments.python, "-c", "import procrastinate"], capture_output=True).returncode != 0:
        return [], "not installed (PyPI: make bench-jobs BENCH_FULL=1 gets it)"
    every = []
    script = Path(__file__).resolve().parent / "procrastinate_jobs.py"
    for run in range(arguments.runs):
        command = [arguments.python, script, server.schema(), PEER_JOBS[arguments.full], WORKERS]
        figures = json.loads(subprocess.check_output(list(map(str, command))))
        every.append({"database": "postgresql", "batch": 1, "contender": PROCRASTINATE, "run": run, **figures})
    return every, None


def rates(every):
    """(database, batch, contender) -> jobs a second of each run, in the order of runs."""
    figures = defaultdict(list)
    for run in every:
        if run["contender"] != "wake":
            figures[run["database"], run["batch"], run["contender"]].append(run["jobs"] / run["seconds"])
    return figures


def share(figures, name, batch):
    """Weir's rate as a part of the raw limit's: of each run by itself, then the median."""
    pairs = list(zip(figures[name, batch, WEIR], figures[name, batch, RAW]))
    return statistics.median(weir / raw for weir, raw in pairs) if pairs else None


def print_report(header, every, skipped):
    """Prints everything; returns the targets."""
    print(f"## Jobs\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    for name, reason in skipped.items():
        print(f"\n{name} was skipped: {reason}")
    figures = rates(every)
    rows = []
    for name in DATABASES:
        for batch in JOBS:
            weir, raw = figures[name, batch, WEIR], figures[name, batch, RAW]
            if weir and raw:
                rows.append((
                    name, batch, f"{statistics.median(weir):.0f}", f"{min(weir):.0f} - {max(weir):.0f}",
                    f"{statistics.median(raw):.0f}", f"{min(raw):.0f} - {max(raw):.0f}", f"{share(figures, name, batch):.2f}",
                ))  # fmt: skip
    table(f"Jobs claimed and completed a second, {WORKERS} workers",
          ("database", "batch", "weir", "least-most", "raw", "least-most", "share"), rows)
    peer = figures["postgresql", 1, PROCRASTINATE]
    if peer:
        table(f"Beside Procrastinate, {WORKERS} at once", ("", "jobs/s", "least-most"), [
            (name, f"{statistics.median(values):.0f}", f"{min(values):.0f} - {max(values):.0f}")
            for name, values in ((WEIR, figures["postgresql", 1, WEIR]), (PROCRASTINATE, peer))
        ])  # fmt: skip
    wakes = {run["database"]: run for run in every if run["contender"] == "wake"}
    # A tick meets a job evenly somewhere in its interval: arithmetic, nobody has to wait for it.
    rows = [(name, f"{run['wake_p50_ms']:.2f}", f"{run['wake_p95_ms']:.2f}") for name, run in wakes.items()]
    rows.append((f"a tick of {TICK} ms, by arithmetic", f"{TICK * 0.5:.0f}", f"{TICK * 0.95:.0f}"))
    table("From the insert of a job to its start, ms", ("", "p50", "p95"), rows)
    targets = judge(figures, wakes)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def judge(figures, wakes):
    targets = Targets()
    for name in DATABASES:
        if name == EXTRA:
            continue
        for batch in JOBS:
            wanted = f"{name}, {batch} in a batch: of the raw limit, at least {SHARE}"
            value = share(figures, name, batch)
            if value is None:
                targets.missing(wanted)
            else:
                targets.above(wanted, value, SHARE)
    wanted = f"PostgreSQL, one by one: of Procrastinate's rate, at least {FACTOR} x"
    weir, peer = figures["postgresql", 1, WEIR], figures["postgresql", 1, PROCRASTINATE]
    if weir and peer:
        targets.above(wanted, statistics.median(weir) / statistics.median(peer), FACTOR, " x")
    else:
        targets.missing(wanted)
    for name in ("sqlite, FULL", "postgresql"):
        wanted = f"{name}: half of the jobs start sooner than a tick would let them"
        if name in wakes:
            targets.below(wanted, wakes[name]["wake_p50_ms"], TICK / 2, " ms")
        else:
            targets.missing(wanted)
    return targets


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--sqlite", required=True, help="build/bench/jobs-sqlite")
    parser.add_argument("--python", default=sys.executable, help="one that has Procrastinate")
    parser.add_argument("--full", action="store_true", help=f"{RUNS[1]} runs, and more jobs in each")
    parser.add_argument("--runs", type=int, help="of which each figure is the median")
    parser.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or RUNS[arguments.full]
    return arguments


def main():
    arguments = parse()
    header = machine.header(arguments.weir)
    skipped = {}
    server = cluster.Cluster() if cluster.is_there() else None
    if not server:
        skipped["PostgreSQL"] = "not installed (Debian: postgresql)"
    try:
        every = measure(arguments, server)
        peers, reason = procrastinate(arguments, server)
    finally:
        if server:
            server.close()
    if reason:
        skipped["Procrastinate"] = reason
    every += peers
    results.save("jobs" if arguments.full else "jobs-short", header, skipped=skipped, results=every)
    targets = print_report(header, every, skipped)
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

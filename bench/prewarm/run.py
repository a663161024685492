#!/usr/bin/env python3
"""How fast media are warmed: beside what the API's delay allows, beside a tick, and for minutes with Telegram's limits on.

    run.py --weir PROGRAM --stand-in PROGRAM [--full] [--only fixed|tick|sustained] [--strict]

Prints Markdown tables and the targets, met or missed, and writes the results to bench/results/. A missed target does not
fail the program: it measures. With --strict it ends with 1 when a target was missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import machine  # noqa: E402
import processes  # noqa: E402
import results  # noqa: E402
from tables import Targets, table  # noqa: E402

MIB = 2**20
# Seconds that the API takes, with the limits open.
DELAY = 0.2
# concurrency -> jobs: of the short form, of the full form.
FIXED = {5: (125, 10_000), 50: (1500, 10_000), 200: (6000, 10_000)}
# Of concurrency / delay; bytes at the highest concurrency.
SHARE, MEMORY = 0.95, 64 * MIB
# Jobs that the tick-driven design gets.
TICKED = (20, 500)
# The sustained run: seconds, media a minute, download and upload in seconds, and the part of calls that fail.
SECONDS = (60, 600)
RATE = 1500
DOWNLOAD, UPLOAD, FAILURES = (0.2, 0.8), (0.5, 2), 0.02
# 1500 a minute and 2 % of them once more are 25.5 calls a second; a private chat takes 1 / 1.02, for the limiter stays
# 2 % below each limit: 26.02 chats.
CHATS, CONCURRENCY = 27, 100
# Seconds at the beginning that do not count: the first uploads take as long.
RAMP = 5
# Milliseconds from due to the first request; the part of first attempts that must succeed.
P50, P95, SUCCESS = 50, 150, 0.95


def fixed(arguments, concurrency, count):
    """Jobs with an API of a fixed delay, and limits that hold nothing back."""
    stand_in = processes.StandIn(arguments.stand_in, latency=[DELAY, DELAY], rates=None)
    weir = processes.Weir(arguments.weir, processes.configuration(stand_in, concurrency, 1000, processes.OPEN))
    try:
        weir.add(count)
        before = machine.Snapshot({"weir": weir.pid, "stand-in": stand_in.pid})
        began = time.monotonic()
        weir.order("resume")
        ended, metrics = processes.until_ready(weir, count, 60 + 10 * count * DELAY / concurrency)
        used = machine.Snapshot({"weir": weir.pid, "stand-in": stand_in.pid}).since(before)
        if processes.result(metrics, "ready") != count or stand_in.counts()["calls"] != count:
            raise SystemExit("bench/prewarm: not every job was done by one call")
        return {
            "case": "fixed", "concurrency": concurrency, "jobs": count, "seconds": ended - began,
            "share": count / (ended - began) * DELAY / concurrency, "cpu": used["cpu_share"], "others": used["others_share"],
            "peak_bytes": machine.status_field(weir.pid, "VmHWM") * 1024,
        }  # fmt: skip
    finally:
        weir.close()
        stand_in.close()


def tick(arguments, count):
    """The tick-driven design, on a table that Weir has filled."""
    stand_in = processes.StandIn(arguments.stand_in, latency=[DELAY, DELAY], rates=None)
    try:
        with tempfile.TemporaryDirectory(prefix="weir-bench-prewarm-", dir="/var/tmp") as data:
            fill = [arguments.weir, "bench", "jobs", "--step", "fill", "--data", data, "--jobs", str(count), "--json"]
            subprocess.run(fill, check=True, stdout=subprocess.DEVNULL)
            script = Path(__file__).resolve().parent / "tick.py"
            command = [sys.executable, script, f"{data}/weir.db", stand_in.api, processes.TOKEN, str(count)]
            figures = json.loads(subprocess.check_output(command))
    finally:
        stand_in.close()
    return {"case": "tick", **figures}


def sustained(arguments, seconds):
    """Minutes of realistic delays and failures, with the limits of Telegram on both sides."""
    stand_in = processes.StandIn(arguments.stand_in, latency=UPLOAD, failure_rate=FAILURES, seed=7)
    origin = processes.Origin(*DOWNLOAD)
    weir = processes.Weir(
        arguments.weir, processes.configuration(stand_in, CONCURRENCY, CHATS, more=origin.settings())
    )
    # More than can be done, so that there is work to the end.
    count = int(RATE / 60 * 1.06 * (seconds + RAMP)) + CONCURRENCY
    ready, marks = [], {}
    try:
        weir.add(count)
        before = machine.Snapshot({"weir": weir.pid})
        began = time.monotonic()

        def watch(now, metrics):
            ready.append((now - began, processes.result(metrics, "ready")))
            if now - began >= RAMP and "first" not in marks:
                marks["first"] = ready[-1]
            if now - began >= RAMP + seconds and "last" not in marks:
                marks["last"] = ready[-1]
                marks["used"] = machine.Snapshot({"weir": weir.pid}).since(before)

        weir.order("resume")
        _, metrics = processes.until_ready(weir, count, seconds * 2 + 400, pause=0.25, watch=watch)
        counts = stand_in.counts()
        statuses = {int(status): number for status, number in counts["statuses"].items()}
        first = metrics["media_prewarm_dispatch_seconds_count"]
        attempts = sum(processes.result(metrics, name) for name in ("ready", "retried", "failed"))
        (start, had), (stop, has) = marks["first"], marks["last"]
        return {
            "case": "sustained", "seconds": stop - start, "jobs": count, "chats": CHATS, "per_minute": (has - had) / (stop - start) * 60,
            "minutes": by_minute(ready), "ready": processes.result(metrics, "ready"), "first_starts": first,
            "success": processes.result(metrics, "ready") / attempts, "statuses": statuses,
            "violations": counts["violations"], "cpu": marks["used"]["cpu_share"],
            "peak_bytes": machine.status_field(weir.pid, "VmHWM") * 1024,
            "p50_ms": 1e3 * processes.quantile(metrics, "media_prewarm_dispatch_seconds", 0.5),
            "p95_ms": 1e3 * processes.quantile(metrics, "media_prewarm_dispatch_seconds", 0.95),
            "cache_hits": metrics["media_prewarm_download_cache_hit_total"],
            "cache_misses": metrics["media_prewarm_download_cache_miss_total"],
        }  # fmt: skip
    finally:
        weir.close()
        origin.close()
        stand_in.close()


def by_minute(ready):
    """Media that became ready in each minute behind the ramp, of which there may be a part at the end."""
    counts, mark = [], None
    for second, count in ready:
        if second < RAMP:
            continue
        if mark is None:
            mark = (second, count)
        elif second - mark[0] >= 60:
            counts.append(round((count - mark[1]) / (second - mark[0]) * 60))
            mark = (second, count)
    return counts


def judge(every):
    targets = Targets()
    of = {(run["case"], run.get("concurrency")): run for run in every}
    for concurrency in FIXED:
        wanted = f"{concurrency} at once: of concurrency / delay, at least {SHARE}"
        run = of.get(("fixed", concurrency))
        if run:
            targets.above(wanted, run["share"], SHARE)
        else:
            targets.missing(wanted)
    most = of.get(("fixed", max(FIXED)))
    wanted = f"{max(FIXED)} at once: peak of resident memory, at most {MEMORY // MIB} MiB"
    if most:
        targets.below(wanted, most["peak_bytes"] / MIB, MEMORY / MIB, " MiB")
    else:
        targets.missing(wanted)
    run = of.get(("sustained", None))
    if run is None:
        targets.missing(f"{RATE} media a minute with the limits on")
        return targets
    targets.above(f"media a minute with the limits on, at least {RATE}", run["per_minute"], RATE)
    targets.below(f"from due to the first request, P50, at most {P50} ms", run["p50_ms"], P50, " ms")
    targets.below(f"from due to the first request, P95, at most {P95} ms", run["p95_ms"], P95, " ms")
    targets.above(f"attempts that succeed, {FAILURES:.0%} injected failures, more than {SUCCESS}", run["success"], SUCCESS)
    lost = run["jobs"] - run["ready"]
    targets.add("all are ready after retries", f"{lost} are not", lost == 0)
    return targets


def print_report(header, every):
    """Prints everything; returns the targets."""
    print(f"## Prewarming\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    rows = []
    for run in every:
        if run["case"] == "fixed":
            rows.append((
                f"{run['concurrency']} at once", run["jobs"], f"{run['jobs'] / run['seconds']:.1f}", f"{run['share']:.3f}",
                f"{run['cpu']['weir']:.0%}", f"{run['cpu']['stand-in']:.0%}", f"{run['peak_bytes'] / MIB:.1f} MiB",
            ))  # fmt: skip
        elif run["case"] == "tick":
            rows.append(("five every 2 s", run["jobs"], f"{run['jobs'] / run['seconds']:.1f}", "", "", "", ""))
    if rows:
        table(f"Media warmed, API {DELAY * 1e3:.0f} ms away",
              ("", "jobs", "a second", "of concurrency / delay", "CPU", "the stand-in's", "peak memory"), rows)
    for run in every:
        if run["case"] == "sustained":
            table(f"{run['seconds']:.0f} s with the limits on, {run['chats']} private chats, {CONCURRENCY} at once", ("", ""), [
                ("media a minute", f"{run['per_minute']:.0f}"), ("minute by minute", ", ".join(map(str, run["minutes"]))),
                ("from due to the first request, P50 and P95", f"at most {run['p50_ms']:g} and {run['p95_ms']:g} ms"),
                ("attempts that succeeded", f"{run['success']:.4f}"), ("jobs, ready", f"{run['jobs']}, {run['ready']}"),
                ("answers", ", ".join(f"{status}: {count}" for status, count in sorted(run["statuses"].items()))),
                ("calls before `retry_after` was over", run["violations"]),
                ("CPU, peak memory", f"{run['cpu']['weir']:.1%}, {run['peak_bytes'] / MIB:.1f} MiB"),
                ("fetched from the store, found in the cache", f"{run['cache_misses']:.0f}, {run['cache_hits']:.0f}"),
            ])  # fmt: skip
    targets = judge(every)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--stand-in", required=True, help=".build/release/telegram-stand-in")
    parser.add_argument("--full", action="store_true", help="10 000 jobs at each concurrency, and ten minutes")
    parser.add_argument("--only", choices=("fixed", "tick", "sustained"))
    parser.add_argument("--seconds", type=int, help="of the sustained run")
    parser.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    arguments = parser.parse_args()
    header, every = machine.header(arguments.weir), []
    if arguments.only in (None, "fixed"):
        every += [fixed(arguments, concurrency, counts[arguments.full]) for concurrency, counts in FIXED.items()]
    if arguments.only in (None, "tick"):
        every.append(tick(arguments, TICKED[arguments.full]))
    if arguments.only in (None, "sustained"):
        every.append(sustained(arguments, arguments.seconds or SECONDS[arguments.full]))
    results.save("prewarm" if arguments.full else "prewarm-short", header, results=every)
    targets = print_report(header, every)
    return results.verdict(results.shortfalls(targets, {})) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

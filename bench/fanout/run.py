#!/usr/bin/env python3
"""What fan-out costs: Weir, a bare send loop and Icecast, in one run, with one load client.

    run.py --programs build/bench [--weir PROGRAM] [--full] [--only CASE ...] [--runs N] [--pin]

Prints Markdown tables and the targets, met or missed, and writes every single run to bench/results/. A missed target
does not fail the program: it measures. With --strict it ends with 1 when a target was missed or could not be measured,
when a contender is not to be had, and when a run failed.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import machine
import results
from contenders import Bare, Failed, Icecast, Stream, Unavailable, Weir
from measure import kept_every_listener, measure
from tables import print_report

# 1024 frames at 48 kHz, what FFmpeg writes at a time. No window is a multiple of it, so that a run meets every phase
# between the source's clock and the server's; at 20 ms the two would keep whatever phase they started with.
FFMPEG_INTERVAL = 1024 / 48
MOST_FAILURES = 3
CASES = ("windows", "few", "icecast", "many")

# A case is a list of (label, contender, stream); its members take turns.
SHORT = {"listeners": 200, "few": 10, "many": 2000, "windows": (0, 20, 100), "peer_counts": (200, 100, 50)}
FULL = {
    "listeners": 1000,
    "few": 10,
    "many": 10_000,
    "windows": (0, 20, 50, 100, 200),
    "peer_counts": (500, 400, 300, 250, 200, 150, 100, 50),
}


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.sizes = FULL if arguments.full else SHORT
        self.runs = arguments.runs or (5 if arguments.full else 1)
        self.seconds = arguments.seconds or (10 if arguments.full else 3)
        self.warmup = arguments.warmup or (3 if arguments.full else 1)
        self.results = []
        self.missing = {}
        self.failures = []
        self.peer_count = None
        pins = (0, 1) if arguments.pin else (None, None)
        self.base = Stream(
            self.sizes["listeners"],
            interval=arguments.interval,
            server_cpu=pins[0],
            source_cpu=pins[1],
            nice=arguments.nice,
        )

    def once(self, case, contender, stream, run):
        """One measurement, kept; None when the contender is not to be had."""
        if contender.name in self.missing:
            return None
        try:
            result = measure(contender, self.arguments.programs, stream, self.seconds, self.warmup)
        except Unavailable as reason:
            self.missing[contender.name] = str(reason)
            print(f"skipped {contender.name}: {reason}", file=sys.stderr)
            return None
        except (Failed, OSError) as reason:
            self.fail(case, contender, stream, run, str(reason))
            return None
        result.update(case=case, run=run)
        self.results.append(result)
        latency = result["client"]["latency_ns"]
        print(
            f"{case:8} run {run + 1}: {contender.name:8} {stream.listeners:5} x {stream.rate // 1000} kB/s"
            f" window {stream.window:3} ms  CPU {100 * result['cpu_share']['server']:6.2f} %"
            f"  p50 {latency['p50'] / 1e6:7.2f}  p99 {latency['p99'] / 1e6:7.2f}  max {latency['max'] / 1e6:7.2f} ms"
            f"  kept {result['client']['kept']}  client {100 * result['cpu_share']['client']:3.0f} %"
            f"  others {100 * result['others_share']:3.0f} %",
            file=sys.stderr,
        )
        return result

    def fail(self, case, contender, stream, run, reason):
        """Keeps a failed run, and gives a contender up that failed too often."""
        print(f"{case} run {run + 1}: {contender.name} failed: {reason}", file=sys.stderr)
        self.failures.append(
            {
                "case": case,
                "contender": contender.name,
                "listeners": stream.listeners,
                "window_ms": stream.window,
                "run": run,
                "reason": reason,
            }
        )
        if sum(failure["contender"] == contender.name for failure in self.failures) >= MOST_FAILURES:
            self.missing[contender.name] = f"{MOST_FAILURES} runs failed, the last one: {reason}"

    def interleave(self, case, members):
        """A B A B ...: a change of the machine's mood meets all of them."""
        for run in range(self.runs):
            for contender, stream in members:
                self.once(case, contender, stream, run)

    def windows(self, case, listeners):
        for window in self.sizes["windows"]:
            stream = replace(self.base, listeners=listeners, window=window)
            self.interleave(case, [(Bare, stream), (Weir, stream)])

    def icecast(self):
        """Icecast at the most listeners of which it loses none, and the others at that number."""
        for count in self.sizes["peer_counts"]:
            result = self.once("search", Icecast, replace(self.base, listeners=count), 0)
            if result is None:
                return
            if kept_every_listener(result):
                self.peer_count = count
                break
        else:
            print("icecast kept every listener at no number tried", file=sys.stderr)
            return
        peer = replace(self.base, listeners=self.peer_count)
        slow = replace(peer, window=100)
        self.interleave("icecast", [(Icecast, peer), (Weir, peer), (Bare, peer), (Weir, slow), (Bare, slow)])

    def many(self):
        stream = replace(self.base, listeners=self.sizes["many"], rate=16_000, window=100)
        self.interleave("many", [(Bare, stream), (Weir, stream)])

    def run(self):
        cases = {
            "windows": lambda: self.windows("windows", self.sizes["listeners"]),
            "few": lambda: self.windows("few", self.sizes["few"]),
            "icecast": self.icecast,
            "many": self.many,
        }
        for name in CASES:
            if name in self.arguments.only:
                cases[name]()


def medians(measured):
    """(case, contender, listeners, window) -> the median of each figure over the runs."""
    groups = defaultdict(list)
    for result in measured:
        key = (result["case"], result["contender"], result["listeners"], result["window_ms"])
        groups[key].append(result)
    return {key: median_of(group) for key, group in groups.items()}


def median_of(group):
    def middle(of):
        return statistics.median(of(result) for result in group)

    latency = {
        quantile: middle(lambda result: result["client"]["latency_ns"][quantile])
        for quantile in ("p50", "p99", "p999", "max")
    }
    shares = [result["cpu_share"]["server"] for result in group]
    return {
        "runs": len(group),
        "rate": group[0]["rate"],
        "cpu": statistics.median(shares),
        "cpu_range": (min(shares), max(shares)),
        "client_cpu": middle(lambda result: result["cpu_share"]["client"]),
        "resident": middle(lambda result: result["resident_bytes"]["server"]),
        "switches": middle(lambda result: sum(result["switches"]["server"]) / result["seconds"]),
        "others": max(result["others_share"] for result in group),
        "kept": min(result["client"]["kept"] for result in group),
        "all_kept": all(kept_every_listener(result) for result in group),
        "latency": latency,
        "loop": worst_of([result["loop"] for result in group if "loop" in result]),
    }


def worst_of(loops):
    """The greatest of each figure about the event loop; empty where the server does not tell."""
    names = loops[0] if loops else ()
    return {name: max((loop[name] for loop in loops if loop[name] is not None), default=None) for name in names}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="where generator, listeners and bare are")
    parser.add_argument("--weir", type=Path, help="the weir executable; without it Weir is left out")
    parser.add_argument("--full", action="store_true", help="1000 and 10 000 listeners, all windows, 5 runs of 10 s")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=" ".join(CASES))
    parser.add_argument("--runs", type=int, help="of which each figure is the median")
    parser.add_argument("--seconds", type=float, help="measured in each run")
    parser.add_argument("--warmup", type=float, help="seconds before, with every listener there")
    parser.add_argument("--pin", action="store_true", help="server on core 0, source and client on core 1")
    parser.add_argument("--nice", type=int, default=0, help="of servers, source and client; -15 on a busy machine")
    parser.add_argument("--interval", type=float, default=FFMPEG_INTERVAL, help="ms between two writes of the source")
    parser.add_argument("--name", default="fanout", help="of the results file")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the results file's text instead of tables")
    output.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    return parser.parse_args()


def main():
    arguments = parse()
    Weir.program = arguments.weir.resolve() if arguments.weir else None
    header = machine.header(Weir.program)
    bench = Bench(arguments)
    shortfalls = []
    try:
        bench.run()
    except KeyboardInterrupt:
        shortfalls.append("stopped early")
        print("stopped early", file=sys.stderr)
    text = results.save(
        arguments.name if arguments.full else f"{arguments.name}-short",
        header,
        pinned=arguments.pin,
        nice=arguments.nice,
        skipped=bench.missing,
        failures=bench.failures,
        results=bench.results,
    )
    if arguments.json:
        print(text)
        return 0
    figures = medians(bench.results)
    targets = print_report(
        header, figures, bench.sizes, bench.peer_count, bench.missing, bench.failures, arguments.only
    )
    shortfalls += results.shortfalls(targets, bench.missing, bench.failures)
    return results.verdict(shortfalls) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

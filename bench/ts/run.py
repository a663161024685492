#!/usr/bin/env python3
"""How fast a transport stream is scanned: Weir's scanner, simpler searches, FFmpeg's, and what the memory gives.

    run.py --program build/bench/scanners [--weir PROGRAM] [--full] [--runs N] [--mib N] [--strict | --json]

All take turns on the same data in one process. Prints Markdown tables and the targets, met or missed, and writes every
single run to bench/results/. A missed target does not fail the program: it measures. With --strict it ends with 1 when
a target was missed or could not be measured, or a peer is not to be had.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))

import machine  # noqa: E402
import results  # noqa: E402
from tables import Targets, ratio, table  # noqa: E402

# Runs of each, and MiB of each kind of data: more than any cache holds.
SHORT = (3, 64)
FULL = (11, 256)
MEDIA_SECONDS = 10
# The best of these is what the memory gives. Where there is no sync byte, the search for one reads everything too.
MEMORY = ("memory: sum", "one byte (memchr)")
TITLES = {
    "synthetic": "Locked: a synthetic stream, 20 Mbit/s",
    "encoded": "Locked: a stream from FFmpeg's encoders, repeated",
    "no sync byte": "Searching: random bytes without a sync byte",
    "random": "Searching: random bytes",
}


def encode(path):
    """A stream of H.264 and AAC; why there is none, or None."""
    source = f"testsrc2=size=1280x720:rate=50:duration={MEDIA_SECONDS}"
    tone = f"sine=frequency=440:duration={MEDIA_SECONDS}"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", tone]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-g", "100", "-c:a", "aac", "-f", "mpegts"]
    try:
        run = subprocess.run([*command, str(path)], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return (run.stderr.strip() or "ffmpeg failed") if run.returncode != 0 else None


def measure(arguments, media):
    """Every run of every contender, as the program prints them."""
    command = [arguments.program, "--runs", arguments.runs, "--mib", arguments.mib, "--chunk", arguments.chunk]
    if media:
        command += ["--file", media]
    process = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in process.stdout.splitlines()], process.returncode


def rates(runs):
    """(data, contender) -> (median, least, most) in GB/s."""
    groups = defaultdict(list)
    for run in runs:
        groups[run["data"], run["contender"]].append(run["bytes"] / run["seconds"] / 1e9)
    return {key: (statistics.median(group), min(group), max(group)) for key, group in groups.items()}


def limit(figures, data):
    """What the memory gives, of the medians on one kind of data; None when it was not measured."""
    names = MEMORY if data == "no sync byte" else MEMORY[:1]
    return max((figures[data, name][0] for name in names if (data, name) in figures), default=None)


def print_report(header, figures, skipped):
    """Prints everything; returns the targets."""
    print(f"## Scanner\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    for name, reason in skipped.items():
        print(f"\n{name} was skipped: {reason}")
    for data, title in TITLES.items():
        best = limit(figures, data)
        rows = [
            [name, f"{median:.2f}", f"{least:.2f} - {most:.2f}", ratio(median, best)]
            for (kind, name), (median, least, most) in figures.items()
            if kind == data
        ]
        if rows:
            table(title, ("", "GB/s", "least-most", "of the memory's"), rows)
    targets = Targets()
    streams = [data for data in ("synthetic", "encoded") if data not in skipped]
    for data in streams:
        against(targets, figures, f"locked, {data}: at least 0.8 of a loop over the sync bytes", 0.8,
                (data, "weir, packets"), figures.get((data, "sync bytes only"), [None])[0])
    for name in ("weir, search", "weir, one-shot"):
        against(targets, figures, f"{name}, no sync byte: at least 0.8 of the memory's limit", 0.8,
                ("no sync byte", name), limit(figures, "no sync byte"))
    for data in streams:
        wanted = f"every event, {data}: at least 4 GB/s"
        if (data, "weir, every event") in figures:
            targets.above(wanted, figures[data, "weir, every event"][0], 4, " GB/s")
        else:
            targets.missing(wanted)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def against(targets, figures, wanted, least, key, other):
    if key in figures and other:
        targets.above(wanted, figures[key][0] / other, least)
    else:
        targets.missing(wanted)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="build/bench/scanners")
    parser.add_argument("--weir", type=Path, help="the weir executable, for its version")
    parser.add_argument("--full", action="store_true", help=f"{FULL[0]} runs over {FULL[1]} MiB")
    parser.add_argument("--runs", type=int, help="of which each figure is the median")
    parser.add_argument("--mib", type=int, help="of each kind of data")
    parser.add_argument("--chunk", type=int, default=65536, help="bytes that the scanner is given at a time")
    parser.add_argument("--name", default="ts", help="of the results file")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the results file's text instead of tables")
    output.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    arguments = parser.parse_args()
    runs, mib = FULL if arguments.full else SHORT
    arguments.runs = arguments.runs or runs
    arguments.mib = arguments.mib or mib
    return arguments


def main():
    arguments = parse()
    header = machine.header(arguments.weir)
    header["ffmpeg"] = machine.first_line("ffmpeg", "-version")
    skipped = {}
    with tempfile.TemporaryDirectory() as directory:
        media = Path(directory) / "media.ts"
        reason = encode(media)
        if reason:
            skipped["encoded"] = reason
        runs, code = measure(arguments, None if reason else media)
    if not any(run["contender"].startswith("ffmpeg") for run in runs):
        skipped["ffmpeg"] = "built without libavformat (Debian: libavformat-dev)"
    text = results.save(
        arguments.name if arguments.full else f"{arguments.name}-short",
        header,
        chunk=arguments.chunk,
        skipped=skipped,
        results=runs,
    )
    if arguments.json:
        print(text)
        return code
    targets = print_report(header, rates(runs), skipped)
    if code != 0:
        print("a contender did not find what it had to", file=sys.stderr)
        return 1
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

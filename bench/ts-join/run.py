#!/usr/bin/env python3
"""How long somebody waits for a picture who joins a live transport stream.

    run.py --programs build/bench --warm-programs build/warm --weir PROGRAM [--joins N] [--at-once N] [--full]
           [--strict]

A film of 1280 x 720 with a key frame every two seconds plays in real time on each server; FFmpeg joins at random moments
and decodes one picture. Measured is from the start of its process to its end, beside which stands what it needs for the
same film from a file. Twice: as it comes, when it looks at the stream for up to five seconds before it decodes, and as
players are told to hurry. The joins come in random order, a few at once: most of the time they wait for the stream, all
servers have the same company, and what it costs is in the time from the file, which has it too.

The first byte is measured by the audience (Tests/Warm), which joins a station of 20 Mbit/s that rotates.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from relays import Bare, ColdWeir, Icecast, Nginx, Relay, WarmWeir

import machine
import results
from contenders import Failed, Unavailable
from tables import Targets, table

FILM_SECONDS = 120
KEY_SECONDS = 2
FULL_JOINS, SHORT_JOINS = 100, 4
AT_ONCE = 4  # joins under way
FIRST_BYTE_JOINS = {True: 1000, False: 60}
FIRST_BYTE_MS = 10  # p95: the target
JOIN_TIMEOUT = 60
CONTENDERS = (WarmWeir, ColdWeir, Nginx, Icecast, Bare)
HURRY = ("-analyzeduration", "500000", "-probesize", "500000")
WAYS = {"as it comes": (), "in a hurry": HURRY}


def make_film(directory):
    """The film, made once."""
    path = directory / "film-720.ts"
    if path.exists():
        return path
    picture = f"testsrc2=s=1280x720:r=25:d={FILM_SECONDS}"
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "3M", "-maxrate", "3M", "-bufsize", "3M", "-g", "50"]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", picture]
    command += ["-f", "lavfi", "-i", f"sine=f=440:d={FILM_SECONDS}", *codec, "-sc_threshold", "0"]
    command += ["-c:a", "aac", "-f", "mpegts", str(path) + ".new"]
    subprocess.run(command, check=True)
    Path(str(path) + ".new").rename(path)
    return path


def first_picture(url, options):
    """Seconds until FFmpeg has decoded one picture; what it complained about."""
    start = time.monotonic()
    command = ["ffmpeg", "-nostdin", "-v", "error", *options, "-i", str(url)]
    command += ["-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=JOIN_TIMEOUT)
    return time.monotonic() - start, len(run.stderr.splitlines()), run.returncode


def join_all(arguments, film, joins):
    """Every contender, and the file; `{name: {way: [join]}}`, and who was skipped."""
    targets, skipped, running = {"a file": film}, {}, []
    try:
        for contender_class in CONTENDERS:
            contender = contender_class(arguments.programs, film)
            try:
                running.append(contender.__enter__())
                targets[contender.name] = contender.url
            except (Unavailable, Failed) as reason:
                skipped[contender.name] = str(reason)
        time.sleep(7)  # as much is kept as will be
        found = {name: {way: [] for way in WAYS} for name in (*[one.name for one in running], "a file")}
        plan = [(name, way, random.random() * KEY_SECONDS) for name in found for way in WAYS for _ in range(joins)]
        random.shuffle(plan)

        def join(name, way, wait):
            time.sleep(wait)
            seconds, complaints, status = first_picture(targets[name], WAYS[way])
            found[name][way].append({"seconds": round(seconds, 4), "complaints": complaints, "status": status})

        with ThreadPoolExecutor(arguments.at_once) as lanes:
            for number, future in enumerate([lanes.submit(join, *one) for one in plan], 1):
                future.result()
                if number % 20 == 0 or number == len(plan):
                    print(f"{number} of {len(plan)} joins", file=sys.stderr)
    finally:
        for contender in running:
            contender.stop()
    return found, skipped


class Numbered(WarmWeir):
    """A station of numbered packets at 20 Mbit/s, whose cache is in rotation."""

    name = "weir, 20 Mbit/s"

    def __init__(self, programs, film, source):
        super().__init__(programs, film)
        self.source = source

    def player(self, *_):
        return [str(self.source), "--rate", "20e6"]

    def configuration(self):
        configuration = super().configuration()
        configuration["live"]["stations"][0]["warm"] = {"seconds": 6, "max": "8MiB", "ceiling": "8MiB"}
        return configuration


def first_byte(arguments, film, joins):
    """What the audience says of joins to the past: milliseconds to the first byte, faults."""
    with Numbered(arguments.programs, film, arguments.warm_programs.resolve() / "source") as station:
        time.sleep(4)
        command = [arguments.warm_programs / "audience", "--url", f"http://{station.address}/live/tv.ts"]
        command += ["--joins", joins, "--within", joins / 15, "--at-once", 20, "--stay", 0.5]
        command += ["--warm", "6s,max", "--kinds", "healthy:1"]
        run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def print_tables(header, found, skipped, byte):
    """Prints everything; returns the targets."""
    print(f"## Joining a transport stream\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, "
          f"{header['date']}, revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    for name, reason in skipped.items():
        print(f"\n{name} was skipped: {reason}")
    rows, medians = [], {}
    for name, ways in found.items():
        for way, joins in ways.items():
            seconds = [join["seconds"] for join in joins if join["status"] == 0]
            if not seconds:
                rows.append((name, way, len(joins), "-", "-", "-", "none came through"))
                continue
            medians[name, way] = statistics.median(seconds)
            clean = sum(join["complaints"] == 0 for join in joins)
            rows.append((name, way, len(joins), f"{medians[name, way]:.3f}", f"{quantile(seconds, 0.95):.3f}",
                         f"{max(seconds):.3f}", f"{clean} of {len(joins)}"))
    table("Seconds from the start of FFmpeg to its first picture",
          ("server", "FFmpeg", "joins", "median", "p95", "most", "without a complaint"), rows)
    targets = Targets()
    if byte is None:
        targets.missing(f"first warm byte, p95 within {FIRST_BYTE_MS} ms")
    else:
        first = byte["first_ms"]
        print(f"\nFirst warm byte at 20 Mbit/s, {byte['joins']} joins: median {first['p50']:.2f} ms, "
              f"p95 {first['p95']:.2f} ms, most {first['max']:.2f} ms; faults in the bodies: {byte['faults']}.")
        targets.below(f"first warm byte, p95 within {FIRST_BYTE_MS} ms", first["p95"], FIRST_BYTE_MS, " ms")
        targets.add("bodies without a fault", byte["faults"], byte["faults"] == 0 and byte["left"] == byte["joins"])
    for way in WAYS:
        for peer in ("nginx", "icecast"):
            wanted = f"a picture earlier than through {peer}, {way}"
            pair = [medians.get((name, way)) for name in (WarmWeir.name, peer)]
            if None in pair:
                targets.missing(wanted)
            else:
                targets.add(wanted, f"{pair[0]:.2f} s, {pair[1]:.2f} s", pair[0] < pair[1])
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="where the bench's bare is")
    parser.add_argument("--warm-programs", type=Path, required=True, help="where source and audience are")
    parser.add_argument("--weir", type=Path, help="the weir executable; without it Weir is left out")
    parser.add_argument("--joins", type=int, help="of each server and way")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="joins under way at a time")
    parser.add_argument("--full", action="store_true", help=f"{FULL_JOINS} joins of each")
    parser.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="ts-join", help="of the results file")
    return parser.parse_args()


def main():
    arguments = parse()
    random.seed(arguments.seed)
    Relay.program = arguments.weir.resolve() if arguments.weir else None
    header = machine.header(Relay.program)
    header["ffmpeg"] = machine.first_line("ffmpeg", "-version")
    header["nginx"] = machine.first_line("nginx", "-v") or machine.first_line("/usr/sbin/nginx", "-v")
    joins = arguments.joins or (FULL_JOINS if arguments.full else SHORT_JOINS)
    film = make_film(arguments.warm_programs).resolve()
    found, skipped = join_all(arguments, film, joins)
    byte = None
    try:
        byte = first_byte(arguments, film, FIRST_BYTE_JOINS[arguments.full])
    except (Unavailable, Failed, subprocess.CalledProcessError) as reason:
        skipped[Numbered.name] = str(reason)
    name = arguments.name if joins >= FULL_JOINS else f"{arguments.name}-short"
    results.save(name, header, joins=joins, at_once=arguments.at_once, skipped=skipped, found=found, first_byte=byte)
    targets = print_tables(header, found, skipped, byte)
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Memory of a station under a source without mercy, and beside it the unbounded writer of the old shape.

    memory.py --programs build/bench --weir PROGRAM [--bytes 21e9] [--full]

The source keeps its rate until the listeners are in place, then pushes --bytes as fast as they are taken. Resident
memory is read every 100 ms; what counts is how far it ever gets from where it stood before the push. The old shape
is stopped once it has grown by 1 GiB. With --strict it ends with 1 when a target was missed or could not be measured,
and when a contender failed or is not to be had.
"""

import argparse
import sys
import time
from pathlib import Path

import machine
import results
from contenders import Bare, Failed, OldShape, Stream, Unavailable, Weir, wait_for
from measure import Client
from tables import Targets, table

MIB = 1 << 20
FULL_BYTES = 21e9  # thirty hours of 192 kB/s
SHORT_BYTES = 2.1e9
SAMPLE_SECONDS = 0.1
GROWTH_LIMIT = 8 * MIB  # what Weir may move from where it began
STOP_AT_GROWTH = 1 << 30  # what ends the old shape
FULL_HOUSE = 1000
FULL_HOUSE_LIMIT = 32 * MIB
PUSH_TIMEOUT = 1800

# (label, listeners, of which stall)
CASES = (("no listener", 0, 0), ("one that reads nothing", 1, 1), ("100, of which 50 stall", 100, 50))


def is_full(amount):
    """Whether a run that pushed so many bytes counts; others are kept under another name."""
    return amount >= FULL_BYTES


def push(contender_class, programs, label, count, stalled, amount):
    """One case: what resident memory did while `amount` bytes went through."""
    source = ["--flat-out", "--bytes", amount]
    stream = Stream(count, window=None, generator=source, slow_timeout=3600)
    contender = contender_class(programs, stream)
    gate, report = contender.directory / "go", contender.directory / "pushed.json"
    stream.generator += ["--hold-until", gate, "--report", report]
    with contender:
        if count == 0:
            return sample(contender, gate, report, label, count, stalled)
        options = ("--stall", stalled, "--seconds", 0, "--warmup", 0, "--sample", 10)
        client = Client(programs, contender.url, count, *options)
        with client:
            client.event("measuring", 60)
            if isinstance(contender, Weir):
                wait_for("the listeners", lambda: len(contender.station().get("listeners", [])) == count)
            row = sample(contender, gate, report, label, count, stalled)
            row["client"] = client.finish()
            return row


def sample(contender, gate, report, label, count, stalled):
    """Opens the gate and watches, until the source says that it is done."""
    pid = contender.server.pid
    time.sleep(1)  # what joining allocated has settled
    began = machine.resident_bytes(pid)
    cpu = machine.cpu_seconds(pid)
    start = time.monotonic()
    gate.touch()
    samples = []
    stopped = False
    while not report.exists() and not stopped:
        if contender.server.poll() is not None:
            raise Failed(f"{contender.name} ended", contender.log)
        if time.monotonic() - start > PUSH_TIMEOUT:
            raise Failed(f"{contender.name}: {label}: not done after {PUSH_TIMEOUT} s")
        time.sleep(SAMPLE_SECONDS)
        samples.append(machine.resident_bytes(pid))
        stopped = samples[-1] - began >= STOP_AT_GROWTH
    seconds = time.monotonic() - start
    for _ in range(10):
        time.sleep(SAMPLE_SECONDS)
        samples.append(machine.resident_bytes(pid))
    row = {
        "contender": contender.name,
        "case": label,
        "listeners": count,
        "stalled": stalled,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(machine.cpu_seconds(pid) - cpu, 3),
        "began_bytes": began,
        "least_bytes": min(samples),
        "most_bytes": max(samples),
        "moved_bytes": max(max(samples) - began, began - min(samples)),
        "stopped_at_growth": stopped,
        "pushed": None if stopped else report.read_text().strip(),
        "samples_bytes": samples,
    }
    if isinstance(contender, Weir):
        row["station"] = {key: value for key, value in contender.station().items() if key != "listeners"}
    print(
        f"{contender.name}: {label}: {began / MIB:.1f} MiB, then {min(samples) / MIB:.1f} to {max(samples) / MIB:.1f}"
        f" in {seconds:.1f} s{', stopped' if stopped else ''}",
        file=sys.stderr,
    )
    return row


def full_house(contender_class, programs, seconds):
    """A thousand listeners of 192 kB/s: resident memory, and what one of them costs."""
    with contender_class(programs, Stream(FULL_HOUSE, window=None)) as contender:
        pid = contender.server.pid
        time.sleep(1)
        before = machine.anonymous_bytes(pid)
        options = ("--seconds", seconds, "--warmup", 2, "--ramp", 1000, "--sample", 10, "--sources", 100)
        with Client(programs, contender.url, FULL_HOUSE, *options) as client:
            client.event("measured", seconds + 60)
            resident, anonymous = machine.resident_bytes(pid), machine.anonymous_bytes(pid)
            report = client.event("report", 60)
    return {
        "contender": contender.name,
        "listeners": FULL_HOUSE,
        "kept": report["kept"],
        "resident_bytes": resident,
        "anonymous_before_bytes": before,
        "anonymous_bytes": anonymous,
        "bytes_per_listener": round((anonymous - before) / FULL_HOUSE),
        "client": report,
    }


def print_tables(header, pushes, house, skipped):
    """Prints everything; returns the targets."""
    print(f"## Memory\n\n{header['cpu']}, Linux {header['kernel']}, {header['date']}")
    for name, reason in skipped.items():
        print(f"\n{name} was skipped: {reason}")
    rows = []
    for row in pushes:
        done = "stopped" if row["stopped_at_growth"] else "pushed all"
        rows.append(
            [row["contender"], row["case"], f"{row['began_bytes'] / MIB:.1f}", f"{row['least_bytes'] / MIB:.1f}",
             f"{row['most_bytes'] / MIB:.1f}", f"{row['moved_bytes'] / MIB:.2f}", f"{row['seconds']:.1f} s", done]
        )
    table("Resident memory while the source pushes, MiB",
          ("server", "listeners", "began", "least", "most", "moved", "took", ""), rows)
    targets = Targets()
    moved = {row["case"]: row["moved_bytes"] / MIB for row in pushes if row["contender"] == "weir"}
    for label, _, _ in CASES:
        wanted = f"within {GROWTH_LIMIT // MIB} MiB: {label}"
        if label in moved:
            targets.below(wanted, moved[label], GROWTH_LIMIT / MIB, " MiB")
        else:
            targets.missing(wanted)
    fits = f"{FULL_HOUSE} listeners in {FULL_HOUSE_LIMIT // MIB} MiB"
    if house:
        print(f"\n{house['listeners']} listeners: {house['resident_bytes'] / MIB:.1f} MiB resident, "
              f"{house['bytes_per_listener']} anonymous bytes a listener, {house['kept']} kept.")
        targets.below(fits, house["resident_bytes"] / MIB, FULL_HOUSE_LIMIT / MIB, " MiB")
        targets.add(f"all {FULL_HOUSE} kept", house["kept"], house["kept"] == FULL_HOUSE)
    else:
        targets.missing(fits)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="where generator, listeners and bare are")
    parser.add_argument("--weir", type=Path, help="the weir executable; without it Weir is left out")
    parser.add_argument("--full", action="store_true", help=f"push {FULL_BYTES:.0f} bytes in each case")
    parser.add_argument("--bytes", type=float, help=f"pushed in each case; fewer than {FULL_BYTES:.0f} are a short run")
    parser.add_argument("--strict", action="store_true", help="end with 1 unless everything was measured and met")
    parser.add_argument("--bare", action="store_true", help="also the bare loop, to see what the method itself adds")
    parser.add_argument("--name", default="memory", help="of the results file")
    return parser.parse_args()


def main():
    arguments = parse()
    Weir.program = arguments.weir.resolve() if arguments.weir else None
    header = machine.header(Weir.program)
    amount = int(arguments.bytes or (FULL_BYTES if arguments.full else SHORT_BYTES))
    full = is_full(amount)
    pushes, skipped, house = [], {}, None
    jobs = [(contender, case, amount) for contender in [Weir] + [Bare] * arguments.bare for case in CASES]
    for contender, case, pushed in [*jobs, (OldShape, CASES[1], int(FULL_BYTES))]:
        if contender.name in skipped:
            continue
        try:
            pushes.append(push(contender, arguments.programs, *case, pushed))
        except (Unavailable, Failed, OSError) as reason:
            skipped[contender.name] = f"{case[0]}: {reason}"
    if Weir.name not in skipped:
        try:
            house = full_house(Weir, arguments.programs, 10 if full else 3)
        except (Failed, OSError) as reason:
            skipped[Weir.name] = f"{FULL_HOUSE} listeners: {reason}"
    name = arguments.name if full else f"{arguments.name}-short"
    results.save(name, header, bytes=amount, skipped=skipped, pushes=pushes, full_house=house)
    targets = print_tables(header, pushes, house, skipped)
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

"""Where results go: one file of JSON for each run of a driver, with the machine in front; and what --strict says."""

import json
import sys
import time
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[1] / "results"


def save(name, header, **content):
    """Writes bench/results/NAME-DATE.json; returns its text."""
    text = json.dumps({"machine": header, "command": sys.argv, **content}, indent=1)
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(text + "\n")
    print(f"raw results: {path}", file=sys.stderr)
    return text


def shortfalls(targets, skipped, failures=()):
    """Why a run proves nothing, one line each: targets, contenders that were not there, runs that failed."""
    lines = targets.shortfalls()
    lines += [f"{name} was skipped: {reason}" for name, reason in skipped.items()]
    lines += ["{contender} failed, run {run}: {reason}".format(**failure) for failure in failures]
    return lines


def verdict(lines):
    """The exit code of --strict; says why."""
    for line in lines:
        print(f"strict: {line}", file=sys.stderr)
    return 1 if lines else 0

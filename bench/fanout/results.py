"""Where results go: one file of JSON for each run of a driver, with the machine in front."""

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

#!/usr/bin/env python3
"""What a client pool costs: Weir, a bare libcurl multi program and curl --parallel, in one run, from one nginx.

Weir takes bodies in two ways: by a sink, where libcurl has them, which is what the targets are for, and as a sequence.

    run.py --programs build/bench --weir PROGRAM [--full] [--runs N] [--strict]

Prints a Markdown table and the targets, met or missed, and writes every single run to bench/results/. With --strict it
ends with 1 when a target was missed or a contender is not to be had.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))

import machine  # noqa: E402
import results  # noqa: E402
from tables import Targets, ratio, table  # noqa: E402

KIB, MIB = 1024, 1024 * 1024
PARALLEL = 50
# (label, bytes, requests of the short form, of the full form)
CASES = (("4 KiB", 4 * KIB, 10_000, 10_000), ("64 MiB", 64 * MIB, 20, 100))
# Of the bare program's rate.
TARGET = 0.9


class Nginx:
    """One worker that serves the files of a directory."""

    def __init__(self):
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if not program:
            raise SystemExit("bench/client: nginx is not installed")
        self.directory = tempfile.TemporaryDirectory(prefix="weir-bench-")
        root = self.directory.name
        os.chmod(root, 0o755)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for _, size, _, _ in CASES:
            Path(root, str(size)).write_bytes(os.urandom(MIB)[:size] * max(1, size // MIB))
        temporary = " ".join(
            f"{name}_temp_path {root}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        Path(root, "nginx.conf").write_text(
            f"""daemon off; master_process off; pid {root}/pid; error_log stderr;
            events {{ worker_connections 1024; }}
            http {{ access_log off; sendfile on; keepalive_requests 1000000; {temporary}
              server {{ listen 127.0.0.1:{self.port}; root {root}; }} }}"""
        )
        self.process = subprocess.Popen([program, "-e", "stderr", "-p", root, "-c", f"{root}/nginx.conf"])
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit("bench/client: nginx does not listen")

    def url(self, size):
        return f"http://127.0.0.1:{self.port}/{size}"

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


def contenders(arguments):
    """name -> the command for (url, requests)."""
    bare = str(Path(arguments.programs, "client"))
    found = {"bare": lambda url, count: [bare, url, str(count), str(PARALLEL)]}
    skipped = {}
    if arguments.weir:
        for name, body in (("weir", "sink"), ("weir, a sequence", "sequence")):
            found[name] = lambda url, count, body=body: [
                arguments.weir, "bench", "client", "--json", "--url", url, "--requests", str(count),
                "--parallel", str(PARALLEL), "--body", body,
            ]  # fmt: skip
    else:
        skipped["weir"] = "no release build"
    if curl := shutil.which("curl"):
        found["curl"] = lambda url, count: [
            curl, "-sSf", "--no-progress-meter", "--parallel", "--parallel-max", str(PARALLEL), "-o", "/dev/null", f"{url}?[1-{count}]",
        ]  # fmt: skip
    else:
        skipped["curl"] = "not installed"
    return found, skipped


def measure(command, size, requests):
    """Seconds, and CPU seconds of the client; its own figures where it has some, without the start of the program."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        raise SystemExit(f"{command[0]} failed: {status}")
    figures = {"seconds": time.monotonic() - start, "cpu_seconds": usage.ru_utime + usage.ru_stime}
    if output.startswith("{"):
        figures |= json.loads(output)
        assert figures["bytes"] == size * requests, figures
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--programs", required=True)
    parser.add_argument("--weir")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    runs = arguments.runs or (5 if arguments.full else 3)
    found, skipped = contenders(arguments)
    for name, reason in skipped.items():
        print(f"{name}: skipped, {reason}", file=sys.stderr)
    nginx, every, targets = Nginx(), [], Targets()
    try:
        for label, size, short, full in CASES:
            requests = full if arguments.full else short
            rates = {name: [] for name in found}
            cpu = {name: [] for name in found}
            for run in range(runs + 1):
                for name, command in found.items():
                    figures = measure(command(nginx.url(size), requests), size, requests)
                    if run == 0:
                        continue  # the first warms the page cache
                    every.append({"case": label, "contender": name, "run": run, "requests": requests, **figures})
                    rates[name].append(requests / figures["seconds"])
                    cpu[name].append(figures["cpu_seconds"] / requests)
            middle = {name: statistics.median(values) for name, values in rates.items()}
            table(
                f"{requests} x {label}, {PARALLEL} at once",
                ("client", "requests/s", "least - most", "MB/s", "CPU us each", "of bare"),
                [
                    (
                        name,
                        f"{middle[name]:.0f}",
                        f"{min(rates[name]):.0f} - {max(rates[name]):.0f}",
                        f"{middle[name] * size / 1e6:.0f}",
                        f"{statistics.median(cpu[name]) * 1e6:.0f}",
                        ratio(middle[name], middle["bare"]),
                    )
                    for name in found
                ],
            )
            wanted = f"{label}: rate of the bare program, at least {TARGET}"
            if "weir" in middle:
                targets.above(wanted, middle["weir"] / middle["bare"], TARGET)
            else:
                targets.missing(wanted)
    finally:
        nginx.close()
    table("Targets", ("wanted", "got", ""), targets.rows)
    results.save("client", machine.header(arguments.weir), runs=every)
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What TLS costs: Weir beside nginx, which relays the same stream from a Weir without TLS.

    run.py --program build/bench/tls-listeners --weir PROGRAM [--full] [--strict | --json]

All contenders take turns with the same number of listeners of the same stream, read by the same load client. CPU is the
server's own (of nginx, the worker's; the Weir behind it stands beside it); memory is anonymous memory, before the
first listener and with all. Writes every run to bench/results/. With --strict it ends with 1 when a target was missed
or a contender is not to be had.
"""

import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))

import machine  # noqa: E402
import results  # noqa: E402
from contenders import Failed, free_port, wait_for  # noqa: E402
from tables import Targets, percent, table  # noqa: E402

LISTENERS = 200
RATE = 192_000  # bytes a second: 48 kHz, stereo, 16 bit
PATH = "/live/demo.pcm?endian=le"
# Runs, seconds of warm-up, seconds measured.
SHORT = (1, 2, 5)
FULL = (5, 5, 20)
KIB = 1024
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


class Server:
    """Weir on two ports, HTTP and HTTPS; with `nginx`, that on the second one."""

    def __init__(self, weir, directory, nginx):
        self.directory, self.processes = Path(directory), []
        self.plain, self.secure = free_port(), free_port()
        configuration = {
            "listen": [f"http://127.0.0.1:{self.plain}"] + ([] if nginx else [f"https://127.0.0.1:{self.secure}"]),
            "http": {"max_connections": 4 * LISTENERS, "connections_per_address": 4 * LISTENERS},
        }
        if not nginx:
            configuration["tls"] = {"certificate": f"{directory}/cert.pem", "key": f"{directory}/key.pem"}
        file = self.directory / "weir.json"
        file.write_text(json.dumps(configuration))
        self.weir = self.spawn([weir, "serve", "--config", file, "--data", self.directory / "data"])
        wait_for("weir", lambda: listens(self.plain))
        self.pids = {"server": self.weir.pid}
        if nginx:
            self.start_nginx()

    def spawn(self, command):
        log = open(self.directory / "log", "a")
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_nginx(self):
        (self.directory / "nginx.conf").write_text(
            f"""
            daemon off; pid {self.directory}/nginx.pid; error_log {self.directory}/nginx.log; worker_processes 1;
            events {{ worker_connections 4096; }}
            http {{
              access_log off;
              server {{
                listen 127.0.0.1:{self.secure} ssl;
                ssl_certificate {self.directory}/cert.pem; ssl_certificate_key {self.directory}/key.pem;
                ssl_protocols TLSv1.2 TLSv1.3;
                location / {{
                  proxy_pass http://127.0.0.1:{self.plain}; proxy_buffering off; proxy_http_version 1.1;
                }}
              }}
            }}
            """
        )
        master = self.spawn([NGINX, "-p", self.directory, "-c", self.directory / "nginx.conf"])
        wait_for("nginx", lambda: listens(self.secure))
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
        wait_for("nginx's worker", lambda: children.read_text())
        self.pids = {"server": int(children.read_text().split()[0]), "behind": self.weir.pid}

    def close(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def listens(port):
    return subprocess.run(["curl", "-sko", "/dev/null", f"http://127.0.0.1:{port}/"]).returncode == 0


def make_certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem", "-subj", "/CN=localhost"],
        check=True,
        capture_output=True,
    )


def measure(name, arguments, warmup, seconds):
    """One run of a contender: `weir`, `nginx`, or `plain`, which is Weir without TLS."""
    with tempfile.TemporaryDirectory() as directory:
        make_certificate(directory)
        server = Server(arguments.weir, directory, name == "nginx")
        client = None
        try:
            before = machine.Snapshot(server.pids)
            port = server.plain if name == "plain" else server.secure
            command = [arguments.program, port, PATH, LISTENERS, warmup, seconds, "plain" if name == "plain" else "tls"]
            client = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            if client.stdout.readline() != "measuring\n":
                raise Failed("the listeners did not all join")
            begun = machine.Snapshot(server.pids)
            time.sleep(0.9 * seconds)
            interval = machine.Snapshot(server.pids).since(begun)
            _, kept, least, total = client.stdout.readline().split()
        finally:
            if client:
                client.kill()
                client.wait()
            server.close()
    grown = interval["anonymous_bytes"]["server"] - before.anonymous["server"]
    return {
        "contender": name,
        "listeners": LISTENERS,
        "kept": int(kept),
        "least_share": round(int(least) / (RATE * seconds), 4),
        "bytes": int(total),
        "bytes_each": round(grown / LISTENERS),
        **interval,
    }


def print_report(header, runs, skipped):
    """Prints everything; returns the targets."""
    print(f"## TLS\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    for name, reason in skipped.items():
        print(f"\n{name} was skipped: {reason}")
    by_name = {}
    for run in runs:
        by_name.setdefault(run["contender"], []).append(run)
    rows, figures = [], {}
    for name, group in by_name.items():
        cpu = [run["cpu_share"]["server"] for run in group]
        memory = statistics.median(run["bytes_each"] for run in group)
        behind = statistics.median(run["cpu_share"].get("behind", 0) for run in group)
        figures[name] = (statistics.median(cpu), memory)
        kept = min(run["kept"] for run in group)
        rows.append(
            [name, percent(statistics.median(cpu)), f"{percent(min(cpu))} - {percent(max(cpu))}"]
            + [percent(behind) if behind else "", f"{memory / KIB:.1f} KiB", f"{kept} of {LISTENERS}"]
            + [percent(min(run["least_share"] for run in group))]
        )
    columns = ["", "CPU, of a core", "least - most", "behind it", "memory each", "kept", "least received"]
    table(f"{LISTENERS} listeners of {RATE} B/s", columns, rows)
    targets = Targets()
    targets.below("memory of a listener with TLS: at most 40 KiB", figures["weir"][1] / KIB, 40, " KiB")
    wanted = "CPU: at most that of nginx's worker"
    if "nginx" in figures:
        targets.below(wanted, figures["weir"][0] / figures["nginx"][0], 1, " of it")
    else:
        targets.missing(wanted)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return targets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    count, warmup, seconds = FULL if arguments.full else SHORT
    skipped = {} if NGINX else {"nginx": "it is not installed"}
    runs = []
    for _ in range(count):
        for name in ("weir", "nginx", "plain"):
            if name not in skipped:
                runs.append(measure(name, arguments, warmup, seconds))
    header = machine.header(arguments.weir)
    text = results.save("tls", header, runs=runs)
    if arguments.json:
        print(text)
        return 0
    targets = print_report(header, runs, skipped)
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

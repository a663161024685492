#!/usr/bin/env python3
"""What a download that is kept costs beside nginx with the same file, in both of its modes, in turns.

    run.py --weir PROGRAM [--full] [--strict]

Prints a Markdown table and the targets, met or missed. CPU is the server's alone. With --strict it ends with 1 when a
target was missed.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
# (label, pages, pixels of their sides, at once)
CASES = (("1 MB", 1, 1000, 1), ("1 MB", 1, 1000, 8), ("100 MB", 50, 1414, 1), ("100 MB", 50, 1414, 8))
CPU_MOST, SPEED_LEAST = 1.05, 0.9
NGINX = """daemon off; master_process off; pid {root}/{name}.pid; error_log {root}/{name}.log; events {{}}
http {{ access_log off; sendfile {sendfile}; output_buffers 2 512k; keepalive_requests 10000000;
client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d;
scgi_temp_path {root}/e; server {{ listen 127.0.0.1:{port}; root {root}/files; }} }}
"""


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def picture(side):
    rows = b"".join(b"\0" + os.urandom(side) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_weir(weir, root, port):
    command = [weir, "serve", "--listen", f"127.0.0.1:{port}", "--data", f"{root}/data", "--log-level", "error"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while "http://" not in (line := process.stdout.readline()):
        if not line:
            raise SystemExit("bench/downloads: weir did not start")
    return process


def add(weir, root, port, chapter, pages, side):
    folder = Path(root) / chapter
    folder.mkdir()
    for page in range(pages):
        (folder / f"{page:03}.png").write_bytes(picture(side))
    place = ["--server", f"http://127.0.0.1:{port}", "--data", f"{root}/data"]
    subprocess.run([weir, "chapter", "add", *place, chapter, str(folder)], check=True, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/downloads/chapters/{chapter}"
    target = Path(root) / "files" / "downloads" / "chapters" / chapter
    target.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(100):
        with urllib.request.urlopen(url) as answer:
            target.write_bytes(answer.read())
            if answer.headers["X-Cache"] == "hit":
                return
        time.sleep(0.1)
    raise SystemExit("bench/downloads: the download is not kept")


def measure(drain, process, port, chapter, parallel, seconds):
    before = cpu(process)
    words = [drain, str(port), f"/downloads/chapters/{chapter}", str(parallel), str(seconds)]
    run = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    gigabytes = run["bytes"] / 1e9
    return gigabytes / run["seconds"], (cpu(process) - before) / gigabytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--weir", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    weir = os.path.realpath(arguments.weir)
    rounds, seconds = (15, 3) if arguments.full else (3, 1)
    is_met, running = True, []
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as root:
        drain = f"{root}/drain"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", drain, str(HERE / "drain.c")], check=True)
        try:
            port = free_port()
            servers = {"weir": (start_weir(weir, root, port), port)}
            running.append(servers["weir"][0])
            for index, (_, pages, side, _) in enumerate(CASES):
                add(weir, root, port, f"c{index}", pages, side)
            if nginx is None:
                print("nginx is not installed: only Weir is measured\n")
            for name in ("on", "off") if nginx else ():
                other = free_port()
                conf = Path(root) / f"{name}.conf"
                conf.write_text(NGINX.format(root=root, name=name, sendfile=name, port=other))
                running.append(subprocess.Popen([nginx, "-c", str(conf)], stderr=subprocess.DEVNULL))
                servers[f"nginx, sendfile {name}"] = (running[-1], other)
            time.sleep(1)
            print("| Size | At once | | GB/s, median (least to most) | CPU s/GB, median |\n|---|---|---|---|---|")
            for index, (label, _, _, parallel) in enumerate(CASES):
                runs = {name: [] for name in servers}
                for _ in range(rounds):
                    for name, (process, place) in servers.items():
                        runs[name].append(measure(drain, process, place, f"c{index}", parallel, seconds))
                medians = {}
                for name, pairs in runs.items():
                    speeds, costs = zip(*pairs)
                    medians[name] = statistics.median(speeds), statistics.median(costs)
                    spread = f"{medians[name][0]:.2f} ({min(speeds):.2f} to {max(speeds):.2f})"
                    print(f"| {label} | {parallel} | {name} | {spread} | {medians[name][1]:.3f} |", flush=True)
                others = [pair for name, pair in medians.items() if name != "weir"]
                if others:
                    speed, cost = medians["weir"]
                    is_met &= cost <= CPU_MOST * min(c for _, c in others)
                    is_met &= speed >= SPEED_LEAST * max(s for s, _ in others)
        finally:
            for process in running:
                process.terminate()
                process.wait()
    print(f"\nCPU at most {CPU_MOST} times, speed at least {SPEED_LEAST} times the better: {'met' if is_met else 'missed'}")
    if arguments.strict and not is_met:
        sys.exit(1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What Weir adds to a send of media that are ready, and that each was uploaded once.

    send.py --weir PROGRAM --stand-in PROGRAM [--full] [--strict]

Media of all kinds and several sizes are added by `weir media add`; when all are ready, each is sent: by POST /send, and, as
the measure, by the same call to the API without Weir. One at a time, on one connection. The API answers at once, or after
50 ms; and all of it once more while 100 media a second are added beside it. Prints Markdown tables and the targets, met or
missed, and writes the results to bench/results/. With --strict it ends with 1 when a target was missed.
"""

import argparse
import collections
import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import machine  # noqa: E402
import processes  # noqa: E402
import results  # noqa: E402
from tables import Targets, table  # noqa: E402

# Media: of the short form, of the full form.
MEDIA = (50, 500)
# Seconds that the API takes.
DELAYS = (0, 0.05)
# Media added a second, beside the sends.
WRITES = 100
# Seconds of sends at least, in each case: all media again and again.
SECONDS = (1, 5)
# Milliseconds that Weir may add: at the median, at the 95th percentile.
P50, P95 = 2, 5
# ending -> method; bytes.
KINDS = {"jpg": "sendPhoto", "mp4": "sendVideo", "mp3": "sendAudio", "pdf": "sendDocument", "gif": "sendAnimation"}
SIZES = (800, 40_000, 300_000, 2_000_000)


def files(folder, count):
    endings = list(KINDS)
    for number in range(count):
        path = Path(folder, f"{number}.{endings[number % len(endings)]}")
        path.write_bytes(number.to_bytes(8, "big") + random.Random(number).randbytes(SIZES[number % len(SIZES)]))
    return sorted(Path(folder).iterdir())


def warm(arguments, weir, stand_in, count):
    """Adds so many media, waits until all are ready; gives them."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-send-", dir="/var/tmp") as folder:
        paths = files(folder, count)
        weir.order("resume")
        command = [arguments.weir, "media", "add", "--wait", "--server", f"http://127.0.0.1:{weir.port}", "--data", weir.data]
        subprocess.run(command + paths, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    weir.order("pause")
    media, after = [], ""
    while after is not None:
        page = json.loads(processes.ask(weir.port, "GET", f"/media?limit=1000{after}"))
        media += page["media"]
        after = page["next"] and f"&after={page['next']}"
    if len(media) != count or any(medium["status"] != "ready" for medium in media):
        raise SystemExit("bench/prewarm: not all media are ready")
    uploads = collections.Counter(call["sha256"] for call in calls(stand_in))
    if sorted(uploads) != sorted(medium["sha256"] for medium in media) or set(uploads.values()) != {1}:
        raise SystemExit("bench/prewarm: not every medium was uploaded once")
    return media


def calls(stand_in, after=0):
    every = []
    while True:
        page = json.loads(processes.ask(stand_in.port, "GET", f"/calls?after={after + len(every)}"))["calls"]
        if not page:
            return every
        every += page


def timed(port, requests):
    """Milliseconds that each took, from its first byte to the last of the answer."""
    connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=processes.PATIENCE), []
    for target, fields, body in requests:
        began = time.perf_counter()
        connection.request("POST", target, body, fields)
        response = connection.getresponse()
        text = response.read()
        taken.append(1e3 * (time.perf_counter() - began))
        answer = json.loads(text)
        if response.status != 200 or answer.get("via", "file_id") != "file_id":
            raise SystemExit(f"bench/prewarm: {target}: {response.status} {text[:200]}")
    connection.close()
    return taken


class Writers:
    """Add `WRITES` media a second while they live; the worker is paused, so that nothing else comes of it."""

    def __init__(self, weir):
        self.counts, self.is_over, self.began = [0] * processes.ADDERS, threading.Event(), time.monotonic()
        self.threads = [threading.Thread(target=self.run, args=(weir, number)) for number in range(processes.ADDERS)]
        for thread in self.threads:
            thread.start()

    def run(self, weir, number):
        connection = http.client.HTTPConnection("127.0.0.1", weir.port, timeout=processes.PATIENCE)
        fields = {**weir.fields, "Content-Type": "image/jpeg"}
        while not self.is_over.wait(max(0, self.due(number) - time.monotonic())):
            connection.request("POST", "/media?kind=photo", random.randbytes(processes.BYTES), fields)
            response = connection.getresponse()
            response.read()
            if response.status != 201:
                break
            self.counts[number] += 1
        connection.close()

    def due(self, number):
        return self.began + (self.counts[number] + number / len(self.counts)) * len(self.counts) / WRITES

    def end(self):
        """Media added a second."""
        rate = sum(self.counts) / (time.monotonic() - self.began)
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        return rate


def measure(weir, stand_in, media, delay, writes, seconds):
    processes.ask(stand_in.port, "POST", "/control", json.dumps({"latency": [delay, delay]}))
    kinds = {method[4:].lower(): method for method in KINDS.values()}
    fields = {"Content-Type": "application/json"}
    direct = [
        (f"/bot{processes.TOKEN}/{kinds[medium['kind']]}", fields,
         json.dumps({"chat_id": 100 + number, medium["kind"]: medium["file_id"]}))
        for number, medium in enumerate(media)
    ]  # fmt: skip
    through = [
        ("/send", {**fields, **weir.fields},
         json.dumps({"chat": 10_000 + number, "media": medium["sha256"], "kind": medium["kind"]}))
        for number, medium in enumerate(media)
    ]  # fmt: skip
    ids = [medium["file_id"] for medium in media]
    alone, sent = [], []
    writer = Writers(weir) if writes else None
    began = time.monotonic()
    # In turns, so that both have the same company.
    while time.monotonic() - began < seconds or not sent:
        alone += timed(stand_in.port, direct)
        before = stand_in.counts()["calls"]
        sent += timed(weir.port, through)
        if [call.get("file_id") for call in calls(stand_in, before)] != ids:
            raise SystemExit("bench/prewarm: not every send was one call with its file_id")
    rate = writer.end() if writer else 0
    alone, sent = sorted(alone), sorted(sent)
    return {
        "delay": delay, "writes": rate, "sends": len(sent), "direct_ms": alone, "weir_ms": sent,
        "p50": at(sent, 0.5) - at(alone, 0.5), "p95": at(sent, 0.95) - at(alone, 0.95),
    }  # fmt: skip


def at(values, part):
    return values[min(len(values) - 1, int(part * len(values)))]


def judge(every):
    targets = Targets()
    for run in every:
        name = f"API {1e3 * run['delay']:.0f} ms away" + (f", {WRITES} writes/s" if run["writes"] else "")
        targets.below(f"{name}: added at P50, at most {P50} ms", run["p50"], P50, " ms")
        targets.below(f"{name}: added at P95, at most {P95} ms", run["p95"], P95, " ms")
        if run["writes"]:
            targets.above(f"{name}: media added a second, at least {0.95 * WRITES:.0f}", run["writes"], 0.95 * WRITES)
    return targets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--stand-in", required=True, help=".build/release/telegram-stand-in")
    parser.add_argument("--full", action="store_true", help=f"{MEDIA[1]} media")
    parser.add_argument("--strict", action="store_true", help="end with 1 unless every target was met")
    arguments = parser.parse_args()
    header, every = machine.header(arguments.weir), []
    stand_in = processes.StandIn(arguments.stand_in, rates=None)
    weir = processes.Weir(
        arguments.weir, processes.configuration(stand_in, 20, 20, processes.OPEN, more="log: { level: warning }"))
    try:
        media = warm(arguments, weir, stand_in, MEDIA[arguments.full])
        for writes in (False, True):
            seconds = SECONDS[arguments.full]
            every += [measure(weir, stand_in, media, delay, writes, seconds) for delay in DELAYS]
    finally:
        weir.close()
        stand_in.close()
    results.save("send" if arguments.full else "send-short", header, results=every)
    print(f"## Sending\n\n{header['cpu']}, {header['cores']} cores, Linux {header['kernel']}, {header['date']}, "
          f"revision {(header['revision'] or '?')[:12]}{' (modified)' if header['modified'] else ''}")
    table(f"{len(media)} media of {len(KINDS)} kinds, each uploaded once, sent by `file_id`: milliseconds",
          ("API", "writes/s", "sends", "direct P50", "P95", "through Weir P50", "P95", "added P50", "P95"),
          [(f"{1e3 * run['delay']:.0f} ms", f"{run['writes']:.0f}", run["sends"], *(f"{at(run[name], part):.2f}" for name in ("direct_ms", "weir_ms")
            for part in (0.5, 0.95)), f"{run['p50']:.2f}", f"{run['p95']:.2f}") for run in every])  # fmt: skip
    targets = judge(every)
    table("Targets", ("wanted", "got", ""), targets.rows)
    return results.verdict(results.shortfalls(targets, {})) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

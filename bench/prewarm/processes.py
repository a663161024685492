"""What a prewarm run consists of: Weir, a stand-in for Telegram's Bot API, a store that takes its time."""

import concurrent.futures
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
# Bytes of a medium.
BYTES = 2000
# Connections that add media.
ADDERS = 8
# Seconds that anything may take to start or to end.
PATIENCE = 60


def ask(port, method, target, body=None, fields={}):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, target, body, fields)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status >= 300:
        raise SystemExit(f"bench/prewarm: {method} {target}: {response.status} {text[:200]}")
    return text


class Process:
    def __init__(self, command, **options):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, **options)
        self.pid = self.process.pid

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class StandIn(Process):
    def __init__(self, program, **control):
        super().__init__([program, "--control", json.dumps(control)], stdout=subprocess.PIPE, text=True)
        self.api = self.process.stdout.readline().strip()
        self.port = int(self.api.rsplit(":", 1)[1])

    def counts(self):
        return json.loads(ask(self.port, "GET", "/counts"))


class Origin(Process):
    def __init__(self, least, most):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        super().__init__([sys.executable, Path(__file__).resolve().parent / "origin.py", self.port, least, most])
        for _ in range(PATIENCE * 100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit("bench/prewarm: the store does not listen")

    def settings(self):
        return f"""storage: {{ kind: r2, bucket: media, access_key_id: bench, secret_access_key: no-secret-at-all,
            endpoint: "http://127.0.0.1:{self.port}" }}"""


class Weir(Process):
    """A daemon with a data directory of its own, on a disk. Its worker is paused."""

    def __init__(self, program, configuration):
        self.directory = tempfile.TemporaryDirectory(prefix="weir-bench-prewarm-", dir="/var/tmp")
        self.data = f"{self.directory.name}/data"
        file = Path(self.directory.name, "weir.yml")
        file.write_text(configuration)
        self.log = open(f"{self.directory.name}/log", "w+")
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data", self.data, "--config", file, "--log-level", "warning"]
        super().__init__(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.port = None
        while self.port is None:
            line = self.process.stdout.readline()
            if not line:
                self.log.seek(0)
                raise SystemExit(f"bench/prewarm: weir did not start: {self.log.read()}")
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            self.port = int(found[1]) if found else None
        self.fields = {"Authorization": f"Bearer {Path(self.data, 'admin.token').read_text().strip()}"}
        self.order("pause")

    def order(self, word):
        ask(self.port, "POST", f"/prewarm/{word}", fields=self.fields)

    def add(self, count):
        """Media of `BYTES`, each with bytes of its own."""
        fields = {**self.fields, "Content-Type": "image/jpeg"}

        def some(first):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            for number in range(first, count, ADDERS):
                body = b"\xff\xd8\xff" + number.to_bytes(8, "big") + bytes(BYTES - 11)
                connection.request("POST", "/media?kind=photo", body, fields)
                response = connection.getresponse()
                text = response.read()
                if response.status != 201:
                    raise SystemExit(f"bench/prewarm: {response.status} {text[:200]}")
            connection.close()

        with concurrent.futures.ThreadPoolExecutor(ADDERS) as pool:
            list(pool.map(some, range(ADDERS)))

    def metrics(self):
        """name with labels -> value"""
        lines = ask(self.port, "GET", "/metrics").decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def close(self):
        super().close()
        self.process.stdout.close()
        self.log.close()
        self.directory.cleanup()


def configuration(stand_in, concurrency, chats, limits="", more=""):
    numbers = ", ".join(str(number + 1) for number in range(chats))
    return f"""
telegram:
  api: {stand_in.api}
  {limits}
  bots: [ {{ slug: shop, token: "{TOKEN}", by_url: never, warmup_chats: [{numbers}] }} ]
prewarm: {{ concurrency: {concurrency} }}
{more}
"""


# Nothing waits for them.
OPEN = "limits: { chat: 10000, group: 1000000, bot: 100000 }"


def result(metrics, name):
    return int(metrics[f'media_prewarm_jobs_total{{result="{name}"}}'])


def until_ready(weir, count, seconds, pause=0.02, watch=None):
    """When so many attempts had ended well, or failed for good; the metrics then."""
    end = time.monotonic() + seconds
    while True:
        metrics = weir.metrics()
        now = time.monotonic()
        if watch:
            watch(now, metrics)
        if result(metrics, "ready") + result(metrics, "failed") >= count:
            return now, metrics
        if now > end:
            raise SystemExit(f"bench/prewarm: {result(metrics, 'ready')} of {count} jobs after {seconds:.0f} s")
        time.sleep(pause)


def quantile(metrics, name, part):
    """The least bucket that has so many values: seconds at most."""
    prefix = f'{name}_bucket{{le="'
    buckets = [(float(key[len(prefix):-2]), value) for key, value in metrics.items() if key.startswith(prefix)]
    wanted = part * metrics[f"{name}_count"]
    return min((bound for bound, value in buckets if value >= wanted), default=float("inf"))

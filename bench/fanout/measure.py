"""One measurement: a contender, the load client, and the counters of both over the measured interval only."""

import json
import subprocess
import threading
import time
from pathlib import Path

from contenders import Failed, before_exec, loop_between
from machine import Snapshot


class Client:
    """The load client, running. Reads its events; ends with the block."""

    def __init__(self, programs, url, count, *options, nice=0, cpu=None):
        command = [Path(programs) / "listeners", "--url", url, "--count", count, "--quiet", *options]
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, text=True, preexec_fn=before_exec(nice, cpu)
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def event(self, wanted, timeout):
        """The next event of that name."""
        guard = threading.Timer(timeout, self.process.kill)
        guard.start()
        try:
            for line in self.process.stdout:
                event = json.loads(line)
                if event["event"] == wanted:
                    return event
        finally:
            guard.cancel()
        raise Failed(f"the load client ended before '{wanted}'")

    def finish(self):
        """Ends the measuring now; the report."""
        self.process.terminate()
        return self.event("report", 60)


def sample_for(listeners):
    """Every how manieth listener has its bytes looked at: a hundred or so are, the rest is only counted."""
    return max(1, listeners // 100)


def source_addresses(listeners):
    """Several addresses, as many clients would have; one has ports for some 28 000 connections."""
    return min(200, max(1, listeners // 5))


def measure(contender_class, programs, stream, seconds, warmup, ramp=1000):
    """Runs it once and returns what was found, as written to the results file."""
    with contender_class(programs, stream) as contender:
        options = ["--seconds", seconds, "--warmup", warmup, "--ramp", ramp]
        options += ["--sample", sample_for(stream.listeners), "--expect", stream.rate]
        options += ["--sources", source_addresses(stream.listeners)]
        priority = {"nice": stream.nice, "cpu": stream.source_cpu}
        with Client(programs, contender.url, stream.listeners, *options, **priority) as client:
            pids = {**contender.pids(), "client": client.process.pid}
            ramping = stream.listeners / ramp + 20
            client.event("measuring", ramping + warmup + 10)
            loop = contender.loop()
            before = Snapshot(pids)
            # A little before the end: afterwards everybody leaves, which is another thing.
            time.sleep(0.9 * seconds)
            told = contender.loop()
            client.event("measured", seconds + 30)
            interval = Snapshot(pids).since(before)
            if loop:
                interval["loop"] = loop_between(loop, told)
            report = client.event("report", 60)
    del report["event"]
    return {
        "contender": contender_class.name,
        "listeners": stream.listeners,
        "rate": stream.rate,
        "window_ms": stream.window,
        "interval_ms": stream.interval,
        **interval,
        "client": report,
    }


def kept_every_listener(result):
    """All joined, stayed, and got what the source wrote."""
    client = result["client"]
    return client["kept"] == result["listeners"] and client["slow"] == 0 and client["skipped_bytes"] == 0

"""The servers that are compared. Each is started with one stream and torn down again."""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

WINDOWS = {None: "auto", 0: 0}  # others are milliseconds
START_TIMEOUT = 20  # seconds until a contender must serve


@dataclass
class Stream:
    """What is served, and to how many."""

    listeners: int
    window: int | None = 0  # ms; None: Weir's own choice; Icecast has none
    rate: int = 192_000  # bytes a second
    interval: float = 20  # ms between two writes of the source
    generator: list = field(default_factory=list)  # further options of the generator
    server_cpu: int | None = None  # cores to stay on
    source_cpu: int | None = None
    nice: int = 0  # of all that is started
    slow_timeout: int = 30


def before_exec(nice, cpu):
    """What a child does before it becomes the program, to be alone with its competitors on a busy machine."""

    def prepare():
        if nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    return prepare


class Unavailable(Exception):
    """The contender is not on this machine."""


class Failed(Exception):
    """The contender, or the load client, did not do what it must; the last line it printed is the reason."""

    def __init__(self, what, log=None):
        lines = log.read_text(errors="replace").strip().splitlines() if log else []
        super().__init__(f"{what}: {lines[-1]}" if lines else what)


def wait_for(what, condition):
    """Polls until `condition()` is true."""
    end = time.monotonic() + START_TIMEOUT
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what} did not come up within {START_TIMEOUT} s")
        time.sleep(0.02)


def read_url(process, log):
    """The first http:// address that a server says it listens on."""
    found = []

    def look():
        if process.poll() is not None:
            raise Failed(f"it exited with {process.returncode}", log)
        match = re.search(r"http://(127\.0\.0\.1:\d+)", log.read_text())
        if match:
            found.append(match[1])
        return bool(match)

    wait_for("the server", look)
    return found[0]


def free_port():
    """A port below those that the system hands out: to one of its own a probe may connect by itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Contender:
    """A server with one stream. Use as a context manager."""

    name = ""

    def __init__(self, programs, stream):
        self.programs, self.stream = Path(programs).resolve(), stream
        self.processes = []
        self.directory = Path(tempfile.mkdtemp(prefix="weir-bench-"))
        self.server = self.url = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        raise NotImplementedError

    def generator(self, *more):
        stream = self.stream
        command = [self.programs / "generator", "--rate", stream.rate, "--interval", stream.interval]
        if stream.source_cpu is not None:
            command += ["--cpu", stream.source_cpu]
        return [str(word) for word in [*command, *stream.generator, *more]]

    def loop(self):
        """What its event loop did so far; nothing where it does not say."""
        return {}

    def spawn(self, command, cpu=None, **options):
        """Starts a process that stop() will end."""
        prepare = before_exec(self.stream.nice, cpu)
        try:
            process = subprocess.Popen([str(word) for word in command], preexec_fn=prepare, **options)
        except OSError as error:
            raise Unavailable(str(error)) from error
        self.processes.append(process)
        return process

    def spawn_server(self, command, **options):
        """Starts the process whose cost is measured; its output goes to a file."""
        self.log = self.directory / "server.log"
        self.server = self.spawn(
            command, self.stream.server_cpu, stdout=self.log.open("wb"), stderr=subprocess.STDOUT, **options
        )
        return self.server

    def pids(self):
        """Name -> process id of what costs CPU here, the server's first."""
        return {"server": self.server.pid}

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class PipeFed(Contender):
    """A server that reads the stream from its standard input."""

    def start_fed(self, command):
        source = self.spawn(self.generator(), stdout=subprocess.PIPE)
        self.source = source
        server = self.spawn_server(command, stdin=source.stdout)
        source.stdout.close()
        self.url = f"http://{read_url(server, self.log)}/"

    def pids(self):
        return {"server": self.server.pid, "source": self.source.pid}


class Bare(PipeFed):
    """One non-blocking send per listener per window, nothing else: see bare.c."""

    name = "bare"

    def start(self):
        self.start_fed([self.programs / "bare", "--window", self.stream.window or 0])


class OldShape(PipeFed):
    """The unbounded writer that Weir replaces: see old-shape.js."""

    name = "old-shape"

    def start(self):
        if shutil.which("node") is None:
            raise Unavailable("node is not installed")
        self.start_fed(["node", Path(__file__).with_name("old-shape.js")])


def icecast_configuration(port, directory, limits):
    """What icecast2 reads, for one that listens on a port of loopback and logs into a directory."""
    owner = "<changeowner><user>icecast2</user><group>icecast</group></changeowner>" if os.geteuid() == 0 else ""
    return f"""<icecast>
  <limits>
    {limits}
  </limits>
  <authentication>
    <source-password>hackme</source-password><relay-password>hackme</relay-password>
    <admin-user>admin</admin-user><admin-password>hackme</admin-password>
  </authentication>
  <hostname>localhost</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <fileserve>0</fileserve>
  <paths>
    <basedir>/usr/share/icecast2</basedir><logdir>{directory}</logdir>
    <webroot>/usr/share/icecast2/web</webroot><adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>2</loglevel></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""


class Icecast(Contender):
    """Icecast as Debian ships it, with the limits raised and no burst."""

    name = "icecast"

    def start(self):
        if shutil.which("icecast2") is None:
            raise Unavailable("icecast2 is not installed")
        port = free_port()
        config = self.directory / "icecast.xml"
        config.write_text(self.configuration(port))
        if os.geteuid() == 0:  # it refuses to run as root; the package's own user
            self.directory.chmod(0o755)
            shutil.chown(self.directory, "icecast2", "icecast")
        server = self.spawn_server(["icecast2", "-c", config])
        self.url = f"http://127.0.0.1:{port}/bench"

        def listening():
            if server.poll() is not None:
                raise Failed("icecast2 exited", self.log)
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for("icecast2", listening)
        self.source = self.spawn(self.generator("--source", f"127.0.0.1:{port}/bench"))
        wait_for("the mount", lambda: http_status(self.url) == 200)

    def configuration(self, port):
        return icecast_configuration(
            port,
            self.directory,
            f"""<clients>{self.stream.listeners + 50}</clients><sources>2</sources><queue-size>1048576</queue-size>
    <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>
    <burst-on-connect>0</burst-on-connect><burst-size>0</burst-size>""",
        )

    def pids(self):
        return {"server": self.server.pid, "source": self.source.pid}


def loop_between(before, after):
    """What the loop did between two readings of it: entries into Swift, turns, long turns by CPU and wall time."""

    def grown(name):
        return after[name] - before[name]

    def longer_than(histogram, bound):
        return int(grown(f"{histogram}_count") - grown(f'{histogram}_bucket{{le="{bound}"}}'))

    turns = grown("weir_loop_delay_seconds_count")
    bounds = [name.split('"')[1] for name in after if name.startswith("weir_loop_delay_seconds_bucket")]
    within = [b for b in bounds if b != "+Inf" and longer_than("weir_loop_delay_seconds", b) <= turns / 1000]
    return {
        "entries": int(grown("weir_loop_entries_total")),
        "turns": int(turns),
        "cpu_over_1ms": longer_than("weir_loop_cpu_seconds", "0.001"),
        "cpu_over_2.5ms": longer_than("weir_loop_cpu_seconds", "0.0025"),
        "cpu_over_5ms": longer_than("weir_loop_cpu_seconds", "0.005"),
        "cpu_max_ms_since_start": after["weir_loop_cpu_max_seconds"] * 1e3,
        "wall_p999_ms_at_most": float(within[0]) * 1e3 if within else None,
        "wall_max_ms_since_start": after["weir_loop_delay_max_seconds"] * 1e3,
    }


class Weir(Contender):
    """`weir serve` with one `exec` station whose child is the generator."""

    name = "weir"
    program = None  # set by the driver
    route = "/live/bench.wav"

    def start(self):
        if self.program is None or not os.access(self.program, os.X_OK):
            raise Unavailable(f"no program {self.program}")
        config = self.directory / "weir.json"
        config.write_text(json.dumps(self.configuration(), indent=2))
        server = self.spawn_server(
            [self.program, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data", self.directory / "data"],
            cwd=self.directory,
        )
        self.address = read_url(server, self.log)
        self.url = f"http://{self.address}{self.route}"
        wait_for("the station", lambda: self.station().get("state") == "live")

    def configuration(self):
        stream = self.stream
        room = stream.listeners + 50
        return {
            "http": {"max_connections": room + 50, "connections_per_address": room + 50},
            "limits": {"listeners": room},
            "live": {
                "stations": [
                    {
                        "name": "bench",
                        "format": "pcm",
                        "pcm": {"sample": "s16le", "rate": stream.rate // 4, "channels": 2},
                        "source": {"kind": "exec", "command": self.generator(), "autostart": "always"},
                        "window": WINDOWS.get(stream.window, f"{stream.window}ms"),
                        "listeners": {"max": room, "alert": room},
                        "slow": {"policy": "skip", "timeout": stream.slow_timeout},
                    }
                ]
            },
        }

    def station(self):
        """The station as GET /live shows it; empty while there is no answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/live", timeout=2) as response:
                return json.load(response)["stations"][0]
        except (OSError, ValueError, LookupError):
            return {}

    def loop(self):
        """Turns of the loop so far, from /metrics: `{sample: value}` of what is named weir_loop_*."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as response:
            lines = response.read().decode().splitlines()
        samples = [line.rsplit(" ", 1) for line in lines if line.startswith("weir_loop_")]
        return {name: float(value) for name, value in samples}

    def pids(self):
        pids = {"server": self.server.pid}
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        if children:
            pids["source"] = int(children[0])
        return pids


def http_status(url):
    """The status of a GET, read no further than its head; 0 when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0

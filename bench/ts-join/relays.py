"""The servers that a viewer joins: each plays the same film in real time."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))

from contenders import (  # noqa: E402
    Contender,
    Stream,
    Unavailable,
    free_port,
    http_status,
    icecast_configuration,
    read_url,
    wait_for,
)


class Relay(Contender):
    """A server that plays the film. Use as a context manager."""

    program = None  # Weir's, set by the driver
    query = ""

    def __init__(self, programs, film):
        super().__init__(programs, Stream(listeners=20))
        self.film = film

    def player(self, *output):
        """FFmpeg, playing the film in real time without decoding it, for ever."""
        command = ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", self.film]
        return [str(word) for word in [*command, "-c", "copy", "-f", "mpegts", *output]]

    def fed_by_player(self, command):
        player = self.spawn(self.player("-"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        server = self.spawn_server(command, stdin=player.stdout)
        player.stdout.close()
        return server


class WarmWeir(Relay):
    """One `exec` station whose child is the player; all else as it comes."""

    name = "weir, warm"

    def start(self):
        if self.program is None or not os.access(self.program, os.X_OK):
            raise Unavailable(f"no program {self.program}")
        config = self.directory / "weir.json"
        config.write_text(json.dumps(self.configuration(), indent=2))
        command = [self.program, "serve", "--config", config, "--listen", "127.0.0.1:0"]
        server = self.spawn_server([*command, "--data", self.directory / "data"], cwd=self.directory)
        self.address = read_url(server, self.log)
        self.url = f"http://{self.address}/live/tv.ts{self.query}"
        wait_for("the station", lambda: http_status(self.url) == 200)

    def configuration(self):
        source = {"kind": "exec", "command": self.player("-"), "autostart": "always"}
        station = {"name": "tv", "format": "ts", "source": source, "listeners": {"max": 100, "alert": 100}}
        return {"http": {"connections_per_address": 1000}, "live": {"stations": [station]}}


class ColdWeir(WarmWeir):
    """The same; the viewer asks for nothing of the past but where its picture begins."""

    name = "weir, warm=0"
    query = "?warm=0"


class Bare(Relay):
    """The bench's own relay, from the newest byte on: what a server does that knows nothing of the stream."""

    name = "plain relay"

    def start(self):
        server = self.fed_by_player([self.programs / "bare", "--window", 20])
        self.url = f"http://{read_url(server, self.log)}/tv.ts"


class Nginx(Bare):
    """nginx in front of that relay, without buffering, as one configures it for a stream."""

    name = "nginx"

    def start(self):
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx is None:
            raise Unavailable("nginx is not installed")
        super().start()
        port = free_port()
        config = self.directory / "nginx.conf"
        config.write_text(self.nginx_configuration(port, self.url))
        self.spawn([nginx, "-c", config, "-p", self.directory, "-e", self.directory / "error.log"])

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for("nginx", listening)
        self.url = f"http://127.0.0.1:{port}/tv.ts"

    def nginx_configuration(self, port, origin):
        return f"""daemon off; worker_processes 1; pid {self.directory}/nginx.pid;
{'user root;' if os.geteuid() == 0 else ''}
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {self.directory}/body; proxy_temp_path {self.directory}/proxy;
  fastcgi_temp_path {self.directory}/fastcgi; uwsgi_temp_path {self.directory}/uwsgi;
  scgi_temp_path {self.directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {origin}; proxy_buffering off; proxy_http_version 1.1; }}
  }}
}}
"""


class Icecast(Relay):
    """Icecast as Debian ships it, with its burst of 64 KiB."""

    name = "icecast"
    limits = """<clients>100</clients><sources>2</sources><queue-size>4194304</queue-size>
    <burst-on-connect>1</burst-on-connect><burst-size>65535</burst-size>"""

    def start(self):
        if shutil.which("icecast2") is None:
            raise Unavailable("icecast2 is not installed")
        port = free_port()
        config = self.directory / "icecast.xml"
        config.write_text(icecast_configuration(port, self.directory, self.limits))
        if os.geteuid() == 0:  # it refuses to run as root; the package's own user
            self.directory.chmod(0o755)
            shutil.chown(self.directory, "icecast2", "icecast")
        self.spawn_server(["icecast2", "-c", config])

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for("icecast2", listening)
        mount = f"icecast://source:hackme@127.0.0.1:{port}/tv.ts"
        self.spawn(self.player("-content_type", "video/mp2t", mount), stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}/tv.ts"
        wait_for("the mount", lambda: http_status(self.url) == 200)

"""What objects lie on while they are measured: nginx as a store that knows nothing, and a server that takes its time."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1024 * 1024
# Bytes a second of each transfer from the slow port.
SLOW_RATE = 256 * 1024


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(port, what):
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise SystemExit(f"bench/store: {what} does not listen")


def nginx_program():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def has_nginx():
    return nginx_program() is not None


class Nginx:
    """One worker; `media/get/BYTES` is there, `media/put/` takes what is put, in memory (/dev/shm)."""

    def __init__(self, sizes):
        program = nginx_program()
        if not program:
            raise SystemExit("bench/store: nginx is not installed")
        self.directory = tempfile.TemporaryDirectory(prefix="weir-bench-", dir="/dev/shm")
        root = self.directory.name
        Path(root, "media/get").mkdir(parents=True)
        for size in sizes:
            Path(root, f"media/get/{size}").write_bytes(os.urandom(MIB)[:size] * max(1, size // MIB))
        self.port, self.slow_port = free_ports(2)
        temporary = " ".join(f"{name}_temp_path {root}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        Path(root, "nginx.conf").write_text(
            f"""{"user root;" if os.getuid() == 0 else ""} daemon off; master_process off;
            pid {root}/pid; error_log stderr;
            events {{ worker_connections 2048; }}
            http {{ access_log off; sendfile on; keepalive_requests 1000000; client_max_body_size 0; root {root};
              {temporary}
              server {{ listen 127.0.0.1:{self.port};
                location /media/put/ {{ dav_methods PUT; create_full_put_path on; add_header ETag '"e"' always; }} }}
              server {{ listen 127.0.0.1:{self.slow_port}; limit_rate {SLOW_RATE}; }} }}"""
        )
        self.process = subprocess.Popen([program, "-e", "stderr", "-p", root, "-c", f"{root}/nginx.conf"])
        wait_for(self.port, "nginx")

    def url(self, is_slow=False):
        return f"http://127.0.0.1:{self.slow_port if is_slow else self.port}"

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


class Distant:
    """Answers whatever it is asked, so many seconds later."""

    PROGRAM = """
import asyncio, sys

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
            length = int(head.split(b"content-length:")[1].split()[0]) if b"content-length:" in head else 0
            await reader.readexactly(length)
            await asyncio.sleep(float(sys.argv[2]))
            writer.write(b'HTTP/1.1 200 OK\\r\\nETag: "e"\\r\\nContent-Length: 11\\r\\n\\r\\n{"ok":true}')
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=1024) as server:
        await server.serve_forever()

asyncio.run(main())
"""

    def __init__(self, seconds):
        (self.port,) = free_ports(1)
        self.process = subprocess.Popen([sys.executable, "-c", self.PROGRAM, str(self.port), str(seconds)])
        wait_for(self.port, "the distant server")

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.process.terminate()
        self.process.wait()

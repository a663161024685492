#!/usr/bin/python3
"""A real S3 server on loopback for tests: OpenStack Swift (Debian: python3-swift) with its s3api, one node, one copy.

    s3_server.py DIRECTORY [--bucket NAME] [--access KEY] [--secret KEY] [--region NAME] [--min-part BYTES]

Every signature, in a header or a URL, is computed again from the secret; a wrong one is answered with 403. Ports are
the system's choice. When the server answers it prints one line, `ready http://127.0.0.1:PORT`, and then runs until its
standard input ends, or a signal does; nothing of it outlives it. The directory must allow extended attributes.
"""

import argparse
import ctypes
import hashlib
import hmac
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

DAEMONS = ("account", "container", "object", "proxy")

COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {root}
devices = {root}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
workers = 0
log_level = ERROR
eventlet_debug = false
"""

STORAGE = """
[pipeline:main]
pipeline = {name}-server

[app:{name}-server]
use = egg:swift#{name}
"""

PROXY = """client_timeout = 60

[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats s3api keys copy slo dlo proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = false
node_timeout = 60
conn_timeout = 5

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:s3api]
use = egg:swift#s3api
location = {region}
min_segment_size = {min_part}
max_upload_part_num = 10000
allow_multipart_uploads = true
s3_acl = false
check_bucket_owner = false
dns_compliant_bucket_names = true

[filter:keys]
paste.filter_factory = s3_server:keys
access = {access}
secret = {secret}

[filter:copy]
use = egg:swift#copy

[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
max_manifest_size = 8388608

[filter:dlo]
use = egg:swift#dlo
"""

SWIFT = """[swift-hash]
swift_hash_path_prefix = weir
swift_hash_path_suffix = weir

[storage-policy:0]
name = default
default = yes
"""


def keys(_, access, secret, **__):
    """The filter behind s3api, which asks it who has signed: one pair of keys, one account."""
    from swift.common.middleware.acl import clean_acl
    from swift.common.swob import HTTPUnauthorized

    def make(app):
        def call(env, start):
            # What s3api asks on its own behalf.
            if env.get("swift.authorize_override"):
                return app(env, start)
            details = env.get("s3api.auth_details")
            env["swift.authorize"] = lambda request: HTTPUnauthorized(request=request)
            if details and details["access_key"] == access and details["check_signature"](secret):
                env["PATH_INFO"] = env["PATH_INFO"].replace("/" + access, "/AUTH_test", 1)
                env["REMOTE_USER"] = "AUTH_test"
                env["swift_owner"] = True
                env["swift.clean_acl"] = clean_acl
                env["swift.authorize"] = lambda request: None
            return app(env, start)

        return call

    return make


def serve(root, name):
    """One daemon, in a process of its own."""
    from swift.common import storage_policy, utils
    from swift.common.wsgi import run_wsgi

    utils.set_swift_dir(root)
    storage_policy.reload_storage_policies()
    options = {"verbose": True}
    if name == "object":
        from swift.obj import server

        options["global_conf_callback"] = server.global_conf_callback
    return run_wsgi(os.path.join(root, name + "-server.conf"), name + "-server", **options)


def configure(arguments, root, ports):
    from swift.common.ring import RingBuilder

    (root / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    (root / "swift.conf").write_text(SWIFT)
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    for name in DAEMONS:
        text = COMMON.format(port=ports[name], root=root, user=user)
        if name == "proxy":
            text += PROXY.format(**vars(arguments))
            (root / "proxy-server.conf").write_text(text)
            continue
        (root / f"{name}-server.conf").write_text(text + STORAGE.format(name=name))
        ring = RingBuilder(4, 1, 1)
        ring.add_dev(
            {"id": 0, "region": 1, "zone": 1, "weight": 1.0, "ip": "127.0.0.1", "port": ports[name], "device": "d1",
             "meta": "", "replication_ip": "127.0.0.1", "replication_port": ports[name]}
        )  # fmt: skip
        ring.rebalance()
        ring.get_ring().save(str(root / f"{name}.ring.gz"))


def free_ports():
    sockets = [socket.socket() for _ in DAEMONS]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = {name: one.getsockname()[1] for name, one in zip(DAEMONS, sockets)}
    for one in sockets:
        one.close()
    return ports


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start(root, name):
    log = open(root / f"{name}.log", "wb")
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parent), PYTHONDONTWRITEBYTECODE="1")
    return subprocess.Popen(
        ["/usr/bin/python3", str(Path(__file__).resolve()), "--serve", str(root), name],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=die_with_parent,
    )  # fmt: skip


def answers(port, path="/healthcheck"):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None


def make_bucket(arguments, port):
    """PUT /BUCKET, signed with the standard library alone."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{arguments.region}/s3/aws4_request"
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = (
        f"PUT\n/{arguments.bucket}\n\nhost:127.0.0.1:{port}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n\n"
        f"{names}\n{empty}"
    )
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + arguments.secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", "/" + arguments.bucket, headers={
        "x-amz-date": now, "x-amz-content-sha256": empty, "Content-Length": "0",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={arguments.access}/{scope}, SignedHeaders={names},"
        f" Signature={signature}",
    })  # fmt: skip
    response = connection.getresponse()
    body = response.read()
    return response.status in (200, 409) or sys.exit(f"s3_server: no bucket: {response.status} {body}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("directory")
    parser.add_argument("--bucket", default="media")
    parser.add_argument("--access", default="0123456789abcdef0123456789abcdef")
    parser.add_argument("--secret", default="00112233445566778899aabbccddeeff" * 2)
    parser.add_argument("--region", default="auto")
    parser.add_argument("--min-part", type=int, default=5 << 20, dest="min_part")
    arguments = parser.parse_args()
    root = Path(arguments.directory).resolve()
    root.mkdir(parents=True, exist_ok=True)
    ports = free_ports()
    configure(arguments, root, ports)
    daemons = [start(root, name) for name in DAEMONS]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for name, daemon in zip(DAEMONS, daemons):
            deadline = time.monotonic() + 120
            while answers(ports[name]) is None:
                if daemon.poll() is not None or time.monotonic() > deadline:
                    log = (root / f"{name}.log").read_text(errors="replace")[-2000:]
                    sys.exit(f"s3_server: {name} does not answer:\n{log}")
                time.sleep(0.05)
        make_bucket(arguments, ports["proxy"])
        print(f"ready http://127.0.0.1:{ports['proxy']}", flush=True)
        while sys.stdin.buffer.read(4096):
            pass
    finally:
        for daemon in daemons:
            daemon.kill()
        for daemon in daemons:
            daemon.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        sys.exit(serve(sys.argv[2], sys.argv[3]))
    main()

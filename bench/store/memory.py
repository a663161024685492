#!/usr/bin/env python3
"""What `weir object` takes of memory at most: 300 MiB into a real S3 server, in parts, and out again.

    memory.py --weir PROGRAM [--strict]

The server is Tests/Storage/s3_server.py (Debian: python3-swift). Prints the peak of the resident memory (VmHWM) in each
direction, and with --strict ends with 1 when one is above 24 MiB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ACCESS, SECRET = "0123456789abcdef0123456789abcdef", "00112233445566778899aabbccddeeff" * 2
LENGTH = 300 << 20
MOST = 24 << 10


def peak(command, environment):
    """Seconds, and KiB; of the process itself, since what wait() tells begins with what its parent took."""
    start, most = time.monotonic(), 0
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            program = os.readlink(f"/proc/{process.pid}/exe")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            break
        for line in status.splitlines():
            if line.startswith("VmHWM:") and program == command[0]:
                most = max(most, int(line.split()[1]))
        time.sleep(0.002)
    errors = process.communicate()[1]
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {errors}")
    return time.monotonic() - start, most


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--weir", required=True)
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    weir = os.path.realpath(arguments.weir)
    is_met = True
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as root:
        server = subprocess.Popen(
            ["/usr/bin/python3", str(ROOT / "Tests/Storage/s3_server.py"), root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            ready = server.stdout.readline().split()
            if ready[:1] != ["ready"]:
                raise SystemExit("bench/store: the S3 server did not start")
            environment = os.environ | {
                "WEIR_R2_ACCESS_KEY_ID": ACCESS, "WEIR_R2_SECRET_ACCESS_KEY": SECRET, "WEIR_STORAGE_KIND": "r2",
                "WEIR_STORAGE_BUCKET": "media", "WEIR_STORAGE_ENDPOINT": ready[1],
            }  # fmt: skip
            one, two = f"{root}/one", f"{root}/two"
            with open(one, "wb") as file:
                for _ in range(LENGTH >> 20):
                    file.write(os.urandom(1 << 20))
            for words in (["put", one, "large"], ["get", "large", two]):
                seconds, most = peak([weir, "object", *words], environment)
                met = 0 < most <= MOST
                is_met &= met
                print(f"{words[0]} of 300 MiB: {most} KiB at most ({seconds:.1f} s), wanted {MOST}: {'met' if met else 'missed'}")
            if subprocess.run(["cmp", one, two]).returncode != 0:
                raise SystemExit("bench/store: what came back is not what went")
        finally:
            server.stdin.close()
            server.wait()
    return 1 if arguments.strict and not is_met else 0


if __name__ == "__main__":
    sys.exit(main())

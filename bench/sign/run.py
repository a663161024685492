#!/usr/bin/env python3
"""What a signature costs: Weir, its floor, OpenSSL's one-shots, libcurl, botocore, minio-py and awscrt, in one run.

    run.py --programs build/bench --weir PROGRAM [--full] [--strict]

Prints a Markdown table and the targets, met or missed, and writes every figure to bench/results/. With --strict it ends
with 1 when a target was missed or a contender is not to be had. Instructions are counted where valgrind is installed.
"""

import argparse
import datetime
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fanout"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "store"))

import machine  # noqa: E402
from callgrind import instructions  # noqa: E402
import results  # noqa: E402
import servers  # noqa: E402
from tables import Targets, table  # noqa: E402

ACCESS, SECRET = "0123456789abcdef0123456789abcdef", "00112233445566778899aabbccddeeff" * 2
HOST, PATH = "account.r2.cloudflarestorage.com", "/media/books/0042/page-0017.jpg"
# Of the floor; and of what a signature with one-shot digests costs.
HEADER, PRESIGN, ONE_SHOT = 1.8, 2.6, 0.2
FLOORS = {
    "states": "floor: OpenSSL's states",
    "evp": "floor: EVP contexts kept",
    "evp_copy": "floor: EVP contexts kept, and copied",
    "one_shot": "HMAC() and SHA256(), no cache",
}


def python_contenders():
    """name -> a function that signs once."""
    found, skipped = {}, {}
    url = f"https://{HOST}{PATH}"
    try:
        from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        credentials = Credentials(ACCESS, SECRET)
        header = S3SigV4Auth(credentials, "s3", "auto")
        query = S3SigV4QueryAuth(credentials, "s3", "auto", expires=3600)
        fields = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
        found["botocore, header"] = lambda: header.add_auth(AWSRequest(method="GET", url=url, headers=fields))
        found["botocore, presigned"] = lambda: query.add_auth(AWSRequest(method="GET", url=url))
    except ImportError:
        skipped["botocore"] = "not installed"
    try:
        from minio.credentials import Credentials as MinioCredentials
        from minio.signer import presign_v4, sign_v4_s3
        from urllib.parse import urlsplit

        minio, split = MinioCredentials(ACCESS, SECRET), urlsplit(url)
        date = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
        text = {"Host": HOST, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": "20260101T120000Z"}

        asked = {"method": "GET", "url": split, "region": "auto", "credentials": minio, "date": date}
        found["minio-py, header"] = lambda: sign_v4_s3(**asked, headers=dict(text), content_sha256="UNSIGNED-PAYLOAD")
        found["minio-py, presigned"] = lambda: presign_v4(**asked, expires=3600)
        for name in [name for name in found if name.startswith("minio")]:
            try:
                found[name]()
            except TypeError as error:
                skipped[name] = f"its interface is another: {error}"
                del found[name]
    except ImportError:
        skipped["minio-py"] = "not installed"
    try:
        from awscrt.auth import AwsCredentialsProvider, AwsSignatureType, AwsSigningConfig, aws_sign_request
        from awscrt.auth import AwsSigningAlgorithm
        from awscrt.http import HttpHeaders, HttpRequest

        provider = AwsCredentialsProvider.new_static(ACCESS, SECRET)
        config = AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4, signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=provider, region="auto", service="s3", use_double_uri_encode=False,
            should_normalize_uri_path=False, signed_body_value="UNSIGNED-PAYLOAD",
        )  # fmt: skip
        found["awscrt, header"] = lambda: aws_sign_request(
            HttpRequest("GET", PATH, HttpHeaders([("host", HOST)])), config
        ).result()
    except ImportError:
        skipped["awscrt"] = "not installed"
    return found, skipped


def curl_contender(program, count, add):
    """What libcurl's signer adds to a request: signed ones less such with a header that is ready made."""
    nginx = servers.Nginx({16})
    try:
        url = f"{nginx.url()}/media/get/16"
        times, counts = {}, {}
        for mode in ("ready", "signed"):
            output = subprocess.run([program, url, mode], capture_output=True, text=True, check=True).stdout
            times[mode] = [float(word) for word in output.split()]
            counts[mode] = instructions([program, url, mode], 500) if count else None
        add(
            "libcurl's signer, header", *(signed - ready for signed, ready in zip(times["signed"], times["ready"])),
            counts["signed"] - counts["ready"] if count else None,
        )  # fmt: skip
    finally:
        nginx.close()


def time_python(sign, rounds, runs=7):
    sign()
    times = []
    for _ in range(runs):
        begin = time.thread_time_ns()
        for _ in range(rounds):
            sign()
        times.append((time.thread_time_ns() - begin) / rounds)
    return statistics.median(times), min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--programs", required=True)
    parser.add_argument("--weir")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    if not arguments.weir:
        raise SystemExit("bench/sign: no release build of Weir")
    rounds = 100_000 if arguments.full else 20_000
    rows, every, skipped = [], [], {}

    def add(name, median, least, count=None):
        every.append({"contender": name, "nanoseconds": median, "least": least, "instructions": count})
        text = f"{count:.0f}" if count else ""
        rows.append((name, f"{median:.0f}", f"{least:.0f}", f"{1e6 / median:.0f}", text))
        return median

    count = shutil.which("valgrind") is not None
    if not count:
        skipped["instructions"] = "valgrind is not installed"
    output = subprocess.run(
        [arguments.weir, "bench", "sign", "--json", "--requests", str(rounds)], capture_output=True, text=True, check=True
    ).stdout
    weir = {}
    for result in json.loads(output)["results"]:
        command = [arguments.weir, "bench", "sign", "--only", result["name"], "--requests"]
        number = instructions(command, 2000) if count else None
        weir[result["name"]] = add(f"weir, {result['name']}", result["nanoseconds"], result["least"], number)
    floors, floor = {}, f"{arguments.programs}/sign-floor"
    for name, label in FLOORS.items():
        output = subprocess.run([floor, name], capture_output=True, text=True, check=True).stdout
        median, least = map(float, output.split())
        floors[name] = add(label, median, least, instructions([floor, name], 2000) if count else None)
    if servers.has_nginx():
        curl_contender(f"{arguments.programs}/sign-curl", count, add)
    else:
        skipped["libcurl"] = "there is no nginx to ask"
    found, missing = python_contenders()
    skipped |= missing
    for name, sign in found.items():
        add(name, *time_python(sign, rounds // 20))
    for name, reason in skipped.items():
        print(f"{name}: skipped, {reason}", file=sys.stderr)
    table("One signature, CPU time", ("who", "ns", "least", "thousand/s", "instructions"), rows)
    targets = Targets()
    targets.below(f"header: of its floor, at most {HEADER}", weir["header"] / weir["header_floor"], HEADER)
    targets.below(f"presigned: of its floor, at most {PRESIGN}", weir["presign"] / weir["presign_floor"], PRESIGN)
    targets.below(
        f"header: of digests by one-shot HMACs alone, at most {ONE_SHOT}", weir["header"] / floors["one_shot"], ONE_SHOT
    )
    table("Targets", ("wanted", "got", ""), targets.rows)
    results.save("sign", machine.header(arguments.weir), runs=every)
    return results.verdict(results.shortfalls(targets, skipped)) if arguments.strict else 0


if __name__ == "__main__":
    sys.exit(main())

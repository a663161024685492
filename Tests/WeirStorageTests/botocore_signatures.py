"""Random requests as botocore signs them for S3, one JSON object a line.

    botocore_signatures.py COUNT SEED
"""

import datetime
import json
import random
import sys

import botocore.auth
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode

count, seed = int(sys.argv[1]), int(sys.argv[2])
draw = random.Random(seed)
PIECES = [
    "a", "Z", "0", "key", "//", "/", "..", "/../", "/./", ".", " ", "  ", "+", "%", "%41", "%2F", "%zz", "~", "-", "_",
    "*", "'", "(", ")", "!", "$", "&", "=", ";", ":", "@", ",", "?", "#", "[", "]", "{", "|", "}", "^", "`", "\\",
    '"', "<", ">", "\u00e9", "e\u0301", "\u1234", "\U0001f600", "\u00df", "\u0434", "\u05d0", "\u4e2d\u6587", "\u007f",
]  # fmt: skip
SPACES = ["", " ", "  ", "\t", " \t "]


def text(most):
    return "".join(draw.choice(PIECES) for _ in range(draw.randrange(most)))


def value():
    word = "".join(draw.choice("abcXYZ019-=;,/\"'") for _ in range(draw.randrange(1, 12)))
    return draw.choice(SPACES) + word + draw.choice(SPACES) + draw.choice(["", word]) + draw.choice(SPACES)


def moment():
    return datetime.datetime(2015, 1, 1) + datetime.timedelta(seconds=draw.randrange(20 * 365 * 86400))


class Clock(datetime.datetime):
    """The date of the request at hand."""

    at = None

    @classmethod
    def utcnow(cls):
        return cls.at

    @classmethod
    def now(cls, tz=None):
        return cls.at


botocore.auth.datetime.datetime = Clock if hasattr(botocore.auth.datetime, "datetime") else None
# botocore 1.40 and later ask this function instead.
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda *_, **__: Clock.at

for number in range(count):
    Clock.at = moment()
    key = "/" + text(12)
    query = [(text(4) or "q", text(6)) for _ in range(draw.randrange(4))]
    if query and draw.random() < 0.3:
        query.append((query[0][0], text(4)))
    if draw.random() < 0.1:
        query.append(("", text(3)))
    fields = [(f"X-Amz-Meta-{draw.choice('abcABC')}{index}", value()) for index in range(draw.randrange(4))]
    if draw.random() < 0.3:
        fields.append(("Content-Type", " text/plain;  charset=utf-8 "))
    if draw.random() < 0.3:
        fields.append(("Range", "bytes=0-9"))
    draw.shuffle(fields)
    token = draw.choice([None, None, "to/ken+==" * draw.randrange(1, 30)])
    credentials = Credentials("AKID" + str(draw.randrange(5)), "secret/" + str(draw.randrange(5)), token)
    region = draw.choice(["auto", "us-east-1", "eu-central-1"])
    host = draw.choice(["bucket.s3.example.com", "127.0.0.1:9000", "example.com"])
    method = draw.choice(["GET", "PUT", "DELETE", "HEAD", "POST"])
    expires = draw.randrange(1, 604801)
    url = f"http://{host}{percent_encode(key, safe='/~')}"
    encoded = "&".join(percent_encode(n, safe="-_.~") + "=" + percent_encode(v, safe="-_.~") for n, v in query)
    if encoded:
        url += "?" + encoded
    case = {
        "date": Clock.at.strftime("%Y%m%dT%H%M%SZ"), "method": method, "host": host, "key": key, "query": query,
        "fields": fields, "access": credentials.access_key, "secret": credentials.secret_key, "token": token,
        "region": region, "expires": expires,
    }  # fmt: skip
    for name, auth in (
        ("header", S3SigV4Auth(credentials, "s3", region)),
        ("query", S3SigV4QueryAuth(credentials, "s3", region, expires=expires)),
    ):
        request = AWSRequest(method=method, url=url, headers=dict(fields), data=b"")
        request.context["client_config"] = None
        request.context["payload_signing_enabled"] = name == "header" and number % 2 == 0
        request.context["has_streaming_input"] = False
        if name == "header" and number % 2:
            request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
        canonical = []
        plain = auth.canonical_request
        auth.canonical_request = lambda r, plain=plain, canonical=canonical: canonical.append(plain(r)) or canonical[-1]
        auth.add_auth(request)
        case[name + "_canonical"] = canonical[-1]
        if name == "header":
            case["header"] = request.headers["Authorization"]
            case["payload"] = request.headers["X-Amz-Content-SHA256"]
        else:
            case["url"] = request.url
    print(json.dumps(case))

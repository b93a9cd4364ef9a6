"""Requests to a real S3 server that name an access key id and lack the signature of its key.

They are written byte by byte: no S3 client would send them.
"""

import base64
import hashlib
import hmac
import http.client
import io
import re
import tarfile
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMS = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
CONTENT = b"hello"

Headers = Sequence[tuple[str, str]]

SNOWBALL: Headers = (
    ("X-Amz-Meta-Snowball-Auto-Extract", "true"),
    ("X-Amz-Meta-Minio-Snowball-Prefix", "nar"),
)
"""Unpack the body below `nar/`, where a writer may put objects."""


@dataclass(frozen=True)
class Forged:
    """One request.

    Attributes:
        method: of HTTP.
        key: the object.
        query: as it stands in the URL.
        headers: in their order, also repeated ones.
        body: what is sent.
    """

    method: str
    key: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    code: str
    body: bytes = field(repr=False)


def send(server: str, bucket: str, request: Forged) -> Reply:
    """Send a request to `HOST:PORT` as it is."""
    connection = http.client.HTTPConnection(server, timeout=30)
    query = f"?{request.query}" if request.query else ""
    connection.putrequest(request.method, f"/{bucket}/{request.key}{query}")
    for name, value in request.headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders()
    connection.send(request.body)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    found = re.search(rb"<Code>(\w+)</Code>", body)
    return Reply(response.status, found[1].decode() if found else "", body)


def now() -> str:
    """Return the time as AWS writes it."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def chunked(content: bytes = CONTENT) -> bytes:
    """Return a body with a trailer: one chunk, the end, and the right checksum."""
    checksum = base64.b64encode(zlib.crc32(content).to_bytes(4, "big"))
    return b"%x\r\n%b\r\n0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % (len(content), content, checksum)


def trailer_headers(content: bytes = CONTENT) -> list[tuple[str, str]]:
    """Return what announces such a body."""
    return [
        ("x-amz-content-sha256", TRAILER),
        ("x-amz-decoded-content-length", str(len(content))),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("Content-Encoding", "aws-chunked"),
    ]


def archive(name: str = "x") -> bytes:
    """Return a tar archive with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(CONTENT)
        tar.addfile(member, io.BytesIO(CONTENT))
    return buffer.getvalue()


def in_query(access_key_id: str, **more: str) -> str:
    """Return a presigned query string with a signature of zeros."""
    return urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": scope(access_key_id),
            "X-Amz-Date": now(),
            "X-Amz-Expires": "900",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": "0" * 64,
            **more,
        }
    )


def in_header(access_key_id: str) -> list[tuple[str, str]]:
    """Return an Authorization header with a signature of zeros, and the date."""
    value = (
        f"AWS4-HMAC-SHA256 Credential={scope(access_key_id)}, SignedHeaders=host, "
        f"Signature={'0' * 64}"
    )
    return [("Authorization", value), ("x-amz-date", now())]


def scope(access_key_id: str) -> str:
    """Return an access key id with the scope of a signature of today."""
    return f"{access_key_id}/{now()[:8]}/{REGION}/s3/aws4_request"


def version_2_query(pairs: Sequence[str], secret: str, resource: str) -> str:
    """Return a presigned query of version 2, truly signed with a secret.

    Args:
        pairs: what names access key ids, encoded, in its order.
        secret: of the key that signs.
        resource: the path that is signed.
    """
    expires = str(int(time.time()) + 900)
    text = f"PUT\n\n\n{expires}\n{resource}"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest()
    signature = quote(base64.b64encode(digest).decode(), safe="")
    return "&".join([*pairs, f"Expires={expires}", f"Signature={signature}"])


def signed(
    server: str,
    bucket: str,
    request: Forged,
    credential: tuple[str, str],
    *,
    presigned: bool = False,
) -> Forged:
    """Return the same request with its own signature, in a header or in the query string."""
    address = f"http://{server}/{bucket}/{request.key}"
    url = f"{address}?{request.query}" if request.query else address
    made = AWSRequest(request.method, url, headers=dict(request.headers), data=request.body)
    if presigned:
        made.data = b""
        _PresignedTrailer(Credentials(*credential), "s3", REGION).add_auth(made)
    else:
        if dict(request.headers).get("x-amz-content-sha256") == TRAILER:
            made.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
        S3SigV4Auth(Credentials(*credential), "s3", REGION).add_auth(made)
    ready = made.prepare()
    return Forged(
        request.method,
        request.key,
        ready.url.partition("?")[2],
        [
            (name, _text(value))
            for name, value in ready.headers.items()
            if name.lower() != "content-length"
        ],
        request.body,
    )


class _PresignedTrailer(S3SigV4QueryAuth):
    """Signs the query string for a body with a trailer."""

    def payload(self, request: AWSRequest) -> str:
        return TRAILER


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def form(fields: Mapping[str, str]) -> tuple[Headers, bytes]:
    """Return a browser's upload: its headers and its body."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = 'Content-Disposition: form-data; name="file"; filename="f"'
    body = f"{''.join(parts)}--b\r\n{file}\r\n\r\nhello\r\n--b--\r\n"
    return [("Content-Type", "multipart/form-data; boundary=b")], body.encode()

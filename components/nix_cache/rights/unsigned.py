"""Requests that name an access key id and have a signature of zeros, and what answers mean.

The open-source MinIO accepts such writes (CVE-2026-41145, CVE-2026-40344). Nothing is signed, and
the secret is not used. Nothing is stored either: checksums are wrong, the framing is broken, the
archive is invalid, the upload does not exist. So an error about the body means that the access key
id alone was enough.

MinIO looks at the policy before the signature, so an access key id that may not write is refused on
safe and unsafe servers alike. A first request is the positive control: its answer must show that
only the signature is missing.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode

from nix_cache.rights.client import Client, Response

_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_BODY = b"5\r\nnixes\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\nbroken"
_NO_ARCHIVE = b"This is no archive.\n"
STORED = frozenset({_BODY, b"nixes", _NO_ARCHIVE})
"""What a storage may have made of them."""

MISSES_SIGNATURE = "SignatureDoesNotMatch"
_BODY_CODES = frozenset(
    {
        *("BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        *("IncompleteBody", "NoSuchUpload"),
    }
)
_BODY_MESSAGE = re.compile(rb"malformed chunked encoding|tar file error")
"""What MinIO says of a body under the code ``BadRequest``."""


class UnsignedVerdict(StrEnum):
    """What the answer to a request without a signature says of the storage."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Attempt:
    """One request.

    Attributes:
        name: what it tries.
        in_query: whether the access key id is in the query string, else in a header.
        headers: what it sends besides.
        query: what its query string has besides.
        body: what it sends.
    """

    name: str
    in_query: bool
    headers: dict[str, str]
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = _BODY

    def send(self, client: Client, key: str, access_key_id: str, region: str) -> Response:
        """Send it in the name of an access key id; without an answer, the client raises."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        credential = f"{access_key_id}/{now[:8]}/{region}/s3/aws4_request"
        query, headers = dict(self.query), dict(self.headers)
        if self.in_query:
            query |= {
                "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Credential": credential,
                "X-Amz-Date": now,
                "X-Amz-Expires": "300",
                "X-Amz-SignedHeaders": "host",
                "X-Amz-Signature": "0" * 64,
            }
        else:
            headers["X-Amz-Date"] = now
            headers["Authorization"] = (
                f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, "
                f"Signature={'0' * 64}"
            )
        return client.request("PUT", key, urlencode(query), headers, self.body)


def attempts() -> Iterator[Attempt]:
    """Yield the requests by which servers are known to accept writes without a signature."""
    trailer = {
        "X-Amz-Content-Sha256": _TRAILER,
        "X-Amz-Decoded-Content-Length": "5",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    archive = {
        "X-Amz-Content-Sha256": _TRAILER,
        "X-Amz-Meta-Snowball-Auto-Extract": "true",
        "X-Amz-Meta-Minio-Snowball-Prefix": "nar",
    }
    for in_query, place in ((True, "in the query string"), (False, "in a header")):
        part = {"partNumber": "1", "uploadId": secrets.token_hex(16)}
        yield Attempt(f"an object, the access key id {place}", in_query, trailer)
        yield Attempt(f"a part of an upload, the access key id {place}", in_query, trailer, part)
        yield Attempt(
            f"an archive to unpack, the access key id {place}", in_query, archive, body=_NO_ARCHIVE
        )


def _plain() -> Attempt:
    """Return an ordinary request, refused by every server that verifies signatures at all."""
    digest = base64.b64encode(hashlib.md5(secrets.token_bytes(32)).digest()).decode()  # noqa: S324
    return Attempt("an ordinary object", True, {"Content-MD5": digest})


@dataclass(frozen=True)
class UnsignedResult:
    """What came of one request: its name, the answer as text, its code, and what it means."""

    name: str
    answer: str
    code: str
    verdict: UnsignedVerdict

    @property
    def shows_signature(self) -> bool:
        """Whether only the signature was missing, as the positive control has to show."""
        return self.verdict is UnsignedVerdict.ACCEPTED or self.code == MISSES_SIGNATURE


@dataclass(frozen=True)
class UnsignedTrial:
    """Requests for one key in the name of one user.

    Attributes:
        client: a client without a credential.
        region: what signatures would be made for.
        key: the object.
        access_key_id: the user's.
        no_answer: the client's errors that count as an unclear answer; others are raised.
    """

    client: Client
    region: str
    key: str
    access_key_id: str
    no_answer: tuple[type[Exception], ...] = ()

    def results(self) -> "list[UnsignedResult]":
        """Make all attempts, the positive control first; only that if it fails."""
        first = self.plain()
        if not first.shows_signature:
            return [first]
        return [first, *map(self.made, attempts())]

    def made(self, attempt: Attempt) -> UnsignedResult:
        """Make an attempt and judge the answer."""
        answer = self._answer(attempt, self.access_key_id)
        code = "" if isinstance(answer, str) else answer.code
        return UnsignedResult(attempt.name, str(answer), code, _judged(answer))

    def plain(self) -> UnsignedResult:
        """Make an ordinary request, which shows what the storage looks at first."""
        attempt = _plain()
        result = self.made(attempt)
        if result.verdict is UnsignedVerdict.ACCEPTED and result.code in _BODY_CODES:
            # A storage that looks at the body first answers an unknown id in the same way.
            stranger = self._answer(attempt, f"doctor{secrets.token_hex(8)}")
            if _judged(stranger) is not UnsignedVerdict.REFUSED:
                return replace(result, verdict=UnsignedVerdict.UNCLEAR)
        return result

    def _answer(self, attempt: Attempt, access_key_id: str) -> Response | str:
        """Return what came back, or why nothing did."""
        try:
            return attempt.send(self.client, self.key, access_key_id, self.region)
        except self.no_answer as failure:
            return f"no answer: {failure}"


def _judged(answer: Response | str) -> UnsignedVerdict:
    """Judge an answer by its status and by the storage's code."""
    if isinstance(answer, str):
        return UnsignedVerdict.UNCLEAR
    if answer.is_refusal or answer.code in {MISSES_SIGNATURE, "AccessDenied"}:
        return UnsignedVerdict.REFUSED
    if answer.code in _BODY_CODES:
        return UnsignedVerdict.ACCEPTED
    if answer.status < 300 and not answer.body.strip():  # else it is a web page
        return UnsignedVerdict.ACCEPTED
    if answer.code == "BadRequest" and _BODY_MESSAGE.search(answer.body):
        return UnsignedVerdict.ACCEPTED
    return UnsignedVerdict.UNCLEAR

"""Whether the storage takes writes from anyone who knows a writer's access key id.

The open-source MinIO does (CVE-2026-41145, CVE-2026-40344). Each request here names the access key
id of a writer and has a signature of zeros: nothing is signed, and the secret is not used. Nothing
is stored either: checksums are wrong, the framing is broken, the archive is invalid, the upload
does not exist. So an error about the body means that the access key id alone was enough.

MinIO looks at the policy before the signature, so an access key id that may not write is refused on
safe and unsafe servers alike. A first request shows that the id passes: the storage has to miss
nothing but the signature.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode

from nix_cache import docs
from nix_cache.cli.doctor import probes
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.client import Answer, S3Client
from nix_cache.cli.s3.hosts import NoAnswerError

_WHAT = "writes without a signature"
_WHY = (
    "anyone who knows a writer's access key id can replace and add objects; on MinIO it is the "
    "writer's name"
)
_FIX = (
    "use a server that verifies signatures, or refuse such requests in front of it: see "
    f"{docs.page('backends/minio', 'protect-a-server-that-is-not-safe')}"
)

_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_BODY = b"5\r\nnixes\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\nbroken"
_NO_ARCHIVE = b"This is no archive.\n"
_STORED = frozenset({_BODY, b"nixes", _NO_ARCHIVE})
"""What a storage may have made of them."""

_MISSES_SIGNATURE = "SignatureDoesNotMatch"
_BODY_CODES = frozenset(
    {
        *("BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        *("IncompleteBody", "NoSuchUpload"),
    }
)
_BODY_MESSAGE = re.compile(rb"malformed chunked encoding|tar file error")
"""What MinIO says of a body under the code ``BadRequest``."""


class _Verdict(StrEnum):
    """What the answer to a request without a signature says of the storage."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class _Attempt:
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

    def send(self, client: S3Client, key: str, access_key_id: str, region: str) -> Answer:
        """Send it in the name of an access key id; raises NoAnswerError."""
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


def _attempts() -> Iterator[_Attempt]:
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
        yield _Attempt(f"an object, the access key id {place}", in_query, trailer)
        yield _Attempt(f"a part of an upload, the access key id {place}", in_query, trailer, part)
        yield _Attempt(
            f"an archive to unpack, the access key id {place}", in_query, archive, body=_NO_ARCHIVE
        )


def _plain() -> _Attempt:
    """Return an ordinary request, refused by every server that verifies signatures at all."""
    digest = base64.b64encode(hashlib.md5(secrets.token_bytes(32)).digest()).decode()  # noqa: S324
    return _Attempt("an ordinary object", True, {"Content-MD5": digest})


def unsigned_writes(subject: Subject) -> Iterator[Finding]:
    """Check whether the access key id of a writer is enough to write."""
    writers = [
        user
        for user in subject.users
        if user in subject.manifest.push_urls and user in subject.credentials
    ]
    if not writers:
        yield not_checked(
            _WHAT,
            "this check requires the access key id of a writer",
            "give a source with secrets: the stack, or its outputs with --show-secrets",
        )
        return
    key = f"nar/doctor-{secrets.token_hex(16)}"
    reasons = []
    for writer in writers:
        trial = _Trial(subject, key, subject.credentials[writer].access_key_id)
        first = trial.plain()
        if first.verdict is _Verdict.ACCEPTED or first.code == _MISSES_SIGNATURE:
            yield from _judgement([first, *map(trial.made, _attempts())])
            break
        reasons.append(f"{writer}: {first.answer}")
    else:
        yield not_checked(
            _WHAT,
            "the response does not show that only the signature of a writer is missing "
            f"({'; '.join(reasons)})",
            "check the rights of the writers above",
        )
    yield from _left(subject, key, writer)


@dataclass(frozen=True)
class _Result:
    """What came of one request: its name, the answer as text, its code, and what it means."""

    name: str
    answer: str
    code: str
    verdict: _Verdict


@dataclass(frozen=True)
class _Trial:
    """Requests for one key in the name of one writer."""

    subject: Subject
    key: str
    access_key_id: str

    def made(self, attempt: _Attempt) -> _Result:
        """Make an attempt and judge the answer."""
        answer = self._answer(attempt, self.access_key_id)
        code = answer.code if isinstance(answer, Answer) else ""
        return _Result(attempt.name, str(answer), code, _judged(answer))

    def plain(self) -> _Result:
        """Make an ordinary request, which shows what the storage looks at first."""
        attempt = _plain()
        result = self.made(attempt)
        if result.verdict is _Verdict.ACCEPTED and result.code in _BODY_CODES:
            # A storage that looks at the body first answers an unknown id in the same way.
            stranger = self._answer(attempt, f"doctor{secrets.token_hex(8)}")
            if _judged(stranger) is not _Verdict.REFUSED:
                return replace(result, verdict=_Verdict.UNCLEAR)
        return result

    def _answer(self, attempt: _Attempt, access_key_id: str) -> Answer | str:
        """Return what came back, or why nothing did."""
        region = self.subject.manifest.region
        try:
            return attempt.send(self.subject.anonymous, self.key, access_key_id, region)
        except NoAnswerError as failure:
            return f"no answer: {failure}"


def _judgement(results: Sequence[_Result]) -> Iterator[Finding]:
    def judged(wanted: _Verdict) -> list[str]:
        return [f"{one.name}: {one.answer}" for one in results if one.verdict is wanted]

    accepted, unclear = judged(_Verdict.ACCEPTED), judged(_Verdict.UNCLEAR)
    if accepted:
        yield error(f"the storage accepts {_WHAT}", _WHY, _FIX, accepted)
    if unclear:
        yield not_checked(_WHAT, f"the storage answers {'; '.join(unclear)}", _FIX)
    if not accepted and not unclear:
        yield ok(f"the storage refuses {_WHAT}")


def _judged(answer: Answer | str) -> _Verdict:
    """Judge an answer by its status and by the storage's code."""
    if isinstance(answer, str):
        return _Verdict.UNCLEAR
    if answer.is_refusal or answer.code in {_MISSES_SIGNATURE, "AccessDenied"}:
        return _Verdict.REFUSED
    if answer.code in _BODY_CODES:
        return _Verdict.ACCEPTED
    if answer.status < 300 and not answer.body.strip():  # else it is a web page
        return _Verdict.ACCEPTED
    if answer.code == "BadRequest" and _BODY_MESSAGE.search(answer.body):
        return _Verdict.ACCEPTED
    return _Verdict.UNCLEAR


def _left(subject: Subject, key: str, writer: str) -> Iterator[Finding]:
    """Look for what an attempt stored all the same, and remove it."""
    user = subject.as_user(writer)
    answer = user.request("GET", key)
    if answer.status != 200 or answer.body not in _STORED:
        return
    clients = [client for client in (subject.as_owner, user) if client is not None]
    is_removed = any(probes.removed(client, key) for client in clients)
    yield warning(
        f"the check of {_WHAT} left an object in the bucket"
        + (", which was removed" if is_removed else ""),
        "the storage accepted a request with a wrong checksum and framing",
        "nothing is left to do" if is_removed else "delete it as the bucket's owner",
        [key],
    )

"""What stands between here and the storage, and changes or refuses what passes."""

import base64
import hashlib
import tempfile
from collections.abc import Iterator

from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.causes import Cause
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import Meaning, meaning
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.outcome import Answer
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import MANIFEST_KEY, SMALLEST_PART_MIB
from nix_cache.rights import trials

NIX_ENCODINGS = "deflate, gzip, br, zstd"
"""What curl, and so Nix, accepts."""

_QUICK_MIB = 2
"""More than the usual limit of nginx, 1 MiB, and soon sent on any line."""

_DEEP_MIB = 16
"""Where the stack sets no size of parts."""

_WRONG_CHECKSUM = base64.b64encode(hashlib.md5(b"not what is sent").digest()).decode()  # noqa: S324


def compression(subject: Subject) -> Iterator[Finding]:
    """Yield whether answers are compressed when they are asked for as Nix does.

    A private cache is asked anonymously, as its refusal is compressed just so: MinIO refuses
    requests whose signature covers Accept-Encoding.
    """
    is_public = subject.manifest.public
    client = (subject.reading if is_public else None) or subject.anonymous
    keys = [INFO_KEY, *([MANIFEST_KEY] if subject.manifest.is_published else [])]
    compressed = {}
    for key in keys:
        plain = client.request("GET", key)
        asked = client.request("GET", key, headers={"Accept-Encoding": NIX_ENCODINGS})
        encoding = asked.headers.get("Content-Encoding", "")
        if encoding and encoding != plain.headers.get("Content-Encoding", ""):
            compressed[key] = encoding
    if not compressed:
        yield ok("answers come as they are stored, also if they are asked for as Nix does")
        return
    names = ", ".join(sorted(set(compressed.values())))
    yield warning(
        f"a proxy in front of the storage compresses answers on the way ({names})",
        "Nix does not resume such downloads after an interruption, and NARs are compressed already",
        "turn compression off for the cache there, such as `gzip off;` in nginx",
        [f"{key}: {encoding}" for key, encoding in compressed.items()],
    )


def bodies(subject: Subject, *, deep: bool) -> Iterator[Finding]:
    """Yield whether uploads of the usual size reach the storage. Nothing is stored.

    Args:
        subject: the cache.
        deep: whether the size of a whole part of a push is tried.
    """
    writer = next((user for user in subject.manifest.push_urls if user in subject.credentials), "")
    if not writer:
        return
    client = subject.as_user(writer)
    wanted = (subject.manifest.part_size_mib or _DEEP_MIB) if deep else _QUICK_MIB
    found = _passes(client, wanted)
    if found is None:
        yield not_checked("the largest body", f"{writer} cannot upload, or the answer is unclear")
    elif found:
        yield ok(f"the storage takes bodies of {wanted} MiB")
    else:
        yield _limit(_largest(client, wanted))


def proxies(subject: Subject) -> Iterator[Finding]:
    """Yield whether Nix goes through the proxy that this client takes."""
    environment = subject.environment
    reads_plainly = subject.manifest.read_url.startswith("http://")
    known = ("http_proxy", "all_proxy", "ALL_PROXY")
    if environment.get("HTTP_PROXY") and reads_plainly and not any(map(environment.get, known)):
        yield warning(
            "HTTP_PROXY is set, and http_proxy is not",
            "Nix reads http_proxy only, so it goes to the cache without the proxy",
            "set http_proxy, also in the environment of the Nix daemon",
        )


def _largest(client: S3Client, refused: int) -> int:
    """Return the largest number of whole MiB that pass; 0 if not even one does."""
    good, bad = 0, refused
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _passes(client, middle) else (good, middle)
    return good


def _limit(largest: int) -> Finding:
    fix = (
        "raise the limit of the proxy above the size of parts, such as "
        f"`client_max_body_size {_DEEP_MIB + 1}m;` in nginx"
    )
    if largest >= SMALLEST_PART_MIB:
        fix += f"; until then, push with --part-size {largest}"
    passing = f"{largest} MiB pass" if largest else "smaller ones may pass"
    return error(
        f"bodies of {largest + 1} MiB are refused on the way to the storage, and {passing}",
        "pushes of larger NARs fail, although the storage takes them",
        fix,
    )


def _passes(client: S3Client, mebibytes: int) -> bool | None:
    """Return whether a body of a size reaches the storage; None if the answer does not show it."""
    key = f"nar/doctor-{trials.random_hash()}"
    size = mebibytes << 20
    headers = {"Content-MD5": _WRONG_CHECKSUM, "Content-Type": "application/octet-stream"}
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        try:
            answer = client.request(
                "PUT", key, headers=headers, body=FilePart(file.fileno(), 0, size)
            )
        except NoAnswerError as failure:
            if failure.cause in {Cause.LARGE_BODY, Cause.CLOSED}:
                return False
            raise
    return _judged(client, key, answer)


def _judged(client: S3Client, key: str, answer: Answer) -> bool | None:
    if meaning(answer.status, answer.code) is Meaning.TOO_LARGE:
        return False
    if answer.status < 300:
        trials.removed(client, key)
        return True
    return True if answer.code in trials.CHECKSUM_CODES else None

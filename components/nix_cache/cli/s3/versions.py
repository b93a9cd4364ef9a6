"""The versions of a bucket's objects: whether there are any, which, and how they are removed."""

from collections.abc import Iterator
from enum import Enum
from urllib.parse import quote, urlencode

from nix_cache.cli.limits import OBJECT_BYTES, TooLargeError
from nix_cache.cli.s3 import answers
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import AnsweredError, MalformedAnswerError

_UNSUPPORTED = frozenset({400, 404, 405, 501})
"""What services without versions answer to a question about them."""

_REFUSED = frozenset({401, 403})


class Versioning(Enum):
    """Whether a bucket keeps deleted and replaced objects."""

    ENABLED = "enabled"
    SUSPENDED = "suspended"
    NEVER = "never"
    UNKNOWN = "unknown"
    """The credential may not ask, or the service answers something else."""


def versioning(client: S3Client) -> Versioning:
    """Return whether a bucket keeps versions.

    Raises:
        StorageError: the storage did not answer.
    """
    try:
        status = answers.versioning(client.succeeded("GET", "", "versioning").body)
    except AnsweredError as refusal:
        if refusal.status in _REFUSED:
            return Versioning.UNKNOWN
        if refusal.status in _UNSUPPORTED and refusal.code != "NoSuchBucket":
            return Versioning.NEVER
        raise
    except MalformedAnswerError:  # a service that overlooks the question lists the bucket
        return Versioning.UNKNOWN
    known = {"Enabled": Versioning.ENABLED, "Suspended": Versioning.SUSPENDED}
    return known.get(status, Versioning.NEVER)


def versions(client: S3Client, prefix: str) -> Iterator[ObjectVersion]:
    """List the versions of objects whose keys begin with a prefix, the newest of each key first.

    Raises:
        StorageError: the storage refused, or its listing does not go on.
    """
    key, version = "", ""
    while True:
        query = {"encoding-type": "url", "prefix": prefix}
        query |= {"key-marker": key} if key else {}
        query |= {"version-id-marker": version} if version else {}
        answer = client.succeeded("GET", "", f"versions&{urlencode(query, quote_via=quote)}")
        page = answers.version_page(answer.body)
        yield from page.versions
        if not page.is_truncated:
            return
        following = (page.next_key, page.next_version)
        if following == (key, version) or page.next_key.encode() < key.encode():
            raise MalformedAnswerError("the listing of versions stops before its end")
        key, version = following


def content(client: S3Client, version: ObjectVersion) -> bytes:
    """Read one version of an object, without its Content-Encoding if that is a known one.

    Raises:
        StorageError: the storage refused, or the version is gone.
    """
    query = urlencode({"versionId": version.version}, quote_via=quote)
    answer = client.succeeded("GET", version.key, query, may_be_page=True)
    try:
        return decoded(answer.body, answer.headers.get("Content-Encoding", ""), OBJECT_BYTES)
    except (EncodingError, TooLargeError):
        return answer.body

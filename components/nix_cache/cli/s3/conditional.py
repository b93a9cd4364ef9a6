"""Writes an object only if it is what it was, where the service keeps such conditions."""

from collections.abc import Mapping

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError

LOST = frozenset({404, 409, 412})
"""The object is not what it was any more, or another client is changing it right now."""

_NO_CONDITIONS = frozenset({"NotImplemented", "InvalidRequest", "InvalidArgument", "400"})
"""Codes of a service that refuses requests with a condition; the last one stands for no code."""


def headers(content_type: str, condition: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of such a request.

    Args:
        content_type: of the object.
        condition: a header such as ``If-Match``.
    """
    return {"Content-Type": content_type, **condition}


def put(
    client: S3Client, key: str, content: bytes, content_type: str, condition: Mapping[str, str]
) -> int | None:
    """Write an object under a condition.

    Args:
        client: of the bucket.
        key: the object.
        content: what is to be in it.
        content_type: of the object.
        condition: a header such as ``If-Match``.

    Returns:
        the status, which is one of ``LOST`` if the condition does not hold; None if the service
        refuses conditions, so that nothing was written.

    Raises:
        StorageError: the storage refused for another reason, or did not answer.
    """
    try:
        sent = headers(content_type, condition)
        return client.succeeded("PUT", key, headers=sent, body=content).status
    except AnsweredError as refusal:
        if refusal.status in LOST and refusal.code != "NoSuchBucket":
            return refusal.status
        if refusal.status == 501 or (refusal.status == 400 and refusal.code in _NO_CONDITIONS):
            return None
        raise

"""The lines of the trace of a MinIO server. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from nix_cache.cli.stats.traffic import BucketRequest

_CREDENTIAL = re.compile(r"\bCredential=([^/,\s]{1,200})/")
_PRESIGNED = "X-Amz-Credential"


def traced_request(line: bytes, bucket: str) -> BucketRequest | None:
    """Read a line of the trace.

    Args:
        line: the line.
        bucket: the name of the cache's bucket.

    Returns:
        the request; None if it is about something else than the bucket.

    Raises:
        ValueError: the line is not that of a trace.
    """
    try:
        traced = json.loads(line)["http"]
        request, answer, counts = traced["request"], traced["response"], traced["stats"]
        headers = _headers(request.get("headers"))
        key = _key(str(request["path"]), headers.get("host", ""), bucket)
        if key is None:
            return None
        signer = _signer(request, headers)
        return BucketRequest(
            time=str(request["time"])[:40],
            client=signer or str(request["client"]),
            is_anonymous=not signer,
            method=str(request["method"]),
            key=key,
            status=int(answer.get("statuscode", 0)),
            sent_bytes=int(counts.get("outputbytes", 0)),
            received_bytes=int(counts.get("inputbytes", 0)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as mistake:
        raise ValueError(f"a line of the trace cannot be read: {mistake!r}") from None


def _headers(found: Any) -> dict[str, str]:
    """Return headers by their names in lower case, the first value of each."""
    given: Mapping[str, Any] = found or {}
    return {name.lower(): str(values[0]) for name, values in given.items() if values}


def _signer(request: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Return the access key id of a request; empty if it is anonymous."""
    presigned = parse_qs(str(request.get("rawquery", "")), max_num_fields=100).get(_PRESIGNED, [""])
    credential = f"Credential={presigned[0]}" if presigned[0] else headers.get("authorization", "")
    signed = _CREDENTIAL.search(credential)
    return signed[1] if signed else ""


def _key(path: str, host: str, bucket: str) -> str | None:
    """Return the key in the bucket, in path or virtual-hosted style; None for other buckets."""
    if host.startswith(f"{bucket}."):
        return path.removeprefix("/")
    place, _, key = path.removeprefix("/").partition("/")
    return key if place == bucket else None

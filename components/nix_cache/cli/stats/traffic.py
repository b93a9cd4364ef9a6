"""The requests to a bucket, read from the trace of a MinIO server and added up. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

_CREDENTIAL = re.compile(r"\bCredential=([^/,\s]{1,200})/")
_PRESIGNED = "X-Amz-Credential"
_FOUND = frozenset({200, 206, 304})
_ABSENT = frozenset({403, 404})
"""Anonymous readers, who may not list, get 403 for a key that is missing on some servers."""

_READS = frozenset({"GET", "HEAD"})
_MOST_NAMED = 1000
"""Readers that are counted by name. The others, such as addresses of a scan, count together."""

OTHERS = "others"
"""Stands for readers that are too many to name."""


@dataclass(frozen=True)
class TracedRequest:
    """One request that the server answered.

    Attributes:
        time: when it came, as the server writes it.
        client: the access key id, or the address of an anonymous client.
        method: of HTTP.
        key: of the object; empty for the bucket itself.
        status: the HTTP status of the answer.
        sent_bytes: the size of the answer's body.
        received_bytes: what the server received, with the headers.
    """

    time: str
    client: str
    method: str
    key: str
    status: int
    sent_bytes: int
    received_bytes: int

    @property
    def is_found_narinfo(self) -> bool | None:
        """Whether a narinfo was asked for and found; None if the request is something else."""
        if self.method not in _READS or not self.key.endswith(".narinfo"):
            return None
        if self.status in _FOUND:
            return True
        return False if self.status in _ABSENT else None


def traced_request(line: bytes, bucket: str) -> TracedRequest | None:
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
        return TracedRequest(
            time=str(request["time"])[:40],
            client=_client(request, headers),
            method=str(request["method"]),
            key=key,
            status=int(answer.get("statuscode", 0)),
            sent_bytes=int(counts.get("outputbytes", 0)),
            received_bytes=int(counts.get("inputbytes", 0)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as mistake:
        raise ValueError(f"a line of the trace cannot be read: {mistake!r}") from None


@dataclass
class Traffic:
    """Some requests, added up.

    Attributes:
        requests: how many.
        sent_bytes: the size of the answers' bodies.
        received_bytes: what the server received, with headers.
        found_narinfos: how many requests for a narinfo found it.
        absent_narinfos: how many did not: 404 or 403.
    """

    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    found_narinfos: int = 0
    absent_narinfos: int = 0

    def add(self, request: TracedRequest) -> None:
        """Count one more request."""
        self.requests += 1
        self.sent_bytes += request.sent_bytes
        self.received_bytes += request.received_bytes
        self.found_narinfos += request.is_found_narinfo is True
        self.absent_narinfos += request.is_found_narinfo is False

    @property
    def hit_rate(self) -> float | None:
        """How many of the requests for narinfos found one, from 0 to 1; None without any."""
        asked = self.found_narinfos + self.absent_narinfos
        return self.found_narinfos / asked if asked else None


@dataclass
class LiveTraffic:
    """The requests since the start.

    Attributes:
        total: all of them.
        by_client: by access key id or address.
        unreadable: how many lines of the trace could not be read.
    """

    total: Traffic = field(default_factory=Traffic)
    by_client: dict[str, Traffic] = field(default_factory=dict)
    unreadable: int = 0

    def add(self, request: TracedRequest) -> None:
        """Count one more request."""
        self.total.add(request)
        is_named = request.client in self.by_client or len(self.by_client) < _MOST_NAMED
        self.by_client.setdefault(request.client if is_named else OTHERS, Traffic()).add(request)


def _headers(found: Any) -> dict[str, str]:
    """Return headers by their names in lower case, the first value of each."""
    given: Mapping[str, Any] = found or {}
    return {name.lower(): str(values[0]) for name, values in given.items() if values}


def _client(request: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    presigned = parse_qs(str(request.get("rawquery", "")), max_num_fields=100).get(_PRESIGNED, [""])
    credential = f"Credential={presigned[0]}" if presigned[0] else headers.get("authorization", "")
    signed = _CREDENTIAL.search(credential)
    return signed[1] if signed else str(request["client"])


def _key(path: str, host: str, bucket: str) -> str | None:
    """Return the key in the bucket, in path or virtual-hosted style; None for other buckets."""
    if host.startswith(f"{bucket}."):
        return path.removeprefix("/")
    place, _, key = path.removeprefix("/").partition("/")
    return key if place == bucket else None

"""The requests to a bucket, added up within bounded memory. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from nix_cache.iam.lifecycle import NAR_PREFIX

_FOUND = frozenset({200, 206, 304})
_DELIVERED = frozenset({200, 206})
_ABSENT = frozenset({403, 404})
"""Anonymous readers, who may not list, get 403 for a key that is missing on some servers."""

_READS = frozenset({"GET", "HEAD"})
_FIRST_ERROR = 400
_MOST_NAMED = 1000
"""Readers that are counted by name. The others, such as addresses of a scan, count together."""

_MOST_KEYS = 50_000
"""Keys that are counted at least. From twice as many on, the least used ones are forgotten."""

OTHERS = "others"
"""Stands for anonymous readers that are too many to name."""

OTHER_USERS = "other users"
"""Stands for users and roles that are too many to name."""


@dataclass(frozen=True)
class BucketRequest:
    """One request that the storage answered.

    Attributes:
        time: when it came, as the server writes it.
        client: who sent it: an access key id, a user or a role, or the address of an anonymous
            client.
        is_anonymous: whether it was not signed.
        method: of HTTP.
        key: of the object; empty for the bucket itself.
        status: the HTTP status of the answer; 0 if it is not known.
        sent_bytes: the size of the answer's body.
        received_bytes: what the server received, in the measure of the server.
    """

    time: str
    client: str
    is_anonymous: bool
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

    @property
    def is_nar_download(self) -> bool:
        """Whether a NAR, or a part of one, was sent."""
        return (
            self.method == "GET" and self.key.startswith(NAR_PREFIX) and self.status in _DELIVERED
        )

    @property
    def is_error(self) -> bool:
        """Whether it failed. A narinfo that is not there is no failure."""
        return self.status >= _FIRST_ERROR and self.is_found_narinfo is None


@dataclass
class Traffic:
    """Some requests, added up.

    Attributes:
        is_anonymous: whether they were not signed.
        requests: how many.
        sent_bytes: the size of the answers' bodies.
        received_bytes: what the server received.
        found_narinfos: how many requests for a narinfo found it.
        absent_narinfos: how many did not: 404 or 403.
        nar_downloads: how many answers had a NAR, or a part of one.
        nar_bytes: the size of the bodies of these.
        errors: how many failed, not counting narinfos that were not found.
    """

    is_anonymous: bool = False
    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    found_narinfos: int = 0
    absent_narinfos: int = 0
    nar_downloads: int = 0
    nar_bytes: int = 0
    errors: int = 0

    def add(self, request: BucketRequest) -> None:
        """Count one more request."""
        self.requests += 1
        self.sent_bytes += request.sent_bytes
        self.received_bytes += request.received_bytes
        self.found_narinfos += request.is_found_narinfo is True
        self.absent_narinfos += request.is_found_narinfo is False
        self.errors += request.is_error
        if request.is_nar_download:
            self.nar_downloads += 1
            self.nar_bytes += request.sent_bytes

    @property
    def hit_rate(self) -> float | None:
        """How many of the requests for narinfos found one, from 0 to 1; None without any."""
        asked = self.found_narinfos + self.absent_narinfos
        return self.found_narinfos / asked if asked else None


@dataclass(frozen=True)
class Usage:
    """How much an object was read.

    Attributes:
        key: of the object.
        requests: how often.
        sent_bytes: the size of the answers' bodies.
    """

    key: str
    requests: int
    sent_bytes: int


class MostUsed:
    """Adds up by key, and forgets the keys that are read least if there are too many.

    Args:
        most_keys: how many keys are never too many.
        by_requests: whether requests come before bytes in the order.
    """

    def __init__(self, most_keys: int = _MOST_KEYS, *, by_requests: bool = False) -> None:
        self._most_keys = most_keys
        self._by_requests = by_requests
        self._counts: dict[str, tuple[int, int]] = {}

    def add(self, key: str, sent_bytes: int) -> None:
        """Count one more request for a key."""
        requests, total = self._counts.get(key, (0, 0))
        self._counts[key] = (requests + 1, total + sent_bytes)
        if len(self._counts) > 2 * self._most_keys:
            kept = self.largest(self._most_keys)
            self._counts = {one.key: (one.requests, one.sent_bytes) for one in kept}

    def largest(self, count: int) -> list[Usage]:
        """Return the keys that are read most, the first one most of all."""

        def rank(one: Usage) -> tuple[int, int, str]:
            first, second = one.sent_bytes, one.requests
            if self._by_requests:
                first, second = second, first
            return -first, -second, one.key

        return sorted(self._usages(), key=rank)[:count]

    def _usages(self) -> Iterator[Usage]:
        for key, (requests, sent_bytes) in self._counts.items():
            yield Usage(key, requests, sent_bytes)


@dataclass
class TrafficSum:
    """All requests of a time.

    Attributes:
        total: all of them.
        anonymous: those that were not signed.
        by_client: by access key id, user, role or address.
        errors: by HTTP status, those that failed, not counting narinfos that were not found.
        nars: the NARs that were sent.
        narinfos: the narinfos that were found.
        unreadable: how many lines of the server's could not be read.
    """

    total: Traffic = field(default_factory=Traffic)
    anonymous: Traffic = field(default_factory=lambda: Traffic(is_anonymous=True))
    by_client: dict[str, Traffic] = field(default_factory=dict)
    errors: Counter[int] = field(default_factory=Counter)
    nars: MostUsed = field(default_factory=MostUsed)
    narinfos: MostUsed = field(default_factory=lambda: MostUsed(by_requests=True))
    unreadable: int = 0
    _named: Counter[bool] = field(default_factory=Counter)

    def add(self, request: BucketRequest) -> None:
        """Count one more request."""
        self.total.add(request)
        if request.is_anonymous:
            self.anonymous.add(request)
        self._of_client(request).add(request)
        if request.is_error:
            self.errors[request.status] += 1
        if request.is_nar_download:
            self.nars.add(request.key, request.sent_bytes)
        elif request.is_found_narinfo:
            self.narinfos.add(request.key, request.sent_bytes)

    def _of_client(self, request: BucketRequest) -> Traffic:
        """Return the traffic of a client. Many addresses leave no user without a name."""
        is_anonymous = request.is_anonymous
        name = request.client
        if name not in self.by_client:
            if self._named[is_anonymous] < _MOST_NAMED:
                self._named[is_anonymous] += 1
            else:
                name = OTHERS if is_anonymous else OTHER_USERS
        return self.by_client.setdefault(name, Traffic(is_anonymous))

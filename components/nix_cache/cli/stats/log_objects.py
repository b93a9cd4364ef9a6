"""The access logs of a time, read from their bucket: many at once, each in pieces."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nix_cache.cli.limits import ERROR_BYTES
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.cli.s3.listing import checked_pages
from nix_cache.cli.stats.access_log import LINE_BYTES, logged_request, time_text
from nix_cache.cli.stats.traffic import BucketRequest, TrafficSum
from nix_cache.formats.manifest import AccessLogs
from nix_cache.rights.client import error_code

LATE = timedelta(days=1)
"""How long after a request its log may be delivered. Most take a few hours; none is guaranteed."""

_CHUNK_BYTES = 1 << 16
_MISSING = 404
_SUCCESS = 200
_MOST_NAMED = 10


@dataclass(frozen=True)
class Period:
    """A time.

    Attributes:
        since: its begin, in UTC.
        until: its end, which is not part of it.
    """

    since: datetime
    until: datetime


@dataclass(frozen=True)
class UnreadableLine:
    """A line that is not one of an access log.

    Attributes:
        key: of the object.
        number: of the line, from 1.
        problem: what is wrong with it, as a clause without a subject.
    """

    key: str
    number: int
    problem: str


@dataclass
class LoggedTraffic:
    """What the logs of a time add up to.

    Attributes:
        sum: the requests.
        objects: how many log objects were read.
        unreadable: the first lines that could not be read.
    """

    sum: TrafficSum = field(default_factory=TrafficSum)
    objects: int = 0
    unreadable: list[UnreadableLine] = field(default_factory=list)


class LogReader:
    """Adds up the access logs of a bucket.

    Args:
        client: of the bucket with the logs.
        logs: where they are.
        bucket: the bucket whose requests are logged.
        period: the time whose requests count.
    """

    def __init__(self, client: S3Client, logs: AccessLogs, bucket: str, period: Period) -> None:
        self.traffic = LoggedTraffic()
        self._client = client
        self._logs = logs
        self._bucket = bucket
        self._since, self._until = time_text(period.since), time_text(period.until)
        self._first = f"{logs.prefix}{_stamp(period.since)}"
        self._last = f"{logs.prefix}{_stamp(period.until + LATE)}"
        self._lock = threading.Lock()

    def read(self, jobs: int, report: Callable[[str], None]) -> LoggedTraffic:
        """Read the logs.

        Args:
            jobs: how many objects are read at a time.
            report: called with what is being done.

        Returns:
            what they add up to.

        Raises:
            StorageError: the storage refused or did not answer.
            ClientError: the listing is not one of S3.
        """
        for _ in in_parallel(self._add, self._keys(), jobs):
            requests = self.traffic.sum.total.requests
            report(f"read {self.traffic.objects:,} logs with {requests:,} requests of that time")
        return self.traffic

    def _keys(self) -> Iterator[str]:
        """Yield the objects with the logs of the time, by the time of their delivery."""
        pages = self._client.pages(prefix=self._logs.prefix, after=self._first)
        # The pages wait for what is read between them.
        for page in checked_pages(pages, self._logs.bucket, most_seconds=math.inf):
            for listed in page.objects:
                if listed.key > self._last:
                    return
                if listed.key.startswith(self._logs.prefix) and listed.key > self._first:
                    yield listed.key

    def _add(self, key: str) -> None:
        number = 0
        with self._client.streamed(key) as response:
            if response.status == _MISSING:
                return  # it has expired since it was listed
            if response.status != _SUCCESS:
                body = response.read(ERROR_BYTES, decode_content=False)
                raise AnsweredError(response.status, error_code(body))
            for lines in _lines(response.stream(_CHUNK_BYTES, decode_content=False)):
                requests, unreadable = self._parsed(key, number, lines)
                number += len(lines)
                with self._lock:
                    self._count(requests, unreadable)
        with self._lock:
            self.traffic.objects += 1

    def _parsed(
        self, key: str, number: int, lines: list[bytes]
    ) -> tuple[list[BucketRequest], list[UnreadableLine]]:
        requests: list[BucketRequest] = []
        unreadable: list[UnreadableLine] = []
        for place, line in enumerate(lines, start=number + 1):
            if not line.strip():
                continue
            try:
                request = logged_request(line, self._bucket)
            except ValueError as mistake:
                unreadable.append(UnreadableLine(key, place, str(mistake)))
                continue
            if request is not None and self._since <= request.time < self._until:
                requests.append(request)
        return requests, unreadable

    def _count(self, requests: list[BucketRequest], unreadable: list[UnreadableLine]) -> None:
        for request in requests:
            self.traffic.sum.add(request)
        self.traffic.sum.unreadable += len(unreadable)
        named = self.traffic.unreadable
        named += unreadable[: max(0, _MOST_NAMED - len(named))]


def _lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of an object, some at a time. One that is too long is cut off."""
    left = b""
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        if not whole:
            left = (left + rest)[: LINE_BYTES + 1]
            continue
        whole[0] = (left + whole[0])[: LINE_BYTES + 1]
        left = rest
        yield whole
    if left:
        yield [left]


def _stamp(time: datetime) -> str:
    """Return a time as the keys of logs have it."""
    return f"{time:%Y-%m-%d-%H-%M-%S}"

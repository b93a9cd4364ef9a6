"""HTTP for every command of the client, with limits of time and size. No redirect is followed.

A host that does not answer is given up for the whole run, so that no sum of requests, retries and
addresses exceeds the limits.
"""

import contextlib
import http.client
import itertools
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3

from nix_cache.cli.limits import TIMES, LimitKind, TimeLimits
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.body import FilePart, Reader
from nix_cache.cli.s3.connections import connections
from nix_cache.cli.s3.deadline import Deadline
from nix_cache.cli.s3.errors import StorageError
from nix_cache.cli.s3.host_connections import HostConnections, HostRequest, RequestProgress
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.multiplex import Multiplexer
from nix_cache.cli.s3.pace import AdaptiveLimit, RateLimit
from nix_cache.cli.s3.reply import OversizedError, Reply, origin_of
from nix_cache.cli.s3.retry import is_busy, is_repeatable
from nix_cache.cli.s3.small_request import FailedTry, FirstTries, SmallRequest
from nix_cache.cli.s3.tries import Tries

JOBS = 25
"""Connections that are kept to each host, by default."""

_SENT_BYTES = 1 << 18
"""Of a file, at a time."""

_Tag = TypeVar("_Tag")


class StoppedError(Exception):
    """Nothing more is to be sent, because the command ends."""


class Transport:
    """Connections to all hosts of one run.

    Args:
        times: the limits.
        jobs: how many connections are kept to each host.
        environment: names the certificates.
        rate: how fast files are sent; None for no limit.
    """

    def __init__(
        self,
        times: TimeLimits = TIMES,
        jobs: int = JOBS,
        environment: Mapping[str, str] = os.environ,
        rate: RateLimit | None = None,
    ) -> None:
        self._times = times
        self._jobs = jobs
        self._environment = environment
        self._rate = rate
        self._stopped = threading.Event()
        self._limit = AdaptiveLimit(jobs)
        self._lock = threading.Lock()
        self._hosts: dict[str, HostConnections] = {}
        self._tries = Tries(times, self._limit)
        self._first_tries = FirstTries()

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | FilePart | None,
        kind: LimitKind,
    ) -> Reply:
        """Send a request and read the whole answer. A busy host is asked again a few times.

        The time limits of a file count from the last byte that was sent.

        Args:
            method: of HTTP.
            url: with its query, encoded.
            headers: all that are needed, such as a signature.
            body: what is sent along.
            kind: what is expected, which limits the size.

        Raises:
            NoAnswerError: there was none in time.
            OversizedError: the body is larger than its kind may be.
        """
        first = self._first_tries.take(method, url, headers)
        return self._repeated(method, url, headers, body, kind, first)

    def read_all(
        self, reads: Iterable[SmallRequest[_Tag]], jobs: int
    ) -> Iterator[tuple[_Tag, Reply | Exception]]:
        """Send many small requests to one host, and read the whole answers.

        Each has the limits of ``exchange``. The first ones open connections.

        Args:
            reads: the requests.
            jobs: how many there are at a time.

        Yields:
            the tag of each request, with its answer or with what ``exchange`` raises.
        """
        left = ((read, None) for read in reads)
        some: list[tuple[SmallRequest[_Tag], FailedTry | None]] = [*itertools.islice(left, jobs)]
        while some:
            yield from self._each(some, jobs)
            lines: Multiplexer[_Tag] = self._lines(some[0][0].url, jobs)
            some = []
            for found in lines.exchanges(read for read, _ in left):
                assert found is not None  # for the type checker
                read, answer = found
                if isinstance(answer, Reply):
                    yield read.tag, answer
                else:
                    some.append((read, answer))
            if not lines.is_suitable:
                yield from self._each(itertools.chain(some, left), jobs)
                return
            some += itertools.islice(left, max(0, jobs - len(some)))

    def _each(
        self, reads: Iterable[tuple[SmallRequest[_Tag], FailedTry | None]], jobs: int
    ) -> Iterator[tuple[_Tag, Reply | Exception]]:
        """Send requests, each in a thread. Some of them failed once already."""

        def outcome(given: tuple[SmallRequest[_Tag], FailedTry | None]) -> Reply | Exception:
            read, first = given
            try:
                return self._repeated("GET", read.url, read.headers, None, read.kind, first)
            except (StorageError, OversizedError) as failure:
                return failure

        for (read, _), reply in in_parallel(outcome, reads, jobs):
            yield read.tag, reply

    def try_all(
        self,
        url: str,
        requests: Iterator[SmallRequest[_Tag] | None],
        jobs: int,
        waker: Waker | None = None,
    ) -> Iterator[tuple[SmallRequest[_Tag], Reply | None] | None]:
        """Send small requests over the connections that are open, each once.

        It ends when nothing is under way and there is no request, or none can be sent in this way,
        such as when connections were lost.

        Args:
            url: of the host to which all of them go.
            requests: taken one by one; None where there is none before further answers.
            jobs: how many there are at a time.
            waker: asks for the caller's turn while requests are under way.

        Yields:
            each request with its answer; None if it failed or was refused. Then ``exchange`` has to
            be called with the same request, and goes on from there: the limits are the same. None
            alone for the caller's turn, as ``Multiplexer.exchanges`` does.

        Raises:
            StoppedError: nothing more is to be sent.
        """
        host = self._host(url)
        if not host.is_plain:
            return
        lines: Multiplexer[_Tag] = self._lines(url, jobs)
        for found in lines.exchanges(requests, waker):
            if self._stopped.is_set():
                raise StoppedError
            if found is None:
                yield None
                continue
            request, answer = found
            if isinstance(answer, Reply) and answer.status < 300:
                yield request, answer
                continue
            if isinstance(answer, Reply):
                answer = FailedTry(time.monotonic(), answer)
            elif answer.reason is None:
                host.is_plain = False
            self._first_tries.keep(request, answer)
            yield request, None

    def _lines(self, url: str, jobs: int) -> Multiplexer[Any]:
        host = self._host(url)
        most = min(jobs, self._limit.allowed)
        return Multiplexer(host.state, host.idle, self._times, self._limit, most)

    def stop(self) -> None:
        """Let no file be sent any further: requests that send one fail."""
        self._stopped.set()

    def _repeated(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | FilePart | None,
        kind: LimitKind,
        first: FailedTry | None = None,
    ) -> Reply:
        """Send a request until it succeeds or its limits are reached.

        Args:
            method: of HTTP.
            url: with its query, encoded.
            headers: all that are needed.
            body: what is sent along.
            kind: what is expected.
            first: how the first try failed, if it was made.
        """
        host = self._host(url)

        def once(deadline: Deadline, progress: RequestProgress) -> Reply:
            nonlocal first
            if first is not None and (reason := first.reason) is not None:
                first = None
                if isinstance(reason, Reply):
                    return reason
                raise reason
            reader = self._reader(host.state, deadline, progress, body)
            try:
                request = HostRequest(method, url, headers, reader)
                reply = host.exchanged(deadline, progress, request, kind)
            except BaseException:
                _take_back(reader)
                raise
            if is_busy(reply.status):
                _take_back(reader)
            host.state.took(time.monotonic() - progress.at)
            return reply

        can_repeat = is_repeatable(method, urlsplit(url).query)
        started = first.started if first is not None and first.reason is not None else None
        return self._tries.run(host.state, can_repeat, once, started)

    def _reader(
        self,
        host: Host,
        deadline: Deadline,
        progress: RequestProgress,
        body: bytes | FilePart | None,
    ) -> bytes | Reader | None:
        if not isinstance(body, FilePart):
            return body

        def before(count: int) -> None:
            if self._stopped.is_set():
                raise StoppedError
            if self._rate is not None:
                self._rate.take(count)
            progress.at = time.monotonic()
            progress.sent_bytes += count
            host.heard()
            deadline.set(self._times.first_byte_seconds)

        piece_bytes = _SENT_BYTES if self._rate is None else self._rate.piece_bytes
        return Reader(body, min(_SENT_BYTES, piece_bytes), before)

    @contextlib.contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Get something large, to be read by the thread that opened it. It has to keep coming in.

        Raises:
            NoAnswerError: there was no answer in time. Reading raises it, too.
        """
        host = self._host(url)
        started = time.monotonic()
        kept: list[Deadline] = []

        def once(deadline: Deadline, _: RequestProgress) -> urllib3.BaseHTTPResponse:
            kept[:] = [deadline]
            return host.opened(deadline, HostRequest("GET", url, headers, None))

        response = self._tries.run(host.state, True, once)
        [deadline] = kept
        deadline.renew(self._times.stalled_seconds, self._times.progress_bytes)
        try:
            with deadline.kept():
                yield response
        except (urllib3.exceptions.HTTPError, http.client.HTTPException) as failure:
            raise host.state.failed(failure, started) from failure
        finally:
            response.close()

    def _host(self, url: str) -> HostConnections:
        origin = origin_of(url)
        with self._lock:
            if origin not in self._hosts:
                times = self._times
                manager = connections(
                    url, times.connect_seconds, times.stalled_seconds, self._jobs, self._environment
                )
                self._hosts[origin] = HostConnections(Host(times), manager, origin)
            return self._hosts[origin]


def _take_back(body: bytes | Reader | None) -> None:
    if isinstance(body, Reader):
        body.take_back()

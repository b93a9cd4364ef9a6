"""HTTP for every command of the client, with limits of time and size. No redirect is followed.

A host that does not answer is given up for the whole run, so that no sum of requests, retries and
addresses exceeds the limits.
"""

import contextlib
import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import urllib3

from nix_cache.cli.limits import ERROR_BYTES, TIMES, LimitKind, TimeLimits
from nix_cache.cli.s3.body import FilePart, Reader
from nix_cache.cli.s3.causes import cause_of
from nix_cache.cli.s3.connections import connections
from nix_cache.cli.s3.deadline import Deadline
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.pace import AdaptiveLimit, RateLimit
from nix_cache.cli.s3.reply import OversizedError, Reply, origin_of
from nix_cache.cli.s3.retry import is_busy, is_repeatable, wait_seconds

JOBS = 25
"""Connections that are kept to each host, by default."""

_CHUNK_BYTES = 1 << 16
_THROTTLED = frozenset({429, 503})
_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, UnicodeError)

_Answer = TypeVar("_Answer", "Reply", urllib3.BaseHTTPResponse)


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
        self._hosts: dict[str, tuple[Host, urllib3.PoolManager]] = {}

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
        host, manager = self._host(url)

        def once(deadline: Deadline, progress: _Progress) -> Reply:
            reader = self._reader(host, deadline, progress, body)
            try:
                response = self._sent(host, manager, deadline, method, url, headers, reader)
                try:
                    deadline.set(host.left(progress.at))
                    with deadline.kept():
                        content = b"" if method == "HEAD" else _body(response, url, kind)
                finally:
                    response.drain_conn() if method == "HEAD" else response.close()
            except BaseException:
                _take_back(reader)
                raise
            if is_busy(response.status):
                _take_back(reader)
            host.took(time.monotonic() - progress.at)
            return Reply(url, response.status, response.headers, content)

        return self._tried(host, is_repeatable(method, urlsplit(url).query), once)

    def stop(self) -> None:
        """Let no file be sent any further: requests that send one fail."""
        self._stopped.set()

    def _reader(
        self, host: Host, deadline: Deadline, progress: "_Progress", body: bytes | FilePart | None
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

        piece_bytes = _CHUNK_BYTES if self._rate is None else self._rate.piece_bytes
        return Reader(body, min(_CHUNK_BYTES, piece_bytes), before)

    @contextlib.contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Get something large, to be read by the thread that opened it. It has to keep coming in.

        Raises:
            NoAnswerError: there was no answer in time. Reading raises it, too.
        """
        host, manager = self._host(url)
        started = time.monotonic()
        kept: list[Deadline] = []

        def once(deadline: Deadline, _: _Progress) -> urllib3.BaseHTTPResponse:
            kept[:] = [deadline]
            return self._sent(host, manager, deadline, "GET", url, headers, None)

        response = self._tried(host, True, once)
        [deadline] = kept
        deadline.renew(self._times.stalled_seconds, self._times.progress_bytes)
        try:
            with deadline.kept():
                yield response
        except (urllib3.exceptions.HTTPError, http.client.HTTPException) as failure:
            raise host.failed(failure, started) from failure
        finally:
            response.close()

    def _host(self, url: str) -> tuple[Host, urllib3.PoolManager]:
        origin = origin_of(url)
        with self._lock:
            if origin not in self._hosts:
                times = self._times
                manager = connections(
                    url, times.connect_seconds, times.stalled_seconds, self._jobs, self._environment
                )
                self._hosts[origin] = (Host(times), manager)
            return self._hosts[origin]

    def _tried(
        self, host: Host, can_repeat: bool, once: Callable[[Deadline, "_Progress"], _Answer]
    ) -> _Answer:
        times, progress = self._times, _Progress(time.monotonic())
        deadline = Deadline(0, host.heard)
        for attempt in range(1, times.tries + 1):
            wait = wait_seconds(attempt, times.backoff_seconds)
            host.require_open()
            try:
                asked = time.monotonic()
                with self._limit.slot():
                    progress.at += time.monotonic() - asked
                    progress.sent_bytes = 0
                    deadline.set(min(times.first_byte_seconds, host.left(progress.at)))
                    answer = once(deadline, progress)
            except _FAILURES as failure:
                is_last = attempt == times.tries or not can_repeat or not cause_of(failure).may_pass
                if is_last or host.left(progress.at) <= wait:
                    raise host.failed(failure, progress.at, progress.sent_bytes) from failure
            else:
                if answer.status in _THROTTLED:
                    self._limit.throttled()
                else:
                    self._limit.succeeded()
                after = answer.headers.get("Retry-After", "")
                wait = wait_seconds(
                    attempt, times.backoff_seconds, after, times.retry_after_seconds
                )
                is_last = attempt == times.tries or host.left(progress.at) <= wait
                code = answer.code if isinstance(answer, Reply) and answer.status >= 400 else ""
                if not is_busy(answer.status, code) or is_last:
                    return answer
                if isinstance(answer, urllib3.BaseHTTPResponse):
                    answer.close()
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _sent(
        self,
        host: Host,
        manager: urllib3.PoolManager,
        deadline: Deadline,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Reader | None,
    ) -> urllib3.BaseHTTPResponse:
        with deadline.kept():
            response = manager.urlopen(
                method,
                url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        host.answered()
        return response


@dataclass
class _Progress:
    """How far a request is.

    Attributes:
        at: when it began, or last sent some of a file.
        sent_bytes: of a file, in the present try.
    """

    at: float
    sent_bytes: int = 0


def _take_back(body: bytes | Reader | None) -> None:
    if isinstance(body, Reader):
        body.take_back()


def _body(response: urllib3.BaseHTTPResponse, url: str, kind: LimitKind) -> bytes:
    """Read at most what the kind allows; of an error, what fits."""
    is_error = response.status >= 300
    limit = ERROR_BYTES if is_error else kind.most_bytes
    stated = response.headers.get("Content-Length", "").lstrip("0")[:20]
    if not is_error and stated.isdecimal() and int(stated) > limit:
        raise _oversized(url, kind)
    chunks, size = [], 0
    while size <= limit and (chunk := response.read(_CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    if size > limit and not is_error:
        raise _oversized(url, kind)
    return b"".join(chunks)[:limit]


def _oversized(url: str, kind: LimitKind) -> OversizedError:
    return OversizedError(
        f"{urlsplit(url).path} is larger than {kind.most_bytes:,} bytes, the most that is read of "
        f"a {kind.name}",
        "look at that object, and delete it if it is not what its name says",
    )

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
from urllib.parse import urljoin, urlsplit

import urllib3

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import ERROR_BYTES, TIMES, Kind, TimeLimits
from nix_cache.cli.s3.connections import connections
from nix_cache.cli.s3.deadline import Deadline
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.retry import is_busy, is_repeatable, may_pass, wait_seconds

JOBS = 25
"""Connections that are kept to each host, unless told otherwise."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 1 << 16
_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, UnicodeError)

_Answer = TypeVar("_Answer", "Reply", urllib3.BaseHTTPResponse)


class OversizedError(ClientError):
    """A body is larger than the most that is read of its kind."""


class RedirectedError(ClientError):
    """An endpoint answers with a redirect, which is not followed."""


@dataclass(frozen=True)
class Reply:
    """A complete answer.

    Attributes:
        url: what was asked for.
        status: the HTTP status.
        headers: by name, in any letter case.
        body: as it was received, with its Content-Encoding; of an error, cut at ``ERROR_BYTES``.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def redirect(self) -> str | None:
        """Where it redirects to, as it says so; None if it is not a redirect."""
        if self.status not in _REDIRECTS:
            return None
        try:
            return urljoin(self.url, self.headers.get("Location", ""))
        except ValueError:
            return "an invalid URL"

    def require_no_redirect(self) -> None:
        """Refuse a redirect: a signature is not valid elsewhere, and data goes where it was told.

        Raises:
            RedirectedError: it is one.
        """
        target = self.redirect
        if target is None:
            return
        here = _origin(self.url)
        with contextlib.suppress(ValueError):
            parts = urlsplit(target)
            if parts.netloc and f"{parts.scheme}://{parts.netloc}" != here:
                target = f"{parts.scheme}://{parts.netloc}"
        raise RedirectedError(
            f"the endpoint {here} redirects to {target}",
            "set that URL as the endpoint in the stack, then run `pulumi up` and `nix-cache use`",
        )


class Transport:
    """Connections to all hosts of one run.

    Args:
        times: the limits.
        jobs: how many connections are kept to each host.
        environment: names the certificates.
    """

    def __init__(
        self,
        times: TimeLimits = TIMES,
        jobs: int = JOBS,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._times = times
        self._jobs = jobs
        self._environment = environment
        self._lock = threading.Lock()
        self._hosts: dict[str, tuple[Host, urllib3.PoolManager]] = {}

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        kind: Kind,
    ) -> Reply:
        """Send a request and read the whole answer. A busy host is asked again a few times.

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

        def once(deadline: Deadline, started: float) -> Reply:
            response = self._sent(host, manager, deadline, method, url, headers, body)
            try:
                deadline.set(host.left(started))
                with deadline.kept():
                    content = b"" if method == "HEAD" else _body(response, url, kind)
            finally:
                response.drain_conn() if method == "HEAD" else response.close()
            host.took(time.monotonic() - started)
            return Reply(url, response.status, response.headers, content)

        return self._tried(host, is_repeatable(method, urlsplit(url).query), once)

    @contextlib.contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Get something large, to be read by the thread that opened it. It has to keep coming in.

        Raises:
            NoAnswerError: there was no answer in time. Reading raises it, too.
        """
        host, manager = self._host(url)
        started = time.monotonic()
        kept: list[Deadline] = []

        def once(deadline: Deadline, _started: float) -> urllib3.BaseHTTPResponse:
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
        origin = _origin(url)
        with self._lock:
            if origin not in self._hosts:
                times = self._times
                manager = connections(
                    url, times.connect_seconds, times.stalled_seconds, self._jobs, self._environment
                )
                self._hosts[origin] = (Host(times), manager)
            return self._hosts[origin]

    def _tried(
        self, host: Host, can_repeat: bool, once: Callable[[Deadline, float], _Answer]
    ) -> _Answer:
        times, started = self._times, time.monotonic()
        deadline = Deadline(0, host.heard)
        for attempt in range(1, times.tries + 1):
            wait = wait_seconds(attempt, times.backoff_seconds)
            host.require_open()
            deadline.set(min(times.first_byte_seconds, host.left(started)))
            try:
                answer = once(deadline, started)
            except _FAILURES as failure:
                is_last = attempt == times.tries or not can_repeat or not may_pass(failure)
                if is_last or host.left(started) <= wait:
                    raise host.failed(failure, started) from failure
            else:
                asked = answer.headers.get("Retry-After", "")
                wait = wait_seconds(
                    attempt, times.backoff_seconds, asked, times.retry_after_seconds
                )
                is_last = attempt == times.tries or host.left(started) <= wait
                if not is_busy(answer.status) or is_last:
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
        body: bytes | None,
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


def _body(response: urllib3.BaseHTTPResponse, url: str, kind: Kind) -> bytes:
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


def _oversized(url: str, kind: Kind) -> OversizedError:
    return OversizedError(
        f"{urlsplit(url).path} is larger than {kind.most_bytes:,} bytes, the most that is read of "
        f"a {kind.name}",
        "look at that object, and delete it if it is not what its name says",
    )


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as mistake:
        raise ClientError(f"{url} is not a valid URL: {mistake}", "correct it") from None
    return f"{parts.scheme}://{parts.netloc}"

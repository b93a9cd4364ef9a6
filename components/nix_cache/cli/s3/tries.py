"""Tries of one request: a busy host is asked again, within the limits of time and of requests."""

import http.client
import time
from collections.abc import Callable
from typing import TypeVar

import urllib3

from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.s3.causes import cause_of
from nix_cache.cli.s3.deadline import Deadline
from nix_cache.cli.s3.host_connections import RequestProgress
from nix_cache.cli.s3.hosts import Host
from nix_cache.cli.s3.pace import AdaptiveLimit
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.retry import is_busy, wait_seconds

_THROTTLED = frozenset({429, 503})
_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, UnicodeError)

_Answer = TypeVar("_Answer", "Reply", urllib3.BaseHTTPResponse)


class Tries:
    """How often a request is sent, and when.

    Args:
        times: the limits.
        limit: how many requests there may be at a time.
    """

    def __init__(self, times: TimeLimits, limit: AdaptiveLimit) -> None:
        self._times = times
        self._limit = limit

    def run(
        self,
        host: Host,
        can_repeat: bool,
        once: Callable[[Deadline, RequestProgress], _Answer],
        started: float | None = None,
    ) -> _Answer:
        """Send a request until it succeeds or its limits are reached.

        Args:
            host: that it is sent to.
            can_repeat: whether it may be sent again although it may have been done.
            once: sends it, and returns the answer.
            started: when the first try began; None for now.

        Returns:
            the answer; the last one of a host that stays busy.

        Raises:
            NoAnswerError: there was none in time, or the host was given up.
        """
        times, progress = (
            self._times,
            RequestProgress(time.monotonic() if started is None else started),
        )
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
                code = answer.code if isinstance(answer, Reply) and answer.status >= 400 else ""
                if not is_busy(answer.status, code):
                    return answer
                after = answer.headers.get("Retry-After", "")
                wait = wait_seconds(
                    attempt, times.backoff_seconds, after, times.retry_after_seconds
                )
                if attempt == times.tries or host.left(progress.at) <= wait:
                    return answer
                if isinstance(answer, urllib3.BaseHTTPResponse):
                    answer.close()
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

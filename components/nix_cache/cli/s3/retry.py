"""The retry policy: what is tried again, after which wait.

A request is tried again by the transport, within its limits of time. A whole step, such as the
upload of a part, is tried again by ``retry``.
"""

import datetime
import email.utils
import math
import random
import time
from collections.abc import Callable
from typing import TypeVar

from nix_cache.cli.s3.errors import BusyError, Meaning, UnansweredError, meaning

TRIES = 4
"""Of a whole step."""

FIRST_WAIT_SECONDS = 1.0
JITTER_SECONDS = 1.0

_REPEATABLE = frozenset({"DELETE", "GET", "HEAD", "PUT"})

_Result = TypeVar("_Result")


def is_repeatable(method: str, query: str) -> bool:
    """Return whether a request does the same when it is sent twice.

    Args:
        method: of HTTP.
        query: what stands after the question mark. The POST that deletes objects has ``delete``,
            those of an upload in parts have ``uploads`` and ``uploadId=``. A second upload that is
            begun is left to the bucket's lifecycle.
    """
    return method in _REPEATABLE or query.startswith(("delete", "uploads", "uploadId="))


def is_busy(status: int, code: str = "") -> bool:
    """Return whether a server that answers so may answer otherwise a little later.

    Args:
        status: the HTTP status.
        code: the storage's own code, which counts with any status of an error.
    """
    return status >= 400 and meaning(status, code) is Meaning.BUSY


def wait_seconds(
    attempt: int, first_seconds: float, retry_after: str | None = None, most_seconds: float = 0.0
) -> float:
    """Return the wait after a failed try: doubled each time, or as long as the server asks.

    Args:
        attempt: the number of tries so far.
        first_seconds: the wait after the first one.
        retry_after: the header of the answer; None if there was no answer.
        most_seconds: the longest wait after an answer.
    """
    wait: float = first_seconds * 2 ** (attempt - 1)
    if retry_after is None:
        return wait
    return min(max(wait, retry_after_seconds(retry_after)), most_seconds)


def retry_after_seconds(text: str | None) -> float:
    """Return the wait that a ``Retry-After`` asks for; 0 if it is missing, past or not valid.

    Args:
        text: the header: seconds, or a date.
    """
    text = (text or "").strip()[:64]
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(text)
            if until.tzinfo is None:
                until = until.replace(tzinfo=datetime.UTC)
            seconds = (until - datetime.datetime.now(datetime.UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def retry(
    work: Callable[[], _Result],
    report: Callable[[str], None],
    *,
    first_wait_seconds: float = FIRST_WAIT_SECONDS,
    jitter_seconds: float = JITTER_SECONDS,
) -> _Result:
    """Do something, a few times if the server is busy, with longer and longer waits in between.

    Args:
        work: what is to be done; it must be harmless to do it twice.
        report: called with a text before every further try.
        first_wait_seconds: before the second try; doubled before each further one.
        jitter_seconds: up to so much more is waited at random, so that many clients do not come
            back all at once.

    Raises:
        BusyError: the server was busy each time.
        UnansweredError: it gave no answer within the limits; like all other errors, at once.
    """
    for attempt in range(1, TRIES):
        try:
            return work()
        except UnansweredError:
            raise
        except BusyError as failure:
            # The random part needs no secrecy.
            jitter = random.uniform(0, jitter_seconds)  # noqa: S311
            wait = first_wait_seconds * 2 ** (attempt - 1) + jitter
            report(f"{failure.problem}; trying again in {wait:.0f} s")
        time.sleep(wait)
    return work()

"""Trying again what a busy server did not do."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from nix_cache.cli.s3.errors import BusyError, UnansweredError

TRIES = 4
FIRST_WAIT_SECONDS = 1.0
JITTER_SECONDS = 1.0

_Result = TypeVar("_Result")


def retry(
    work: Callable[[], _Result],
    tell: Callable[[str], None],
    *,
    first_wait_seconds: float = FIRST_WAIT_SECONDS,
    jitter_seconds: float = JITTER_SECONDS,
) -> _Result:
    """Do something, a few times if the server is busy, with longer and longer waits in between.

    Args:
        work: what is to be done; it must be harmless to do it twice.
        tell: is told of every further try.
        first_wait_seconds: before the second try; doubled before each further one.
        jitter_seconds: up to so much more is waited at random, so that many clients do not come
            back all at once.

    Raises:
        BusyError: the server was busy each time.
        UnansweredError: it gave no answer within the limits; like all other errors, at once.
    """

    def tell_of_wait(state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        problem = failure.problem if isinstance(failure, BusyError) else failure
        tell(f"{problem}; trying again in {state.upcoming_sleep:.0f} s")

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(first_wait_seconds) + wait_random(0, jitter_seconds),
        before_sleep=tell_of_wait,
        reraise=True,
    )
    return retrying(work)


def _may_pass(failure: BaseException) -> bool:
    return isinstance(failure, BusyError) and not isinstance(failure, UnansweredError)

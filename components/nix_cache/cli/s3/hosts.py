"""What one run knows of a host: whether it answers, and when it is given up."""

import threading
import time

from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.s3.causes import Cause, cause_of, reason_of
from nix_cache.cli.s3.errors import Meaning, StorageError

_LARGE_BODY_BYTES = 1_000_000
"""The smallest limits of proxies are as large as this."""

_SILENT_SHARE = 0.9
"""Of the time without progress. Timers do not end at the same moment."""


class NoAnswerError(StorageError):
    """A host did not answer, or not completely. The message is the reason.

    Attributes:
        cause: what kind of failure it is.
        given_up: whether the host gets no further request in this run.
    """

    def __init__(self, reason: str, cause: Cause = Cause.OTHER, *, given_up: bool = False) -> None:
        super().__init__(reason)
        self.cause = cause
        self.given_up = given_up

    @property
    def meaning(self) -> Meaning:
        """Whether another try may succeed."""
        return Meaning.NO_ANSWER if self.cause.may_pass else Meaning.BLOCKED

    def problem(self, where: str) -> str:
        """Return the problem in words.

        Args:
            where: scheme, host and port.
        """
        return self.cause.problem(where, str(self))


class Host:
    """A host, from its first request in this run.

    Args:
        times: the limits.
    """

    def __init__(self, times: TimeLimits) -> None:
        self._times = times
        self._lock = threading.Lock()
        self._first_asked = time.monotonic()
        self._last_heard = 0.0
        self._has_answered = False
        self._stalled = 0
        self._slow = 0
        self._given_up: str | None = None
        self._cause = Cause.OTHER

    def require_open(self) -> None:
        """Make sure that the host was not given up.

        Raises:
            NoAnswerError: it was.
        """
        with self._lock:
            if self._given_up is not None:
                raise NoAnswerError(self._given_up, self._cause, given_up=True)

    def left(self, started: float) -> float:
        """Return the seconds that a request has left, with all of its tries.

        Args:
            started: when its first try began.
        """
        with self._lock:
            return self._left(started)

    def heard(self) -> None:
        """Note that something came from it."""
        self._last_heard = time.monotonic()

    def answered(self) -> None:
        """Note that it answers requests."""
        with self._lock:
            self._has_answered = True

    def took(self, seconds: float) -> None:
        """Note how long a whole answer took. A host that is slow on purpose is given up."""
        if seconds <= self._times.stalled_seconds / 2:
            return
        with self._lock:
            self._slow += 1
            if self._slow >= self._times.slow_requests:
                self._given_up = f"{self._slow} answers took too long"

    def failed(self, failure: BaseException, started: float, sent_bytes: int = 0) -> NoAnswerError:
        """Note that a request failed for good.

        Args:
            failure: of its last try.
            started: when its first try began.
            sent_bytes: how much of a body was sent in that try.

        Returns:
            the error to raise.
        """
        reason, cause = reason_of(failure), cause_of(failure)
        if cause is Cause.CLOSED and sent_bytes >= _LARGE_BODY_BYTES:
            cause = Cause.LARGE_BODY
        timed_out = cause is Cause.TIMEOUT
        now = time.monotonic()
        with self._lock:
            if not cause.may_pass:
                self._given_up = reason
            elif not self._has_answered:
                if self._left(started) <= 0:
                    why = f"no answer within {self._times.unanswered_seconds:.0f} s"
                    self._given_up = why if timed_out else f"{why}, but {reason}"
            elif timed_out:
                self._stalled += 1
                silent = now - self._last_heard >= _SILENT_SHARE * self._times.stalled_seconds
                reason = f"no progress within {self._times.stalled_seconds:.0f} s"
                if silent or self._stalled >= self._times.stalled_requests:
                    self._given_up = reason
            if self._given_up is not None:
                self._cause = cause
            return NoAnswerError(
                self._given_up or reason, cause, given_up=self._given_up is not None
            )

    def _left(self, started: float) -> float:
        if self._has_answered:
            return started + self._times.stalled_seconds - time.monotonic()
        return self._first_asked + self._times.unanswered_seconds - time.monotonic()

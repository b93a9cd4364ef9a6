"""What one run knows of a host: whether it answers, and when it is given up."""

import http.client
import ssl
import threading
import time

import urllib3

from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.s3.errors import Meaning, StorageError

_LONGEST_REASON = 200
_SILENT_SHARE = 0.9
"""Of the time without progress. Timers do not end at the same moment."""


class NoAnswerError(StorageError):
    """A host did not answer, or not completely. The message is the reason.

    Attributes:
        certificate: the reason, if its certificate was refused.
        given_up: whether the host gets no further request in this run.
    """

    def __init__(
        self,
        reason: str,
        certificate: ssl.SSLCertVerificationError | None = None,
        *,
        given_up: bool = False,
    ) -> None:
        super().__init__(reason)
        self.certificate = certificate
        self.given_up = given_up

    @property
    def meaning(self) -> Meaning:
        """It is always the same."""
        return Meaning.NO_ANSWER


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

    def require_open(self) -> None:
        """Make sure that the host was not given up.

        Raises:
            NoAnswerError: it was.
        """
        with self._lock:
            if self._given_up is not None:
                raise NoAnswerError(self._given_up, given_up=True)

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
        with self._lock:
            if seconds > self._times.stalled_seconds / 2:
                self._slow += 1
            if self._slow >= self._times.slow_requests:
                self._given_up = f"{self._slow} answers took too long"

    def failed(self, failure: BaseException, started: float) -> NoAnswerError:
        """Note that a request failed for good.

        Args:
            failure: of its last try.
            started: when its first try began.

        Returns:
            the error to raise.
        """
        inner = innermost(failure)
        reason = _reason(inner)
        timed_out = isinstance(inner, TimeoutError)
        now = time.monotonic()
        with self._lock:
            if not self._has_answered:
                if self._left(started) <= 0:
                    why = f"no answer within {self._times.unanswered_seconds:.0f} s"
                    self._given_up = why if timed_out else f"{why}, but {reason}"
            elif timed_out:
                self._stalled += 1
                silent = now - self._last_heard >= _SILENT_SHARE * self._times.stalled_seconds
                reason = f"no progress within {self._times.stalled_seconds:.0f} s"
                if silent or self._stalled >= self._times.stalled_requests:
                    self._given_up = reason
            certificate = inner if isinstance(inner, ssl.SSLCertVerificationError) else None
            return NoAnswerError(
                self._given_up or reason, certificate, given_up=self._given_up is not None
            )

    def _left(self, started: float) -> float:
        if self._has_answered:
            return started + self._times.stalled_seconds - time.monotonic()
        return self._first_asked + self._times.unanswered_seconds - time.monotonic()


def innermost(failure: BaseException) -> BaseException:
    """Return the first cause of a failure of urllib3: a reason, a cause, or an argument."""
    seen = failure
    while not isinstance(seen, ssl.SSLError):
        candidates = (getattr(seen, "reason", None), seen.__cause__, *seen.args[:2])
        inner = next((one for one in candidates if isinstance(one, BaseException)), None)
        if inner is None:
            break
        seen = inner
    if isinstance(seen, urllib3.exceptions.TimeoutError):
        return TimeoutError("timed out")
    return seen


def _reason(inner: BaseException) -> str:
    match inner:
        case ssl.SSLCertVerificationError():
            return inner.verify_message
        case TimeoutError():
            return "no answer in time"
        case urllib3.exceptions.IncompleteRead() | http.client.IncompleteRead():
            return "the answer was cut off"
        case http.client.RemoteDisconnected():
            return "it closed the connection without an answer"
        case http.client.HTTPException() | urllib3.exceptions.InvalidChunkLength():
            return "the answer is not valid HTTP"
        case OSError(strerror=str(text)) if text:
            return text
    text = str(inner) or type(inner).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"

"""Requests that fail, hang or are done twice, and clients that are killed at one of them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.small_request import SmallRequest
from nix_cache.formats.collection_run import RUN_KEY
from tests.unit.cli.interleaved import Interleaved
from tests.unit.cli.s3_double import DoubleTransport
from tests.unit.cli.versioned_double import VersionedDouble


class KilledError(BaseException):
    """A client was killed: it sends nothing more, whatever it catches."""


class Fault(Enum):
    """What happens to a request."""

    ERROR = "it is answered 500, and is not done"
    BUSY = "it is answered 503, and is not done"
    LOST = "the connection breaks before it is done"
    UNANSWERED = "the connection breaks after it was done"
    REPEATED = "its answer is lost, and the client sends it again"
    HANGS = "it hangs for ten minutes, and is not done"
    LATE = "it is done after ten minutes"
    IN_PART = "a deletion leaves a half of its objects; another request is answered 500"
    KILLED = "the client is killed before it is done"
    KILLED_AFTER = "the client is killed after it was done"


class Among(Enum):
    """The requests that are counted."""

    ALL = "all requests"
    WRITES = "PUT and POST"
    DELETIONS = "POST"
    RUN = "requests for the run object"

    def counts(self, method: str, url: str) -> bool:
        """Return whether a request is among these."""
        match self:
            case Among.ALL:
                return True
            case Among.WRITES:
                return method in {"PUT", "POST"}
            case Among.DELETIONS:
                return method == "POST"
            case Among.RUN:
                return RUN_KEY in url


@dataclass(frozen=True)
class At:
    """A request of one client.

    Attributes:
        among: which requests are counted.
        number: of the request, from 0.
    """

    among: Among
    number: int


Faults = tuple[tuple[At, Fault], ...]

_KILLS = [Fault.KILLED, Fault.KILLED_AFTER] * 2
_AT = st.one_of(
    st.builds(At, st.just(Among.ALL), st.integers(0, 70)),
    st.builds(At, st.just(Among.WRITES), st.integers(0, 9)),
    st.builds(At, st.just(Among.DELETIONS), st.integers(0, 2)),
    st.builds(At, st.just(Among.RUN), st.integers(0, 6)),
)
_AT_DELETIONS = st.tuples(
    st.builds(At, st.just(Among.DELETIONS), st.integers(0, 1)),
    st.sampled_from([Fault.IN_PART, Fault.KILLED_AFTER, Fault.UNANSWERED, Fault.LATE]),
)
_ANYWHERE = st.tuples(_AT, st.sampled_from([*Fault, *_KILLS]))
FAULTS: st.SearchStrategy[Faults] = st.one_of(
    st.just(()),
    st.lists(st.one_of(_ANYWHERE, _AT_DELETIONS), min_size=1, max_size=2).map(tuple),
)


@dataclass
class FaultyTransport(DoubleTransport):
    """What one client reaches the storage by.

    Attributes:
        storage: the storage.
        order: of the requests of all clients.
        faults: of this client.
        wait: lets time pass.
        requests: which requests were sent, for messages.
    """

    storage: VersionedDouble
    order: Interleaved
    faults: Faults
    wait: Callable[[timedelta], None]
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Count from zero."""
        super().__init__(self.storage)
        self._counts = dict.fromkeys(Among, 0)
        self._is_killed = False

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        if self._is_killed:
            raise KilledError
        self.order.turn()
        with self._fault(method, url) as fault:
            match fault:
                case Fault.KILLED:
                    self._is_killed = True
                    raise KilledError
                case Fault.LOST:
                    raise NoAnswerError("the connection was closed")
                case Fault.HANGS:
                    self.wait(timedelta(minutes=10))
                    raise NoAnswerError("no answer")
                case Fault.LATE:
                    self.wait(timedelta(minutes=10))
                case Fault.ERROR:
                    return self._error(url, 500)
                case Fault.BUSY:
                    return self._error(url, 503)
                case Fault.IN_PART if method != "POST":
                    return self._error(url, 500)
            self.storage.half_fails = fault is Fault.IN_PART
            reply = super().exchange(method, url, headers, body, kind)
            match fault:
                case Fault.KILLED_AFTER:
                    self._is_killed = True
                    raise KilledError
                case Fault.UNANSWERED:
                    raise NoAnswerError("the connection was closed")
                case Fault.REPEATED:
                    self.order.turn()
                    return super().exchange(method, url, headers, body, kind)
        return reply

    def read_all(self, reads: Iterable[SmallRequest[Any]], jobs: int) -> Iterator[tuple[Any, Any]]:
        """Answer one after the other; a request that fails does not end the others."""
        del jobs
        for read in reads:
            try:
                yield read.tag, self.exchange("GET", read.url, read.headers, None, read.kind)
            except NoAnswerError as failure:
                yield read.tag, failure

    @contextlib.contextmanager
    def _fault(self, method: str, url: str) -> Iterator[Fault | None]:
        found = None
        for at, fault in self.faults:
            if at.among.counts(method, url) and at.number == self._counts[at.among]:
                found = fault
        for among in Among:
            self._counts[among] += among.counts(method, url)
        self.requests.append(f"{method} {url} {found or ''}")
        yield found

    def _error(self, url: str, status: int) -> Reply:
        code = {500: "InternalError", 503: "SlowDown"}[status]
        date = {"Date": f"{self.storage.clock() + self.storage.skew:%a, %d %b %Y %H:%M:%S GMT}"}
        body = f"<Error><Code>{code}</Code></Error>".encode()
        return Reply(url, status, HTTPHeaderDict(date), body)

"""A small request that hangs delays nothing but what depends on it."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3 import multiplex
from nix_cache.cli.s3.client import S3Client, SmallPut
from nix_cache.cli.upload.schedule import Begun, Steps, Task, in_order
from tests.unit.cli.misbehaving import answer
from tests.unit.cli.test_multiplex import (
    JOBS,
    PATIENT,
    Act,
    Storage,
    hangs,
    sends,
    sends_and_closes,
    storage,
)
from tests.unit.cli.test_small_writes import IN_CHUNKS, opened
from tests.unit.cli.test_transport import within

COUNT = 30
HANGING, LARGE = 9, 20
SOON_SECONDS = 4.0
"""Much less than the time limit of a request."""


class Uploads:
    """Uploads as a push has them: the large one by a thread, the others in the main thread.

    Args:
        client: of the bucket.
    """

    def __init__(self, client: S3Client) -> None:
        self.failure: Exception | None = None
        self._client = client

    @property
    def steps(self) -> Steps[int, None]:
        """Both steps of all uploads."""
        return Steps(self.put_nar, lambda number, _: self.put_narinfo(number), quick=self)

    def put_nar(self, number: int) -> None:
        """Put a NAR."""
        self._client.put(f"{number}.nar", b"a NAR", "application/x-nix-nar")
        if self.failure is not None:
            raise self.failure

    def put_narinfo(self, number: int) -> None:
        """Put a narinfo."""
        self._client.put(f"{number}.narinfo", b"a narinfo", "text/x-nix-narinfo")

    def is_quick(self, number: int) -> bool:
        """Return whether a NAR is small."""
        return number != LARGE

    def prepare(self, number: int, task: Task) -> Begun | None:
        """Begin to put a small NAR."""
        return Begun(SmallPut(task, f"{number}.nar", b"a NAR", {}), lambda: None)

    def finish(self, number: int, _result: None, task: Task) -> Begun | None:
        """Begin to put a narinfo."""
        return Begun(SmallPut(task, f"{number}.narinfo", b"a narinfo", {}), lambda: None)

    def send(
        self, puts: Iterator[SmallPut[Task] | None], waker: Waker
    ) -> Iterator[tuple[SmallPut[Task], bool] | None]:
        """Send small requests."""
        return self._client.try_puts(puts, JOBS, waker)


@contextlib.contextmanager
def uploads(times: TimeLimits = PATIENT) -> Iterator[tuple[Storage, Uploads]]:
    """Provide a storage with open connections, and uploads to it."""
    with storage({}) as server:
        transport = opened(server, times)
        yield server, Uploads(S3Client(transport, f"http://{server.address}", "region"))


def after(is_due: Callable[[], bool]) -> Act:
    """Answer as soon as something is true."""

    def act(line: object, over: threading.Event) -> None:
        while not is_due() and not over.wait(0.01):
            pass
        sends(answer())(line, over)  # type: ignore[arg-type]  # a socket

    return act


def others_are_written(server: Storage) -> bool:
    """Return whether all small uploads but the one that hangs are done, and this one is asked."""
    names = [f"/{number}.narinfo" for number in range(COUNT) if number not in {HANGING, LARGE}]
    return all(server.asked[name] for name in [*names, f"/{HANGING}.nar"])


@pytest.fixture
def only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but a thread end the wait for answers."""
    monkeypatch.setattr(multiplex, "_QUIET_SECONDS", 60.0)


@pytest.mark.usefixtures("only_woken")
def test_a_large_upload_ends_while_a_small_request_hangs() -> None:
    """Its thread ends when nothing else is under way any more."""
    with uploads() as (server, found):
        server.odd[f"/{HANGING}.nar"] = [hangs]
        server.odd[f"/{LARGE}.nar"] = [after(lambda: others_are_written(server))]
        ends = in_order(found.steps, range(COUNT), {}, JOBS)
        with within(SOON_SECONDS):
            done = {next(ends) for _ in range(COUNT - 1)}

        assert done == set(range(COUNT)) - {HANGING}
        assert server.asked[f"/{LARGE}.narinfo"] == 1
        ends.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.usefixtures("only_woken")
def test_what_depends_on_a_large_upload_ends_while_a_small_request_hangs() -> None:
    """Small requests follow it over the connections that are open."""
    needs = {number: [LARGE] for number in range(LARGE + 1, COUNT)}
    with uploads() as (server, found):
        server.odd[f"/{HANGING}.nar"] = [hangs]
        server.odd[f"/{LARGE}.nar"] = [after(lambda: server.asked[f"/{COUNT - 1}.nar"] == 1)]
        ends = in_order(found.steps, range(COUNT), needs, JOBS)
        with within(SOON_SECONDS):
            done = {next(ends) for _ in range(COUNT - 1)}

        assert done == set(range(COUNT)) - {HANGING}
        ends.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize(
    "act",
    [sends(answer(status="503 Slow Down")), sends(IN_CHUNKS), None],
    ids=["busy", "unusual", "connections lost"],
)
def test_further_uploads_go_on_by_threads_while_a_small_request_hangs(act: Act | None) -> None:
    """Although no small request is sent over an open connection any more, or few are open."""
    with uploads() as (server, found):
        server.odd[f"/{HANGING}.nar"] = [hangs]
        if act is not None:
            server.odd[f"/{HANGING + 1}.nar"] = [act]
        else:
            closing = sends_and_closes(answer())
            server.odd |= {f"/{number}.nar": [closing] for number in range(HANGING + 1, LARGE)}
        ends = in_order(found.steps, range(COUNT), {}, JOBS)
        with within(SOON_SECONDS):
            done = {next(ends) for _ in range(COUNT - 1)}

        assert done == set(range(COUNT)) - {HANGING}
        ends.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.usefixtures("only_woken")
def test_the_failure_of_a_large_upload_ends_all_while_a_small_request_hangs() -> None:
    """The command does not wait for the request."""
    with uploads() as (server, found):
        found.failure = ValueError("the disk is full")
        server.odd[f"/{HANGING}.nar"] = [hangs]
        server.odd[f"/{LARGE}.nar"] = [after(lambda: others_are_written(server))]
        with within(SOON_SECONDS), pytest.raises(ValueError, match="the disk is full"):
            list(in_order(found.steps, range(COUNT), {}, JOBS))


def test_a_waker_that_is_woken_often_or_after_its_end_blocks_no_thread() -> None:
    waker = Waker()
    for _ in range(100_000):
        waker.wake()
    waker.clear()
    waker.close()
    waker.wake()

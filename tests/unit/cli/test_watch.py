"""`nix-cache watch-store`: what becomes valid is pushed, once, and waits while that fails."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.errors import BusyError
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.watch import events as events_module
from nix_cache.cli.watch import session
from nix_cache.cli.watch.events import Batch, StoreEvents, watching
from nix_cache.cli.watch.session import Watcher
from tests.unit.cli.local_store import LocalStore, Pushes

OPTIONS = UploadOptions()
SOON_SECONDS = 20.0
"""Within which events arrive, on a busy machine."""

BUSY = BusyError("the storage is busy", "try again later")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    return LocalStore(tmp_path, monkeypatch)


@pytest.fixture
def events(store: LocalStore) -> Iterator[StoreEvents]:
    with watching(str(store.folder)) as found:
        yield found


def collected(events: StoreEvents) -> set[str]:
    return set(events.batch(SOON_SECONDS).names)


def test_names_of_store_paths_and_of_their_locks_are_collected(
    store: LocalStore, events: StoreEvents
) -> None:
    """Whatever happens to them in the folder; nothing within them."""
    before = Path(store.add("a-file"))
    folder = Path(store.path("b-folder"))
    folder.mkdir()
    (folder / f"{'c' * 32}-within").touch()
    lock = Path(store.path("d-locked.lock"))
    lock.touch()
    lock.unlink()
    (store.folder / "tmp").touch()
    (store.folder / "tmp").rename(store.path("f-moved"))
    Path(store.path("g-some.drv")).touch()
    assert collected(events) == {
        before.name,
        folder.name,
        lock.name.removesuffix(".lock"),
        Path(store.path("f-moved")).name,
    }


def test_a_store_that_cannot_be_watched_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ClientError, match=r"the store .*gone cannot be read"),
        watching(str(tmp_path / "gone")),
    ):
        pass


class Given(StoreEvents):
    """Events that a test gives, in batches.

    Attributes:
        waited: how long the watcher would have waited for each.
    """

    def __init__(self, *batches: set[str]) -> None:
        super().__init__()
        self.batches = list(batches)
        self.waited: list[float | None] = []

    def batch(self, wait_seconds: float | None, **_: object) -> Batch:
        self.waited.append(wait_seconds)
        return Batch(frozenset(self.batches.pop(0))) if self.batches else Batch()


def name(path: str) -> str:
    return path.rpartition("/")[2]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_path_is_pushed_when_it_becomes_valid_and_only_once(store: LocalStore) -> None:
    path = store.add("a-path", is_valid=False)
    events, pushes = Given({name(path)}, {name(path)}, {name(path)}), Pushes()
    watcher = Watcher(store.writer, OPTIONS, events, pushes)
    watcher.step()
    assert not pushes.paths
    store.register(path)
    watcher.step()
    watcher.step()
    assert pushes.paths == [[path]]
    assert events.waited == [None, None, None]


def test_a_path_that_was_deleted_and_built_again_is_pushed_again(store: LocalStore) -> None:
    path = store.add("a-path")
    events, pushes = Given(*[{name(path)}] * 3), Pushes()
    watcher = Watcher(store.writer, OPTIONS, events, pushes)
    watcher.step()
    Path(path).unlink()
    watcher.step()
    store.add("a-path")
    watcher.step()
    assert pushes.paths[0] == pushes.paths[-1] == [path]


def test_paths_wait_longer_and_longer_while_the_storage_does_not_take_them(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is built meanwhile waits with them, and does not hasten the next try."""
    one, two = store.add("a-one"), store.add("b-two")
    events, pushes, clock = Given({name(one)}, {name(two)}), Pushes(), Clock()
    pushes.failures = [BUSY, BUSY, None]
    watcher = Watcher(store.writer, OPTIONS, events, pushes, clock)
    watcher.step()
    watcher.step()
    assert pushes.paths == [[one]]
    clock.now += session.FIRST_WAIT_SECONDS
    watcher.step()
    clock.now += 2 * session.FIRST_WAIT_SECONDS
    watcher.step()
    assert pushes.paths == [[one], [one, two], [one, two]]
    assert events.waited == [None, 10.0, 0.0, 0.0]
    assert "Waiting: 2 paths. The next try is in 20 s." in capsys.readouterr().err
    watcher.step()
    assert events.waited[-1] is None


def test_a_path_that_cannot_be_pushed_does_not_hold_up_the_others(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = store.add("a-good"), store.add("b-bad")
    damaged = ClientError("it is damaged", "repair it")
    events, pushes = Given({name(good), name(bad)}), Pushes()
    pushes.failures = [damaged, None, damaged]
    watcher = Watcher(store.writer, OPTIONS, events, pushes)
    watcher.step()
    watcher.step()
    assert pushes.paths == [[good, bad], [good], [bad]]
    assert f"{bad} is not pushed: it is damaged" in capsys.readouterr().err
    assert events.waited == [None, None]


WATCHER = """\
import sys
from pathlib import Path
import pytest
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.watch.events import watching
from nix_cache.cli.watch.session import Watcher
from tests.unit.cli.local_store import LocalStore, Pushes
store = LocalStore(Path(sys.argv[1]), pytest.MonkeyPatch())
store.add("a-before")
pushes = Pushes()
with watching(str(store.folder)) as events:
    watcher = Watcher(store.writer, UploadOptions(), events, pushes)
    print("ready", flush=True)
    while not pushes.paths:
        watcher.step()
print(*pushes.paths[0], flush=True)
"""
STORM = 5000
"""Names, each with a lock file that comes and goes, and a file: more events than the queue has."""


@pytest.mark.skipif(sys.platform != "linux", reason="the queue is one of Linux")
def test_a_path_whose_events_were_lost_is_found_by_asking_nix(tmp_path: Path) -> None:
    """The watcher stands still until the kernel's queue is full. Then a path becomes valid."""
    with subprocess.Popen(
        [sys.executable, "-c", WATCHER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        store = LocalStore.at(tmp_path)
        try:
            watcher.send_signal(signal.SIGSTOP)
            for number in range(STORM):
                lock = store.folder / f"{number:032d}-invalid.lock"
                lock.touch()
                (store.folder / f"{number:032d}-invalid").touch()
                lock.unlink()
            queue_length = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
            more = max(0, queue_length - 3 * STORM) + 3000  # the signal takes a moment
            for number in range(more):
                (store.folder / f"tmp-{number}").touch()
            lost = store.add("b-lost")
        finally:
            watcher.send_signal(signal.SIGCONT)
        try:
            printed, _ = watcher.communicate(timeout=120)
        finally:
            watcher.kill()
    assert printed.splitlines()[-1] == lost


def test_a_flood_of_changes_is_reported_as_such(
    monkeypatch: pytest.MonkeyPatch, store: LocalStore
) -> None:
    """With fewer events than the kernel's queue holds, none can be lost."""
    monkeypatch.setattr(events_module, "most_events", lambda: 10)
    with watching(str(store.folder)) as events:
        for number in range(10):
            (store.folder / f"few-{number}").touch()
        assert events.batch(SOON_SECONDS) == Batch(frozenset(), is_complete=True)
        for number in range(11):
            (store.folder / f"many-{number}").touch()
        assert events.batch(SOON_SECONDS) == Batch(frozenset(), is_complete=False)

"""The post-build hook's script, run by the shell, and its queue."""

import fcntl
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError
from nix_cache.cli.hook import drain, installation, status, texts
from nix_cache.cli.hook.queue import LARGEST_LOG_BYTES, Queue
from nix_cache.cli.hook.texts import Hook
from nix_cache.cli.machine import files
from nix_cache.cli.s3.errors import BusyError, RefusedError, UnansweredError
from nix_cache.cli.upload.held import Held
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer
from nix_cache.redaction import keep_secret
from tests.unit.cli.client_caches import KEY, WRITER, manifest
from tests.waiting import is_running, wait_until

ONE, TWO, THREE = (f"/nix/store/{digit * 32}-built" for digit in "123")


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    """Provide a hook whose client only notes how it was started."""
    folder = tmp_path / "with a blank"
    folder.mkdir()
    client = folder / "nix-cache"
    client.write_text(f'#!/bin/sh\necho "$@" >"{folder}/started"\n')
    client.chmod(0o755)
    (folder / "demo.json").write_text("{}")
    return Hook(
        name="demo",
        script=folder / "hook",
        record=folder / "demo.json",
        folder=folder / "state",
        client=client,
        programs=folder / "programs",
        system=True,
    )


def run(hook: Hook, *paths: str) -> "subprocess.CompletedProcess[str]":
    """Run the script as Nix does after a build."""
    if not hook.script.exists():
        hook.script.write_text(texts.script(hook))
    return subprocess.run(
        ["/bin/sh", str(hook.script)],
        env={"PATH": os.environ["PATH"], "OUT_PATHS": " ".join(paths)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def started(hook: Hook) -> str | None:
    """How a worker was started, if one was."""
    note = hook.client.with_name("started")
    deadline = time.monotonic() + 2
    while not (note.exists() and note.read_text()):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    return note.read_text()


def waiting(hook: Hook) -> list[str]:
    """Return what is in the queue."""
    return sorted(Queue(hook.folder).paths())


def test_the_hook_queues_every_path_once_and_starts_a_worker(hook: Hook) -> None:
    """Also when the same path is built again."""
    for _ in range(2):
        done = run(hook, ONE, TWO)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    assert waiting(hook) == [ONE, TWO]
    assert started(hook) == "hook --drain --to demo\n"


def test_the_hook_splits_paths_at_any_white_space(hook: Hook) -> None:
    """Whatever stands between them, and whatever IFS is in the environment."""
    hook.script.write_text(texts.script(hook))
    environment = {"PATH": os.environ["PATH"], "OUT_PATHS": f"\t{ONE} \n{TWO}\n", "IFS": ","}
    subprocess.run(["/bin/sh", str(hook.script)], env=environment, timeout=20, check=True)

    assert waiting(hook) == [ONE, TWO]


def test_a_link_is_never_made_within_a_store_path(hook: Hook, tmp_path: Path) -> None:
    """Two hooks at once may queue the same path; the second link must not go into the first."""
    built = tmp_path / f"{'1' * 32}-built"
    built.mkdir()
    text = texts.script(hook)
    blind = text.replace('[ -L "$folder/queue/${path##*/}" ] || new', "new")
    assert blind != text  # as if both had just looked
    hook.script.write_text(blind)
    for _ in range(2):
        subprocess.run(
            ["/bin/sh", str(hook.script)],
            env={"PATH": os.environ["PATH"], "OUT_PATHS": str(built)},
            timeout=20,
            check=True,
        )

    assert list(built.iterdir()) == []
    assert waiting(hook) == [str(built)]


def without_proc(hook: Hook) -> None:
    """Write the script as it works on macOS, which has no /proc."""
    text = texts.script(hook)
    assert "/proc/" in text
    hook.script.write_text(text.replace("/proc/", f"{hook.script.parent}/missing/"))


@pytest.mark.parametrize("has_proc", [True, False], ids=["proc", "ps"])
@pytest.mark.parametrize("content", ["{pid}\n", "\n99999999\n{pid}\n"], ids=["one", "last"])
def test_a_worker_that_will_see_the_path_is_enough(
    hook: Hook, content: str, has_proc: bool
) -> None:
    """Also one whose number is not the first, as hooks add the numbers of those that they start."""
    if not has_proc:
        without_proc(hook)
    hook.folder.mkdir()
    process = subprocess.Popen(
        ["sh", "-c", "read -r end", "nix-cache", "hook", "--drain", "--to", "demo"],
        stdin=subprocess.PIPE,
    )
    try:
        (hook.folder / "worker").write_text(content.format(pid=process.pid))
        assert run(hook, ONE).returncode == 0
        assert started(hook) is None
        assert waiting(hook) == [ONE]
    finally:
        process.communicate(timeout=10)


@pytest.mark.parametrize(
    "content",
    ["1\n", pytest.param(f"{os.getpid()}\n", id="ours"), "99999999\n", "", "x y\n", "../1\n"],
)
@pytest.mark.parametrize("has_proc", [True, False], ids=["proc", "ps"])
def test_the_number_of_a_worker_that_is_gone_counts_for_nothing(
    hook: Hook, content: str, has_proc: bool
) -> None:
    """After a restart it may be another user's."""
    if not has_proc:
        without_proc(hook)
    hook.folder.mkdir()
    (hook.folder / "worker").write_text(content)

    done = run(hook, ONE)

    assert (done.returncode, done.stderr) == (0, "")
    assert started(hook) is not None


def test_a_missing_client_is_reported_and_fails_nothing(hook: Hook) -> None:
    """The path waits."""
    hook.client.unlink()

    done = run(hook, ONE)

    assert done.returncode == 0
    assert f"{hook.client} is gone; what was built waits in" in done.stderr
    assert waiting(hook) == [ONE]


def test_a_folder_in_the_way_is_reported_and_fails_nothing(hook: Hook) -> None:
    """The user learns which path has to be pushed by hand."""
    hook.folder.write_text("")

    done = run(hook, ONE)

    assert done.returncode == 0
    assert f"nix-cache: {ONE} could not be queued in {hook.folder}" in done.stderr


def test_a_log_that_has_grown_is_set_aside(record: Record, queue: Queue) -> None:
    """One old log is kept, so the disk does not fill up."""
    queue.log.write_text("x" * LARGEST_LOG_BYTES)
    assert drain.drain(record, queue, Pushes({})) is True
    assert queue.log.exists()
    queue.log.write_text("x" * (LARGEST_LOG_BYTES + 1))

    assert drain.drain(record, queue, Pushes({})) is True

    assert not queue.log.exists()
    assert Path(f"{queue.log}.1").stat().st_size == LARGEST_LOG_BYTES + 1


def test_a_log_that_cannot_be_written_stops_no_worker(hook: Hook) -> None:
    """What is pushed matters more than what is reported of it."""
    (hook.folder / "log").mkdir(parents=True)

    done = run(hook, ONE)

    assert (done.returncode, done.stderr) == (0, "")
    assert started(hook) is not None


def test_without_built_paths_what_waits_is_pushed(hook: Hook) -> None:
    """A hook that was called by hand does no harm."""
    done = run(hook)

    assert (done.returncode, done.stderr) == (0, "")
    assert started(hook) is not None


def test_units_drain_at_boot_and_again(hook: Hook) -> None:
    """A service that a timer starts."""
    units = texts.systemd_units(hook)

    assert f"ExecStart={hook.client} hook --drain --to demo" in units
    assert "OnBootSec=1min" in units
    assert "/etc/systemd/system/nix-cache-push-demo.timer" in units
    assert "systemctl --user" in texts.systemd_units(replace(hook, system=False))


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """Provide an empty queue."""
    made = Queue(tmp_path / "queue-of-demo")
    made.links.mkdir(parents=True)
    return made


def put(queue: Queue, *paths: str) -> None:
    """Queue paths, one after the other."""
    for path in paths:
        (queue.links / Path(path).name).symlink_to(path)


def test_the_oldest_path_comes_first_and_nothing_else_counts(queue: Queue) -> None:
    """Files that a user left there are no paths."""
    put(queue, ONE, TWO)
    os.utime(queue.links / Path(TWO).name, (0, 0), follow_symlinks=False)
    (queue.links / "note").write_text("")
    (queue.links / "link").symlink_to("/etc")

    assert queue.paths() == [TWO, ONE]
    assert len(queue.faults()) == 2
    queue.remove(TWO)
    queue.remove(TWO)
    assert queue.paths() == [ONE]


def test_an_error_is_kept_until_all_goes_well(queue: Queue) -> None:
    """With its time."""
    queue.note_error("it is busy")
    assert queue.last_error is not None
    assert queue.last_error.endswith(" it is busy")
    queue.note_error(None)
    assert queue.last_error is None


def _take_turn(folder: Path, reported: "multiprocessing.Queue[bool]") -> None:
    with Queue(folder).turn() as is_ours:
        reported.put(is_ours)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_modes_of_the_queue_do_not_depend_on_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    """Nor on the modes that it has from an earlier run."""
    monkeypatch.setenv("NIX_STATE_DIR", str(tmp_path / "nix"))
    (tmp_path / "nix" / "gcroots").mkdir(parents=True)
    queue = Queue(tmp_path / "state" / "hook" / "demo")
    before = os.umask(umask)
    try:
        for _ in range(2):
            installation.make_queue(queue, "demo")
            with queue.turn():
                queue.note_error("busy")
            (queue.folder).chmod(0o777)
        installation.make_queue(queue, "demo")
    finally:
        os.umask(before)

    assert queue.links.is_symlink()
    folders = [queue.folder, *queue.folder.parents[:2], *tmp_path.glob("nix/gcroots/nix-cache/**")]
    assert {path: oct(files.permissions(path)) for path in folders} == dict.fromkeys(
        folders, "0o755"
    )
    assert {
        path.name: oct(files.permissions(path)) for path in queue.folder.iterdir() if path.is_file()
    } == {"error": "0o644", "running": "0o600", "waiting": "0o600"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("which", ["script", "folder"])
def test_root_installs_no_hook_where_another_user_can_change_it(
    hook: Hook, record: Record, tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon runs the script as root, and the script writes to the log."""
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 1234, 1234)
    hook = replace(
        hook,
        script=(theirs if which == "script" else tmp_path) / "script",
        folder=(theirs if which == "folder" else tmp_path) / "queue",
    )

    with pytest.raises(ClientError, match=f"another user can change {theirs}"):
        installation.install(record, hook)

    assert list(theirs.iterdir()) == []


def test_no_secret_is_kept_with_an_error(tmp_path: Path) -> None:
    """Every user can read what went wrong."""
    keep_secret("a-secret-of-the-writer")
    queue = Queue(tmp_path)
    queue.note_error("refused: a-secret-of-the-writer at http://root:password@host")

    assert "refused" in (tmp_path / "error").read_text()
    assert "a-secret" not in (tmp_path / "error").read_text()
    assert "password" not in (tmp_path / "error").read_text()


def test_one_works_one_waits_and_no_more(queue: Queue) -> None:
    """The third is not needed; the second gets its turn."""
    spawn = multiprocessing.get_context("spawn")  # a fork would hold our own lock as well
    reported = spawn.Queue()
    second, third = (
        spawn.Process(target=_take_turn, args=(queue.folder, reported)) for _ in range(2)
    )
    note = queue.folder / "worker"
    with queue.turn() as is_ours:
        assert is_ours
        assert note.read_text() == f"{os.getpid()}\n"
        second.start()
        wait_until(lambda: _is_locked(queue.folder / "waiting"), "waiting")
        third.start()
        third.join(20)
        assert reported.get(timeout=5) is False
        assert second.is_alive()
    second.join(20)
    assert reported.get(timeout=5) is True
    assert not note.exists()


def _is_locked(file: Path) -> bool:
    """Return whether another process holds the lock of a file."""
    if not file.exists():
        return False
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_run_ends_only_after_it_looked_at_what_hooks_left_to_it(
    record: Record, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook found the worker's file just before it went, so it started no other."""
    put(queue, ONE)
    retire, late, announced = Queue.retire, [THREE, TWO], []

    def retire_late(self: Queue) -> None:
        announced.append((queue.folder / "worker").exists())
        if late:
            put(queue, late.pop())
        retire(self)

    monkeypatch.setattr(Queue, "retire", retire_late)
    pushes = Pushes({})
    assert drain.drain(record, queue, pushes) is True

    assert pushes.calls == [[ONE], [TWO], [THREE]]
    assert announced == [True, True, True, False]


CLIENT = """\
#!{python}
import os, sys
sys.path[:] = {path!r}
here = {here!r}
def note(name, text):
    with open(f"{{here}}/{{name}}", "a") as file:
        file.write(f"{{text}}\\n")
note("starts", os.getpid())
from pathlib import Path
from nix_cache.cli.hook import drain
from nix_cache.cli.hook.queue import Queue
from nix_cache.cli.upload.report import Result
from tests.unit.cli import test_hook
from tests.waiting import wait_until
def push(writer, paths, options):
    wait_until(Path(here, "go").exists, "the test", seconds=test_hook.BUSY_SECONDS)
    for path in paths:
        note("pushed", path)
        if os.path.exists(f"{{here}}/kill"):
            os.unlink(f"{{here}}/kill")
            os.kill(os.getpid(), 9)
    return Result("demo", writer.key.name, [], 0, [], 0.0)
drain.program.invalid = lambda paths: []
record = test_hook.writing_record(Path({here!r}))
if not drain.drain(record, Queue(Path({folder!r})), push):
    note("failed", os.getpid())
"""
HOOKS = 80
BUSY_SECONDS = 120.0
"""So many processes at once are slow on a busy machine."""


def lines(file: Path) -> list[str]:
    """Return the lines of a file; none if it is missing."""
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("is_killed", [False, True], ids=["to its end", "killed"])
def test_many_hooks_at_once_lose_nothing_and_start_one_worker(hook: Hook, is_killed: bool) -> None:
    """Each in its own shell. What they queue while the worker pushes is pushed too, once."""
    here = hook.client.parent
    values = {"here": str(here), "folder": str(hook.folder)}
    hook.client.write_text(CLIENT.format(python=sys.executable, path=sys.path, **values))
    hook.script.write_text(texts.script(hook))
    pushed, starts = here / "pushed", here / "starts"
    if is_killed:
        (here / "kill").touch()
    paths = [f"/nix/store/{number:032d}-built" for number in range(HOOKS)]
    environment = {"PATH": os.environ["PATH"]}
    shells = [
        subprocess.Popen(
            ["/bin/sh", str(hook.script)],
            env={**environment, "OUT_PATHS": f"{path} {ONE}"},
            stderr=subprocess.PIPE,
        )
        for path in paths
    ]
    assert {shell.communicate(timeout=BUSY_SECONDS)[1] for shell in shells} == {b""}
    assert {shell.returncode for shell in shells} == {0}
    assert len(lines(starts)) <= 3  # one, but for hooks that found the file before it had a number
    if is_killed:
        (here / "go").touch()
        wait_until(
            lambda: not all(is_running(int(pid)) for pid in lines(starts)),
            "the end of the worker",
            seconds=BUSY_SECONDS,
        )
        run(hook, TWO)
    else:
        run(hook, TWO)
        (here / "go").touch()
    wait_until(
        lambda: not waiting(hook) and not (hook.folder / "worker").exists(),
        "the end",
        seconds=BUSY_SECONDS,
    )

    assert sorted(set(lines(pushed))) == sorted([*paths, ONE, TWO])
    assert len(lines(pushed)) == HOOKS + 2 + is_killed
    assert len(lines(starts)) <= 3 + is_killed
    assert not (here / "failed").exists()


class Pushes:
    """Stands in for pushing: notes what is asked for, and fails over some paths."""

    def __init__(self, failures: dict[str, ClientError]) -> None:
        self.calls: list[list[str]] = []
        self.failures = failures
        self.then: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self.queue: Queue | None = None

    def __call__(self, _writer: Writer, paths: Sequence[str], _options: UploadOptions) -> Result:
        self.calls.append(list(paths))
        for path in paths:
            if path in self.failures:
                raise self.failures[path]
            if self.queue is not None and path in self.then:
                put(self.queue, self.then.pop(path))
        held = [Held(path, 1, self.faults.get(path)) for path in paths]
        return Result("demo", KEY.name, held, 1, [], 1.0)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Provide a cache that this machine writes to."""
    return writing_record(tmp_path)


def writing_record(tmp_path: Path) -> Record:
    """Return a cache that this machine writes to."""
    key_file = tmp_path / "key.sec"
    key_file.write_text(KEY.secret_text)
    return Record(name="demo", manifest=manifest(), writer=WRITER, signing_key_file=key_file)


@pytest.fixture(autouse=True)
def _everything_is_in_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nix_cache.cli.nix.program.invalid", lambda _: [])


def test_what_comes_meanwhile_is_pushed_too(record: Record, queue: Queue) -> None:
    """A hook that found a worker at work has started none that would."""
    put(queue, ONE)
    pushes = Pushes({})
    pushes.queue, pushes.then = queue, {ONE: TWO}

    assert drain.drain(record, queue, pushes) is True

    assert pushes.calls == [[ONE], [TWO]]
    assert queue.paths() == []


def test_one_that_fails_delays_no_other_and_stays(record: Record, queue: Queue) -> None:
    """It is tried once in a run, and the error is kept."""
    put(queue, ONE, TWO, THREE)
    pushes = Pushes({TWO: ClientError("it is broken", "mend it")})

    assert drain.drain(record, queue, pushes) is False

    assert pushes.calls == [[ONE, TWO, THREE], [ONE], [TWO], [THREE]]
    assert queue.paths() == [TWO]
    assert "it is broken; mend it" in str(queue.last_error)


def test_a_busy_server_is_not_asked_for_each_path(record: Record, queue: Queue) -> None:
    """All of them stay."""
    put(queue, ONE, TWO)
    pushes = Pushes({ONE: BusyError("it is busy", "wait")})

    with pytest.raises(BusyError):
        drain.drain(record, queue, pushes)

    assert pushes.calls == [[ONE, TWO]]
    assert queue.paths() == [ONE, TWO]
    assert str(queue.last_error).endswith("it is busy; wait")


def test_what_readers_refuse_is_reported_and_waits_no_longer(record: Record, queue: Queue) -> None:
    """Waiting would not mend it, and everything that refers to it would wait for ever."""
    put(queue, ONE)
    pushes = Pushes({})
    pushes.faults = {ONE: "it is not signed"}

    assert drain.drain(record, queue, pushes) is False

    assert queue.paths() == []
    assert f"readers refuse {ONE}" in str(queue.last_error)


def test_a_missing_key_is_kept_as_the_error(record: Record, queue: Queue) -> None:
    """No user reads the log of the background; the status shows it."""
    put(queue, ONE)
    assert record.signing_key_file is not None
    record.signing_key_file.unlink()

    with pytest.raises(ClientError):
        drain.drain(record, queue, Pushes({}))

    assert "is gone" in str(queue.last_error)
    assert queue.paths() == [ONE]


class Clock:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def broken_entries(queue: Queue) -> None:
    """Put into the queue what no hook puts there."""
    (queue.links / "file").write_text("")
    (queue.links / f"{'4' * 32}-folder").mkdir()
    (queue.links / "no-path").symlink_to("/etc/passwd")
    (queue.links / f"{'5' * 32}-elsewhere").symlink_to(f"/tmp/{'5' * 32}-elsewhere")
    (queue.links / "another-name").symlink_to(ONE)
    (queue.links / "circle").symlink_to("circle")
    (Path(os.fsdecode(bytes(queue.links) + b"/\xff"))).symlink_to(TWO)


def test_what_is_in_the_queue_by_mistake_costs_one_finding_each(
    record: Record, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    """And holds up no path, nor makes the run endless."""
    queue = Queue(queue.folder, "/nix/store")
    put(queue, THREE)
    broken_entries(queue)
    pushes = Pushes({})

    assert drain.drain(record, queue, pushes) is False

    assert pushes.calls == [[THREE]]
    assert queue.paths() == []
    assert len(queue.faults()) == 7
    assert capsys.readouterr().err.count("remove it from the queue") == 7
    assert "and 2 more" in str(queue.last_error)


def test_a_path_that_holds_up_the_others_is_found(record: Record, queue: Queue) -> None:
    """The storage is busy for one path alone. The second run splits until that path is found."""
    paths = [f"/nix/store/{number:032d}-built" for number in range(20)]
    put(queue, *paths)
    pushes = Pushes({paths[7]: BusyError("it is busy", "wait")})
    with pytest.raises(BusyError):
        drain.drain(record, queue, pushes)
    assert len(queue.paths()) == 20

    assert drain.drain(record, queue, pushes) is False

    assert queue.paths() == [paths[7]]
    assert f"{paths[7]}: it is busy; wait" in str(queue.last_error)
    put(queue, paths[3])
    assert drain.drain(record, queue, pushes) is False
    assert pushes.calls[-2:] == [[paths[3]], [paths[7]]]
    assert queue.paths() == [paths[7]]


@pytest.mark.parametrize("kind", [BusyError, RefusedError])
def test_a_storage_that_takes_nothing_is_given_up_soon(
    record: Record, queue: Queue, kind: type[ClientError]
) -> None:
    """No path is blamed for it, so all of them are tried when it is back."""
    paths = [f"/nix/store/{number:032d}-built" for number in range(64)]
    put(queue, *paths)
    pushes = Pushes(dict.fromkeys(paths, kind("no", "wait")))
    for _ in range(4):
        before = len(pushes.calls)
        with pytest.raises(kind):
            drain.drain(record, queue, pushes)
        assert len(pushes.calls) - before < 12
        assert str(queue.last_error).endswith("no; wait")
    pushes.failures = {}

    assert drain.drain(record, queue, pushes) is True
    assert pushes.calls[-1] == paths
    assert queue.last_error is None


def test_a_storage_that_stops_answering_is_not_asked_again(record: Record, queue: Queue) -> None:
    """Also by a run that looks for the path to blame."""
    put(queue, ONE, TWO)
    pushes = Pushes({ONE: BusyError("it is busy", "wait")})
    with pytest.raises(BusyError):
        drain.drain(record, queue, pushes)
    pushes.failures = {ONE: UnansweredError("no answer", "wait")}

    with pytest.raises(UnansweredError):
        drain.drain(record, queue, pushes)

    assert pushes.calls == [[ONE, TWO], [ONE, TWO]]
    assert str(queue.last_error).endswith("no answer; wait")


def test_an_unexpected_error_is_kept_and_holds_up_no_path(record: Record, queue: Queue) -> None:
    """Whatever it is."""
    put(queue, ONE, TWO)

    def push(_writer: Writer, paths: Sequence[str], _options: UploadOptions) -> Result:
        if ONE in paths:
            raise RecursionError("too deep")
        return Result("demo", KEY.name, [Held(path, 1, None) for path in paths], 1, [], 1.0)

    assert drain.drain(record, queue, push) is False

    assert queue.paths() == [ONE]
    assert f"{ONE}: unexpected RecursionError: too deep" in str(queue.last_error)


def test_an_unexpected_error_of_the_run_is_kept(
    record: Record, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is not silently left as it is."""
    put(queue, ONE)

    def broken(_paths: Sequence[str]) -> list[str]:
        raise ValueError("huge number")

    monkeypatch.setattr("nix_cache.cli.nix.program.invalid", broken)

    with pytest.raises(ValueError, match="huge number"):
        drain.drain(record, queue, Pushes({}))

    assert str(queue.last_error).endswith("unexpected ValueError: huge number")


def test_a_path_that_nix_does_not_understand_holds_up_no_other(
    record: Record, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nix fails for all paths that it is asked about at once."""
    put(queue, ONE, TWO, THREE)

    def asked(paths: Sequence[str]) -> list[str]:
        if TWO in paths:
            raise ClientError("not a valid path", "mend it")
        return [path for path in paths if path == THREE]

    monkeypatch.setattr("nix_cache.cli.nix.program.invalid", asked)
    pushes = Pushes({})

    assert drain.drain(record, queue, pushes) is False

    assert pushes.calls == [[ONE]]
    assert queue.paths() == [TWO]
    assert "not a valid path" in str(queue.last_error)


def test_a_path_that_fails_for_good_is_tried_ever_less_often_and_stays_reported(
    record: Record, queue: Queue
) -> None:
    """Its NAR is not uploaded with every build. The others do not wait for it."""
    clock = Clock()
    put(queue, ONE)
    pushes = Pushes({ONE: ClientError("it is too large", "raise the limit")})
    tried = []
    for _ in range(24 * 10):
        before = len(pushes.calls)
        assert drain.drain(record, queue, pushes, clock) is False
        assert "it is too large; raise the limit" in str(queue.last_error)
        tried.append(len(pushes.calls) - before)
        clock.now += 3600
    assert tried[:3] == [1, 1, 1]
    assert sum(tried[-24 * 5 :]) == 5

    put(queue, TWO)
    assert drain.drain(record, queue, pushes, clock) is False
    assert [TWO] in pushes.calls
    assert queue.paths() == [ONE]

    pushes.failures = {}
    clock.now += 2 * 24 * 3600
    assert drain.drain(record, queue, pushes, clock) is True
    assert (queue.paths(), queue.last_error, queue.failures().of(ONE)) == ([], None, None)


def test_a_clock_that_was_wrong_delays_no_path(record: Record, queue: Queue) -> None:
    """The time of the next try lies years ahead then."""
    clock = Clock()
    put(queue, ONE)
    pushes = Pushes({ONE: ClientError("no", "mend it")})
    clock.now += 10**9
    for _ in range(5):
        drain.drain(record, queue, pushes, clock)
    clock.now -= 10**9
    pushes.failures = {}

    assert drain.drain(record, queue, pushes, clock) is True


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"paths": {"x": 1}}',
        b'{"paths": {"x": {"attempts": 1, "error": "", "next_try": 1e300}}}',
        b'{"paths": {"x": {"attempts": 1, "error": "", "next_try": NaN}}}',
    ],
)
def test_a_damaged_file_of_failures_counts_for_nothing(
    record: Record, queue: Queue, content: bytes
) -> None:
    """Every path is tried then."""
    (queue.folder / "failures").write_bytes(content)
    put(queue, ONE)

    assert drain.drain(record, queue, Pushes({})) is True


def _push_for_ever(record: Record, folder: Path) -> None:
    def push(_writer: Writer, _paths: Sequence[str], _options: UploadOptions) -> Result:
        (folder / "pushing").touch()
        threading.Event().wait(60)
        raise AssertionError

    drain.program.invalid = lambda _: []  # type: ignore[attr-defined]
    drain.drain(record, Queue(folder), push)


def test_a_run_that_was_killed_is_reported_and_the_next_one_goes_on(
    record: Record, queue: Queue
) -> None:
    """The lock goes with the process."""
    put(queue, ONE)
    spawn = multiprocessing.get_context("spawn")
    first = spawn.Process(target=_push_for_ever, args=(record, queue.folder))
    first.start()
    wait_until((queue.folder / "pushing").exists, "pushing")
    assert queue.last_error is None
    first.kill()
    first.join(20)
    assert "the last run began, and was killed before its end" in str(queue.last_error)

    assert drain.drain(record, queue, Pushes({})) is True
    assert (queue.paths(), queue.last_error) == ([], None)


def test_the_status_shows_failures_and_faults(
    record: Record,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For people and for programs."""
    monkeypatch.setattr(status, "folder_of", lambda *_: queue.folder)
    queue = Queue(queue.folder, "/nix/store")
    put(queue, ONE)
    broken_entries(queue)
    drain.drain(record, queue, Pushes({ONE: ClientError("it is broken", "mend it")}))
    capsys.readouterr()

    found = status.look(record)
    status.print_status(found)

    reported = capsys.readouterr().out
    assert f"{ONE}: it is broken; mend it" in reported
    assert "is not a link to a store path; remove it from the queue" in reported
    document = json.loads(json.dumps(status.document(found)))
    assert document["failed"][0]["attempts"] == 1
    assert document["failed"][0]["path"] == ONE
    assert len(document["faults"]) == 7
    assert "it is broken" in document["lastError"]


def test_any_content_of_the_last_error_is_shown(queue: Queue) -> None:
    error = queue.folder / "error"
    error.write_bytes(b"2026 \xff broken\n")
    assert queue.last_error == "2026 \ufffd broken"
    error.unlink()
    os.mkfifo(error)  # a plain read would wait for its writer
    for name in ("running", "failures"):
        os.mkfifo(queue.folder / name)
    assert queue.last_error is None
    assert queue.failures().of(ONE) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_reads_and_removes_nothing_by_a_link_in_the_queue_of_another_user(
    queue: Queue, tmp_path: Path
) -> None:
    target = tmp_path / "root"
    target.mkdir()
    for name in ("log", "error"):
        (target / name).write_text("of root")
    queue.links.rmdir()
    queue.folder.rmdir()
    queue.folder.symlink_to(target)
    os.chown(queue.folder, 61234, 61234, follow_symlinks=False)

    for act in (queue.paths, queue.clear, lambda: queue.last_error):
        with pytest.raises(ClientError, match="root does not follow"):
            act()

    assert {path.name: path.read_text() for path in target.iterdir()} == {
        "log": "of root",
        "error": "of root",
    }

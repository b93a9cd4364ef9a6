"""Ctrl-C and SIGTERM, sent to the real command while something hangs."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nix_cache.cli.limits import TooLargeError
from nix_cache.cli.machine import child
from nix_cache.cli.stack.verify.backend import backend
from tests.unit.cli.client_caches import WRITER
from tests.unit.cli.client_process import BUILT, NIX_STORE, OWNER, Machine, interrupted
from tests.unit.cli.misbehaving import Misbehaving, answer, misbehaving
from tests.waiting import is_running, wait_until

SECONDS = 3.0
"""A second is promised; a busy machine may be late."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Provide a machine that uses no cache yet."""
    return Machine.at(tmp_path)


@pytest.fixture
def silent() -> Iterator[Misbehaving]:
    """Provide a server that takes requests and answers none."""
    with misbehaving(lambda server, _line, _number: server.hang()) as server:
        yield server


def use_url(machine: Machine, url: str) -> list[str]:
    return ["use", f"{url}/demo"]


def doctor(machine: Machine, url: str) -> list[str]:
    return ["doctor", machine.source(url)]


def gc(machine: Machine, url: str) -> list[str]:
    machine.knows_credentials()
    return ["gc", machine.source(url), "--owner", OWNER, "--older-than", "1", "--yes"]


def push(machine: Machine, url: str) -> list[str]:
    machine.uses(url)
    return ["push", BUILT]


def drain(machine: Machine, url: str) -> list[str]:
    machine.uses(url)
    (machine.queue / "queue" / BUILT.rpartition("/")[2]).symlink_to(BUILT)
    return ["hook", "--drain"]


Command = Callable[[Machine, str], list[str]]


@pytest.mark.parametrize("command", [use_url, doctor, gc, push, drain])
def test_ctrl_c_ends_every_command_while_a_host_hangs(
    machine: Machine, silent: Misbehaving, command: Command
) -> None:
    """With the exit code of the shell's convention, no traceback, and nothing left behind."""
    process = machine.start(*command(machine, silent.url))
    wait_until(lambda: bool(silent.requests), "a request")

    code, err, seconds = interrupted(process)

    assert code == 130
    assert "Traceback" not in err
    assert "Interrupted." in err
    assert seconds < SECONDS
    assert list(machine.temporary.iterdir()) == []


def owners(*words: str) -> Command:
    """Return a command of the bucket's owner."""

    def command(machine: Machine, url: str) -> list[str]:
        machine.knows_credentials()
        return [*words, "--cache", machine.source(url), "--owner", OWNER]

    return command


def pin(machine: Machine, url: str) -> list[str]:
    machine.uses(url)
    return ["pin", "app", BUILT]


def unpin(machine: Machine, url: str) -> list[str]:
    machine.uses(url)
    return ["unpin", "app"]


WAITING = {
    "use": use_url,
    "push": push,
    "pin": pin,
    "unpin": unpin,
    "pins": owners("pins"),
    "stats": owners("stats"),
    "gc": owners("gc", "--older-than", "9"),
    "undo": owners("gc", "--undo", "x"),
    "remove": owners("remove", BUILT),
    "resign": owners("resign", "--as", WRITER),
}


@pytest.mark.parametrize("name", WAITING)
def test_a_command_that_waits_for_the_storage_reports_it(
    machine: Machine, silent: Misbehaving, name: str
) -> None:
    """Before its first request is given up, which takes longer than people wait in silence."""
    process = machine.start(*WAITING[name](machine, silent.url))
    assert process.stderr is not None
    assert any(f"waiting for {silent.url}" in line for line in process.stderr)
    interrupted(process)


@pytest.mark.parametrize("command", [doctor, gc, push])
def test_ctrl_c_ends_a_command_whose_workers_hang(machine: Machine, command: Command) -> None:
    """The first answers come, and then all threads wait for others."""
    info = b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    no_nars = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    page = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated>"
        + b"".join(
            b"<Contents><Key>%s</Key><Size>10</Size>"
            b"<LastModified>2020-01-01T00:00:00.000Z</LastModified></Contents>" % key
            for key in [b"0" * 31 + b"%d.narinfo" % digit for digit in range(9)]
            + [b"nix-cache-info"]
        )
        + b"</ListBucketResult>"
    )

    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        asked = server.requests[-1]
        if ".narinfo" in asked:
            server.hang()
        listed = no_nars if "prefix=" in asked else page
        line.sendall(answer(listed if "list-type" in asked else info))

    with misbehaving(act) as server:
        arguments = command(machine, server.url)
        if command is doctor:
            machine.knows_credentials()
            arguments += ["--owner", OWNER]
        process = machine.start(*arguments)
        wait_until(lambda: any(".narinfo" in one for one in server.requests), "narinfos asked for")
        code, err, seconds = interrupted(process)

    assert (code, "Traceback" in err) == (130, False)
    assert seconds < SECONDS


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_ends_nix_and_removes_temporary_files(
    machine: Machine, number: signal.Signals, expected: int
) -> None:
    """What a wrapper of nix has started ends too."""
    pids = machine.home / "pids"
    prelude = f"sleep 60 & echo $$ $! >{pids}.new; mv {pids}.new {pids}"
    machine.program("nix-store", NIX_STORE.format(prelude=prelude, python=sys.executable))

    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        if ".narinfo" in server.requests[-1]:
            server.hang()
        line.sendall(answer(b"StoreDir: /nix/store\n"))

    with misbehaving(act) as server:
        process = machine.start(*push(machine, server.url))
        wait_until(lambda: any(".narinfo" in one for one in server.requests), "narinfos asked for")
        code, err, seconds = interrupted(process, number)

    assert (code, "Traceback" in err) == (expected, False)
    assert seconds < SECONDS
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: not is_running(int(pid)), "the end of nix")  # type: ignore[misc]
    assert list(machine.temporary.iterdir()) == []


def test_ctrl_c_ends_a_command_that_waits_for_pulumi(machine: Machine) -> None:
    """And pulumi, which ignores the first signal here."""
    pids = machine.home / "pids"
    machine.program("pulumi", f"#!/bin/sh\ntrap '' TERM INT\necho $$ >{pids}\nsleep 60\nsleep 60\n")
    process = machine.start("use", "somestack")
    wait_until(lambda: pids.exists() and bool(pids.read_text()), "pulumi running")

    code, err, seconds = interrupted(process)

    assert (code, "Traceback" in err) == (130, False)
    assert seconds < SECONDS
    wait_until(lambda: not is_running(int(pids.read_text())), "the end of pulumi")


ENGINE = """#!/bin/sh
trap 'echo int >>{home}/signals; sleep 1.5; echo ended >>{home}/signals; exit 1' INT
trap 'echo term >>{home}/signals; sleep 1.5; echo ended >>{home}/signals; exit 1' TERM
echo $$ >{home}/pid.new; mv {home}/pid.new {home}/pid
while :; do sleep 0.1; done
"""
"""Stands for `pulumi`, which takes its time after a signal to note what it did."""


@pytest.mark.parametrize(
    ("number", "expected", "passed_on"),
    [(signal.SIGINT, 130, "int"), (signal.SIGTERM, 143, "term"), (signal.SIGHUP, 129, "term")],
)
def test_a_signal_to_a_command_on_a_stack_lets_the_engine_end_by_itself(
    machine: Machine, number: signal.Signals, expected: int, passed_on: str
) -> None:
    """Else it would leave its lock and what it had begun. It gets one signal: two would end it."""
    machine.program("pulumi", ENGINE.format(home=machine.home))
    (machine.home / "Pulumi.yaml").write_text("name: shop\nruntime: yaml\n")
    process = machine.start(
        *("stack", "drift", "--stack", "dev", "--cwd", str(machine.home)),
        prelude="import os\nos.setsid()",  # a terminal would send its Ctrl-C to both
    )
    pid = machine.home / "pid"
    wait_until(pid.exists, "the engine running")
    os.kill(int(pid.read_text()), signal.SIGHUP)  # as a terminal does that is closed

    code, err, _ = interrupted(process, number)

    assert (code, "Traceback" in err) == (expected, False)
    assert (machine.home / "signals").read_text() == f"{passed_on}\nended\n"
    assert list(machine.temporary.iterdir()) == []


VERIFIED = """#!/bin/sh
echo "$1 $2" >>{home}/commands
case "$1 $2" in
  "stack init") echo "encryptionsalt: v1" >Pulumi.verify.yaml ;;
  "up --yes") trap 'exit 1' TERM; touch {home}/up; while :; do sleep 0.1; done ;;
  "destroy --yes") trap 'exit 1' TERM
    touch {home}/destroy; sleep 2.5; echo end >>{home}/commands ;;
esac
"""
"""Stands for `pulumi`, which takes longer to remove everything than an interrupted command has."""


def test_a_verification_that_is_ended_removes_its_cache_and_its_folder_first(
    machine: Machine,
) -> None:
    """A second signal does not change that: the bucket and its keys would stay."""
    machine.program("pulumi", VERIFIED.format(home=machine.home))
    machine.variables |= dict.fromkeys(backend("b2").variables, "x" * 12)
    process = machine.start("stack", "verify", "b2", "--yes")
    wait_until((machine.home / "up").exists, "an update running")

    os.kill(process.pid, signal.SIGTERM)
    wait_until((machine.home / "destroy").exists, "the removal running")
    code, err, _ = interrupted(process, signal.SIGTERM)

    assert (code, "Traceback" in err) == (143, False)
    assert (machine.home / "commands").read_text().splitlines() == [
        *("stack init", "up --yes", "destroy --yes", "end", "stack rm"),
    ]
    assert list(machine.temporary.iterdir()) == []


BLOCKED = {
    "name resolution": (
        "import socket, time\n"
        "def silent(*_, **__):\n  open('{mark}', 'w').close()\n  time.sleep(60)\n"
        "socket.getaddrinfo = silent\n"
    ),
    "what swallows exceptions": (
        "import socket, time\n"
        "from nix_cache.cli.caches import source\n"
        "def stubborn(_url):\n  open('{mark}', 'w').close()\n"
        "  while True:\n    try:\n      time.sleep(60)\n    except BaseException:\n      pass\n"
        "source._fetched = stubborn\n"
    ),
    "imports": (
        "import time\n"
        "class Slow:\n  def find_spec(self, name, *_):\n    if name == 'typer':\n"
        "      open('{mark}', 'w').close()\n      time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\n"
    ),
}


@pytest.mark.parametrize("what", BLOCKED)
def test_ctrl_c_ends_a_command_that_no_exception_can_reach(machine: Machine, what: str) -> None:
    """By a thread that waits for signals besides."""
    mark = machine.home / "mark"
    process = machine.start(
        "use", "http://cache.example.org", prelude=BLOCKED[what].format(mark=mark)
    )
    wait_until(mark.exists, "the command blocked")

    code, err, seconds = interrupted(process)

    assert (code, "Traceback" in err) == (130, False)
    assert seconds < SECONDS


def test_ctrl_c_while_files_are_written_leaves_them_all_written(machine: Machine) -> None:
    """What takes a moment is done to its end: the second file comes after the signal."""
    prelude = (
        "import os, signal\n"
        "from nix_cache.cli.machine import files\n"
        "commit, done = files._commit, []\n"
        "def slow(change, *rest):\n"
        "  done.append(commit(change, *rest))\n"
        "  if len(done) == 1:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "files._commit = slow\n"
    )

    done = machine.run("use", machine.source("http://127.0.0.1:9"), "--user", prelude=prelude)

    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    folder = machine.home / ".config" / "nix"
    assert {path.name for path in folder.rglob("*") if path.is_file()} >= {"nix.conf", "demo.json"}
    assert b"nix-cache/demo.conf" in (folder / "nix.conf").read_bytes()
    assert not list(folder.rglob(".*.*"))


def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(
    machine: Machine, silent: Misbehaving
) -> None:
    """A shell starts its background jobs so, and the hook's worker is one."""
    process = machine.start(
        *use_url(machine, silent.url),
        prelude="import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
    )
    wait_until(lambda: bool(silent.requests), "a request")
    os.kill(process.pid, signal.SIGINT)

    code, _, _ = interrupted(process, signal.SIGTERM)

    assert code == 143


class TestUnexpectedErrors:
    """What no part of the client expects."""

    PRELUDE = (
        "from nix_cache.cli.caches import source\n"
        "def broken(*_, **__):\n  raise {failure}\n"
        "source._fetched = broken\n"
    )

    @pytest.mark.parametrize(
        ("failure", "said"),
        [
            ("RecursionError('too deep')", "unexpected RecursionError: too deep; please report it"),
            ("MemoryError()", "unexpected MemoryError: no message; please report it"),
            ("UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')", "unexpected UnicodeDecodeError: "),
            ("KeyError('a\\nb')", "unexpected KeyError: "),
            ("OSError(28, 'No space left on device', '/tmp')", "No space left on device: /tmp; "),
        ],
    )
    def test_an_unexpected_error_is_one_line(
        self, machine: Machine, failure: str, said: str
    ) -> None:
        """And never a traceback, unless that is asked for."""
        prelude = self.PRELUDE.format(failure=failure)

        done = machine.run("use", "http://cache.example.org", prelude=prelude)

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: {said}")
        assert len(done.stderr.splitlines()) == 1

    def test_a_traceback_is_printed_when_it_is_asked_for(self, machine: Machine) -> None:
        """For a report."""
        machine.variables["NIX_CACHE_DEBUG"] = "1"
        prelude = self.PRELUDE.format(failure="KeyError('x')")

        done = machine.run("use", "http://cache.example.org", prelude=prelude)

        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "error: unexpected KeyError: 'x'" in done.stderr


class TestOtherPrograms:
    """Programs that are run, with limits."""

    def test_a_program_gets_its_input_and_gives_its_output(self) -> None:
        """However much that is, and whatever it does not read."""
        text = "x" * 1_000_000

        done = child.run(["cat"], timeout_seconds=20, given=text)
        assert (done.returncode, done.stdout, done.stderr) == (0, text, "")
        done = child.run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout_seconds=20)
        assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
        assert child.run(["true"], timeout_seconds=20, given=text).returncode == 0

    def test_a_program_that_prints_without_end_is_stopped(self) -> None:
        """What it prints on its standard error is cut instead."""
        with pytest.raises(TooLargeError, match="is larger than 5,000 bytes"):
            child.run(["yes"], timeout_seconds=20, most_bytes=5000)
        code = "import sys; sys.stderr.write('x' * 3_000_000)"
        done = child.run([sys.executable, "-c", code], timeout_seconds=20)
        assert len(done.stderr) == 1_000_000

    def test_a_program_that_takes_too_long_is_stopped_with_what_it_started(
        self, tmp_path: Path
    ) -> None:
        """Also one that has closed its output, or left a child behind that keeps it open."""
        for code in (f"sleep 60 & echo $! >{tmp_path}/pid; wait", "exec >&- 2>&-; sleep 60"):
            with pytest.raises(subprocess.TimeoutExpired):
                child.run(["sh", "-c", code], timeout_seconds=0.5)
        pid = int((tmp_path / "pid").read_text())
        wait_until(lambda: not is_running(pid), "the end of what it started")


WITH_A_WORKER = """
import atexit, sys, threading, time
atexit.register(lambda: print("taken apart", file=sys.stderr))
threading.Thread(target=time.sleep, args=({seconds},), daemon=True).start()
"""


@pytest.mark.parametrize(("seconds", "is_orderly"), [(0.0, True), (60.0, False)])
def test_python_is_not_taken_apart_while_a_worker_goes_on(
    machine: Machine, *, seconds: float, is_orderly: bool
) -> None:
    """Which can abort the process after everything went well. All output is there."""
    done = machine.run("--version", prelude=WITH_A_WORKER.format(seconds=seconds))

    assert done.returncode == 0
    assert done.stdout.startswith("nix-cache ")
    assert ("taken apart" in done.stderr) is is_orderly

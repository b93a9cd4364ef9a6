"""`nix-cache exec`: the command runs as without it, and what it made is pushed."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.exec.session import run
from nix_cache.cli.upload.options import UploadOptions
from tests.unit.cli.local_store import LocalStore, Pushes

OPTIONS = UploadOptions()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    return LocalStore(tmp_path, monkeypatch)


def making(path: str, code: int = 0) -> list[str]:
    """A command that makes a file and ends with a code."""
    return ["sh", "-c", f"echo content > {path}; exit {code}"]


@pytest.mark.parametrize("code", [0, 1, 42])
def test_what_a_command_made_is_pushed_and_its_code_is_kept(store: LocalStore, code: int) -> None:
    """Also what was made before it failed."""
    old, new, pushes = store.add("a-old"), store.path("b-new"), Pushes()
    store.register(new)
    assert run(store.writer, making(new, code), OPTIONS, pushes) == code
    assert pushes.paths == [[new]]
    assert old not in pushes.paths[0]


def test_a_command_that_made_nothing_needs_no_push(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    pushes = Pushes()
    assert run(store.writer, ["true"], OPTIONS, pushes) == 0
    assert not pushes.paths
    assert "made no new store paths" in capsys.readouterr().err


def test_a_push_that_fails_is_printed_and_the_code_is_kept(
    store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    new, pushes = store.path("b-new"), Pushes()
    store.register(new)
    pushes.failures = [ClientError("the storage is full", "free some space")]
    assert run(store.writer, making(new, 3), OPTIONS, pushes) == 3
    said = capsys.readouterr().err
    assert "the storage is full" in said
    assert "The command ended with 3. What it built is not, or not all, pushed." in said


def test_a_command_that_a_signal_ended_has_the_code_of_a_shell(store: LocalStore) -> None:
    assert run(store.writer, ["sh", "-c", "kill -9 $$"], OPTIONS, Pushes()) == 128 + 9


def test_a_command_that_cannot_be_run_is_named(store: LocalStore) -> None:
    with pytest.raises(UsageError, match="no-such-command cannot be run: No such file"):
        run(store.writer, ["no-such-command"], OPTIONS, Pushes())


PROGRAM = """\
import sys
from pathlib import Path
import pytest
from nix_cache.cli.exec.session import run
from nix_cache.cli.machine import interrupt
from nix_cache.cli.upload.options import UploadOptions
from tests.unit.cli.local_store import LocalStore, Pushes
interrupt.install()
store = LocalStore(Path(sys.argv[1]), pytest.MonkeyPatch())
run(store.writer, ["sh", "-c", sys.argv[2]], UploadOptions(), Pushes())
"""
SLOW = "trap 'sleep 1; echo ended; exit 0' TERM INT; echo started; while :; do sleep 0.1; done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_the_command_ends_in_its_own_time(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A build that is killed at once would leave locks and temporary files."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), tmp_path, SLOW],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "started\n"
        begun = time.monotonic()
        client.send_signal(number)
        said, _ = client.communicate(timeout=60)
    assert said == "ended\n"
    assert time.monotonic() - begun >= 1
    assert client.returncode != 0

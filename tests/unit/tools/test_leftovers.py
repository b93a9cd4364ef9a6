"""What a killed run left in a local state, and what looks like it."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.leftovers import remove_leftovers


def ended() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """Where the engine puts a lock; not there yet."""
    folder = tmp_path / ".pulumi" / "locks" / "organization" / "nix-cache" / "dev"
    folder.mkdir(parents=True)
    return folder / "1.json"


@pytest.mark.parametrize(
    ("holder", "is_removed"),
    [
        ({"pid": ended(), "hostname": socket.gethostname()}, True),
        ({"pid": os.getpid(), "hostname": socket.gethostname()}, True),
        ({"pid": ended(), "hostname": "another-machine"}, False),
        ({"pid": "?", "hostname": socket.gethostname()}, False),
        ([], False),
    ],
    ids=["ended", "a number that another program has now", "elsewhere", "no number", "no lock"],
)
def test_only_the_lock_of_a_run_that_ended_here_is_removed(
    tmp_path: Path, lock: Path, holder: Any, is_removed: bool
) -> None:
    """A user who cannot be judged may still be at work."""
    lock.write_text(json.dumps(holder))

    assert remove_leftovers(tmp_path) is is_removed
    assert lock.exists() is not is_removed


def test_the_lock_of_an_engine_that_runs_is_kept(tmp_path: Path, lock: Path) -> None:
    """It is reported by its name."""
    program = tmp_path / "pulumi"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as running:
        lock.write_text(json.dumps({"pid": running.pid, "hostname": socket.gethostname()}))
        assert not remove_leftovers(tmp_path)
        running.kill()
    assert lock.exists()


def test_an_empty_file_of_attributes_is_removed(tmp_path: Path, lock: Path) -> None:
    """It makes a state unreadable; whole ones stay."""
    state = lock.parent / "dev.json"
    for name, content in {"": "{}", ".attrs": "", ".bak.attrs": "{}"}.items():
        state.with_name(state.name + name).write_text(content)

    remove_leftovers(tmp_path)

    assert sorted(path.name for path in lock.parent.iterdir()) == ["dev.json", "dev.json.bak.attrs"]

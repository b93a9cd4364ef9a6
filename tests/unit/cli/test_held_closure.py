"""The closure of a push is asked of Nix in a thread, and kept until the push ends."""

import sys
import time
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix.held_closure import held_closure
from tests.unit.cli.client_process import BUILT, NIX_STORE, Machine
from tests.waiting import is_running, wait_until

SECONDS = 5.0
"""Within a second or two everything ends; a busy machine may be late."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Provide a machine whose store has one path."""
    return Machine.at(tmp_path)


def holder(machine: Machine) -> int:
    """Return the process that holds the roots, once it runs."""
    file = machine.home / "pid"
    wait_until(file.exists, "a running nix-store")
    return int(file.read_text())


def let_nix_store_write_its_pid(machine: Machine, then: str = ":") -> None:
    file = machine.home / "pid"
    prelude = f"echo $$ >{file}.new; mv {file}.new {file}; {then}"
    machine.program("nix-store", NIX_STORE.format(prelude=prelude, python=sys.executable))


def test_the_roots_are_held_until_the_block_ends(machine: Machine) -> None:
    let_nix_store_write_its_pid(machine)
    with held_closure([BUILT], machine.environment) as closure:
        (info,) = closure.infos()
        pid = holder(machine)

        assert (info.path, list(closure.roots)) == (BUILT, [BUILT])
        assert is_running(pid)

    wait_until(lambda: not is_running(pid), "the end of nix-store")


def test_a_failure_of_nix_is_that_of_the_closure(machine: Machine) -> None:
    """Not that of the block, in which the client may find another mistake first."""
    machine.program("nix", "#!/bin/sh\necho 'error: the database is busy' >&2; exit 1\n")
    with (
        held_closure([BUILT], machine.environment) as closure,
        pytest.raises(ClientError, match="the database is busy"),
    ):
        closure.infos()


def test_a_command_that_fails_does_not_wait_for_nix(machine: Machine) -> None:
    """The programs of a Nix that hangs end with it."""
    machine.uses("http://127.0.0.1:9")
    (machine.home / ".aws" / "credentials").unlink()
    let_nix_store_write_its_pid(machine, "exec sleep 60")
    started = time.monotonic()
    done = machine.run("push", BUILT)

    assert "there is no credential" in done.stderr
    assert done.returncode == 1
    assert time.monotonic() - started < SECONDS
    wait_until(lambda: not is_running(holder(machine)), "the end of nix-store")

"""The commands behind `make`, as a user runs them in a clone.

Only this module shows them one after another on one clone, with the local server that they start,
find again and remove. What `up` makes is shown in `test_each_backend.py`.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.backends.minio.connection import NameKind
from tests.engine.clone import Clone, cloned
from tests.engine.command import clean_environment
from tests.engine.s3 import fill
from tools import engine as toolchain_engine

pytestmark = pytest.mark.slow


END_SECONDS = 60


@pytest.fixture
def clone(tmp_path: Path, engine: toolchain_engine.Engine) -> Iterator[Clone]:
    """Provide a clone in which nothing is up."""
    with cloned(tmp_path / "clone", engine) as made:
        yield made


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Clone]:
    """Provide a clone that is up, for tests that leave it so."""
    with cloned(tmp_path_factory.mktemp("running") / "clone", engine) as made:
        made.dev("up")
        yield made


def test_the_life_of_a_clone(tmp_path: Path, engine: toolchain_engine.Engine) -> None:
    """Up, no changes, status, a preview that changes nothing, down without a trace, and again.

    The policy pack judges it, and the bucket that is removed at first holds many objects. The
    second time the server was killed, and is started once more to remove the stack in order.
    """
    with cloned(tmp_path / "clone", engine, policies=True) as clone:
        live(clone)


def live(clone: Clone) -> None:
    """Run the commands in a clone in which nothing is up."""
    config = clone.place.stack_config.read_bytes()
    assert "does not run" in clone.dev("status")

    first = clone.dev("up")
    assert "The cache is up." in first
    assert f"{clone.connection.url}/nix-cache" in first
    assert clone.outputs()["publicKeys"][0] in first
    process = clone.server.process()
    assert process is not None

    assert "No changes. The cache is up." in clone.dev("up")
    status = clone.dev("status")
    assert clone.connection.url in status
    assert "language host" in status

    written = clone.place.stack_config.read_text()
    clone.configure(writers=["nixbuilder", "second-writer"])
    assert "second-writer" in clone.dev("preview")
    assert not clone.admin.has(NameKind.USER, "second-writer")
    clone.place.stack_config.write_text(written)

    fill(clone.connection, "nix-cache")
    reported = clone.dev("down")
    assert "removed" in reported
    assert "error" not in reported
    assert not process.is_running()
    assert_nothing_is_left(clone)
    assert clone.place.stack_config.read_bytes() == config
    assert "removed" in clone.dev("down")

    assert "The cache is up." in clone.dev("up")
    kill_server(clone)
    clone.dev("down")
    assert_nothing_is_left(clone)


def assert_nothing_is_left(clone: Clone) -> None:
    """Fail if the clone has a server, a state or a passphrase."""
    assert not clone.place.server.exists()
    assert not clone.place.state.exists()
    assert not clone.place.passphrase_file.exists()


def kill_server(clone: Clone) -> None:
    """Kill the clone's MinIO, as a restart of the machine does."""
    process = clone.server.process()
    assert process is not None
    process.kill()
    process.wait(END_SECONDS)


def test_the_environment_is_for_a_shell_and_a_plain_pulumi_works_in_it(running: Clone) -> None:
    """Also where the shell has a passphrase of another stack."""
    exports = running.dev("env")

    done = subprocess.run(
        ["sh", "-eu", "-c", f"{exports}\npulumi preview --stack dev --expect-no-changes"],
        cwd=running.folder,
        env={**clean_environment(), "PULUMI_CONFIG_PASSPHRASE": "of another stack"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in exports.splitlines():
        assert line.startswith(("export ", "unset ")) or "built" in line or "host" in line, line


def test_a_server_that_was_killed_comes_back_with_its_data_and_its_port(running: Clone) -> None:
    """As after a restart of the machine."""
    before = running.connection
    running.root.put_object(Bucket="nix-cache", Key="nar/kept.nar", Body=b"nar")
    kill_server(running)

    assert "No changes. The cache is up." in running.dev("up")
    assert running.connection == before
    kept = running.root.get_object(Bucket="nix-cache", Key="nar/kept.nar")["Body"].read()
    assert kept == b"nar"


def test_a_port_that_was_taken_meanwhile_is_given_up(running: Clone) -> None:
    """The server comes back on another port, and what clients are reported follows."""
    before = running.connection
    running.server.stop()
    with socket.create_server(("127.0.0.1", int(before.server.rpartition(":")[2]))):
        output = running.dev("up")

    assert running.connection.server != before.server
    assert f"{running.connection.url}/nix-cache" in output
    running.assert_unchanged_by_up()


def test_an_interrupted_up_is_finished_by_the_next(clone: Clone) -> None:
    """Ctrl-C in the middle, when some resources are there and some are not."""
    with clone.start("up") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "created" in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        process.stdout.read()
        process.wait(END_SECONDS)
    assert process.returncode != 0

    assert "The cache is up." in clone.dev("up")
    clone.assert_unchanged_by_up()

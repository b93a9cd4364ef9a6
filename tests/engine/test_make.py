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
import urllib3

from nix_cache.backends.minio.connection import NameKind
from tests.engine.clone import Clone, cloned, copied, shell
from tests.engine.command import clean_environment
from tests.engine.s3 import fill, s3_client
from tools import engine as toolchain_engine
from tools.local_process import LocalProcess
from tools.seaweedfs import SeaweedServer

pytestmark = pytest.mark.slow


END_SECONDS = 60

KEPT = ("state", "passphrase", "minio", "seaweedfs")
"""What `make up` keeps in `.dev`, besides programs."""


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
    kill_server(clone.server)
    clone.dev("down")
    assert_nothing_is_left(clone)


def assert_nothing_is_left(clone: Clone) -> None:
    """Fail if the clone has a server, a state or a passphrase."""
    assert not clone.place.server.exists()
    assert not clone.place.state.exists()
    assert not clone.place.passphrase_file.exists()


def test_the_life_of_a_clone_on_seaweedfs(tmp_path: Path) -> None:
    """With `make` itself: only the first command names the backend, and the server is killed once.

    Nothing of MinIO is built or started, and the bucket that is removed holds objects.
    """
    folder, home = copied(tmp_path / "clone"), tmp_path / "home"
    home.mkdir()
    config = (folder / "Pulumi.dev-s3.yaml").read_text()
    server = SeaweedServer(folder / ".dev" / "seaweedfs")
    try:
        first = shell(folder, "make up BACKEND=s3", home)
        assert "Created 11 resources. The cache is up." in first
        assert "MinIO" not in first
        assert "nix-cache use dev-s3 " in first
        assert f"{server.url}/nix-cache" in first
        root = s3_client(server.url, *server.key_pair)
        root.put_object(Bucket="nix-cache", Key="nar/kept.nar", Body=b"nar")
        assert anonymous(server, "nix-cache/nix-cache-info") == 200
        assert anonymous(server, "nix-cache/") == 403

        kill_server(server)
        assert "No changes. The cache is up." in shell(folder, "make up", home)
        assert anonymous(server, "nix-cache/nar/kept.nar") == 200
        status = shell(folder, "make status && make preview && make drift", home)
        assert f"{server.url}, process" in status
        assert "No drift: everything is as the stack dev-s3 made it." in status
        in_shell = 'eval "$(make env)"; pulumi preview --stack dev-s3 --expect-no-changes'
        shell(folder, in_shell, home)

        process = server.process()
        assert process is not None
        assert "`make up BACKEND=s3` created was removed" in shell(folder, "make down", home)
        assert not process.is_running()
        assert [name for name in KEPT if (folder / ".dev" / name).exists()] == []
        assert (folder / "Pulumi.dev-s3.yaml").read_text() == config
    finally:
        server.stop()


def anonymous(server: SeaweedServer, path: str) -> int:
    """Return the status of an anonymous GET."""
    return urllib3.request("GET", f"{server.url}/{path}", retries=False).status


def kill_server(server: LocalProcess) -> None:
    """Kill a local server, as a restart of the machine does."""
    process = server.process()
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
    kill_server(running.server)

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

"""A server that is down, busy, mute or strange: one clear error, and no state is lost."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.server import LocalServer
from nix_cache.storage.minio_connection import Connection
from tests.engine.clone import Clone, assert_plain_error, cloned
from tests.engine.faulty_proxy import Fault, FaultyProxy
from tests.engine.project import STACK, Project
from toolchain import engine as toolchain_engine

GIVE_UP_SECONDS = {Fault.DOWN: 10, Fault.BUSY: 10, Fault.RESET: 10, Fault.HANG: 15}
COMMANDS: dict[str, tuple[str, ...]] = {
    "preview": ("preview", "--stack", STACK),
    "up": ("up", "--yes", "--stack", STACK),
    "up without a preview": ("up", "--yes", "--skip-preview", "--stack", STACK),
}


def point_to(folder: Path, root: Connection, server: str, password: str | None = None) -> Path:
    """A connection file for the same administrator by another address or password."""
    path = folder / "proxied.json"
    path.write_text(
        json.dumps(
            {
                "minioServer": server,
                "minioUser": root.user,
                "minioPassword": password or root.password,
                "minioSsl": False,
            }
        )
    )
    return path


@pytest.fixture
def proxy(server: LocalServer) -> Iterator[FaultyProxy]:
    """A proxy in front of the server that passes everything on, for now."""
    with FaultyProxy(server.connection().server) as made:
        yield made


@pytest.fixture
def behind(project: Project, proxy: FaultyProxy, connection: Connection, tmp_path: Path) -> Project:
    """A project that reaches its server through the proxy."""
    project.set(minio={"connectionFile": str(point_to(tmp_path, connection, proxy.address))})
    return project


def state_of(project: Project) -> dict[str, Any]:
    """What the state says of everything, in clear, as secrets are encrypted anew each time."""
    return {
        resource["urn"]: {key: resource.get(key) for key in ("id", "type", "inputs", "outputs")}
        for resource in project.state.resources_in_clear()
        if not resource["type"].startswith("pulumi:providers:")  # they hold the configuration
    }


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.BUSY, Fault.RESET, Fault.HANG])
def test_an_outage_is_one_clear_error_and_costs_no_state(
    behind: Project, proxy: FaultyProxy, fault: Fault
) -> None:
    """With a stack that is up and a change to be made; afterwards the change goes through."""
    behind.up()
    before = state_of(behind)
    behind.set(priority=30)
    proxy.fail(fault)

    for way, command in COMMANDS.items():
        began = time.monotonic()
        result = behind.run(*command)
        seconds = time.monotonic() - began

        assert result.exit_code != 0, way
        assert f"MinIO at http://{proxy.address} " in result.output, result.output
        assert "run the same command again" in result.output
        assert_plain_error(result.output)
        assert seconds < GIVE_UP_SECONDS[fault], (way, seconds)
        assert state_of(behind) == before, way

    proxy.heal()
    assert behind.planned() == {
        f"nix-cache-{key}": "update" for key in ("nix-cache-info", "index.html", "nix-cache.json")
    }
    behind.up()
    behind.up("--expect-no-changes")


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.BUSY])
def test_a_first_up_during_an_outage_makes_nothing(
    behind: Project, proxy: FaultyProxy, fault: Fault
) -> None:
    """Nothing is half made, and the next `up` makes all of it."""
    proxy.fail(fault)

    result = behind.run("up", "--yes", "--stack", STACK)

    assert result.exit_code != 0
    assert_plain_error(result.output)
    assert [r for r in behind.resources().values() if r["type"].startswith("minio:")] == []
    proxy.heal()
    behind.up()
    behind.up("--expect-no-changes")


def test_wrong_credentials_are_one_clear_error(
    project: Project, connection: Connection, tmp_path: Path
) -> None:
    """They are named, the password is not shown, and nothing is made."""
    wrong = point_to(tmp_path, connection, connection.server, password="not-the-password")
    project.set(minio={"connectionFile": str(wrong)})

    for way, command in COMMANDS.items():
        began = time.monotonic()
        result = project.run(*command)

        assert result.exit_code != 0, way
        assert f"refuses the administrator {connection.user!r}" in result.output, result.output
        assert "correct minio:minioUser and minio:minioPassword" in result.output
        assert "not-the-password" not in result.output
        assert_plain_error(result.output)
        assert time.monotonic() - began < 10
    assert [r for r in project.resources().values() if r["type"].startswith("minio:")] == []

    point_to(tmp_path, connection, connection.server)
    project.up()


def test_a_password_that_became_wrong_is_one_clear_error(
    project: Project, connection: Connection, tmp_path: Path
) -> None:
    """Also where nothing is to be changed; the next `up` with the right one changes nothing."""
    project.set(minio={"connectionFile": str(point_to(tmp_path, connection, connection.server))})
    project.up()
    before = state_of(project)
    point_to(tmp_path, connection, connection.server, password="not-the-password")

    for way, command in COMMANDS.items():
        result = project.run(*command)

        assert result.exit_code != 0, way
        assert f"refuses the administrator {connection.user!r}" in result.output, result.output
        assert_plain_error(result.output)
        assert state_of(project) == before, way

    point_to(tmp_path, connection, connection.server)
    project.up()
    assert project.planned() == {}


def test_a_refresh_by_hand_while_the_server_is_down_fails_and_costs_no_state(
    behind: Project, proxy: FaultyProxy
) -> None:
    """The engine asks the provider before the program can ask the server; its preview fails."""
    behind.up()
    before = state_of(behind)
    proxy.fail(Fault.DOWN)

    for command in (("up", "--yes", "--refresh"), ("refresh", "--yes")):
        result = behind.run(*command, "--stack", STACK)

        assert result.exit_code != 0
        assert "connection refused" in result.output
        assert "Traceback" not in result.output
        assert state_of(behind) == before

    proxy.heal()
    behind.up("--expect-no-changes")


@pytest.fixture
def new_clone(tmp_path: Path, engine: toolchain_engine.Engine) -> Iterator[Clone]:
    """A clone whose server runs, and nothing else is up."""
    with cloned(tmp_path / "clone", engine) as made:
        made.server.start()
        yield made


@pytest.fixture
def clone(new_clone: Clone) -> Clone:
    """A clone that is up."""
    new_clone.dev("up")
    return new_clone


def through(clone: Clone, proxy: FaultyProxy) -> None:
    """Let a clone reach its server through a proxy."""
    written = json.loads(clone.place.connection_file.read_text())
    written["minioServer"] = proxy.address
    clone.place.connection_file.write_text(json.dumps(written))


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.BUSY, Fault.HANG])
def test_repair_during_an_outage_never_costs_state(clone: Clone, fault: Fault) -> None:
    """A refresh would drop the bucket from the state, so the server is asked first."""
    with FaultyProxy(clone.connection.server) as proxy:
        through(clone, proxy)
        clone.dev("up")
        before = clone.resources()
        proxy.fail(fault)

        for command in ("repair", "up", "preview"):
            result = clone.run(command)
            assert result.exit_code == 1, result.output
            assert_plain_error(result.output)
            assert result.seconds < GIVE_UP_SECONDS[fault], (command, result.seconds)
            assert clone.resources() == before

        proxy.heal()
        assert "(no changes)" in clone.dev("repair")


def test_repair_with_a_wrong_password_never_costs_state(clone: Clone) -> None:
    """Somebody changed the administrator's password, or the file."""
    written = clone.place.connection_file.read_text()
    before = clone.resources()
    broken = {**json.loads(written), "minioPassword": "not-the-password"}
    clone.place.connection_file.write_text(json.dumps(broken))

    for command in ("repair", "up"):
        result = clone.run(command)
        assert result.exit_code == 1
        assert "refuses the administrator" in result.output
        assert_plain_error(result.output)
        assert result.seconds < 10
    assert clone.resources() == before

    clone.place.connection_file.write_text(written)
    assert "(no changes)" in clone.dev("up")


MIDDLES = {
    "the bucket is made, and its answer lost": ("PUT /nix-cache/", False),
    "the bucket is made, and nothing after it": ("PUT /nix-cache/", True),
    "the user is made, and the answer lost": ("PUT /minio/admin/v3/add-user", False),
    "the user is made, and nothing after it": ("PUT /minio/admin/v3/add-user", True),
    "the policy is attached, and nothing after it": ("PUT /minio/admin/v3/set-user", True),
}


@pytest.mark.parametrize("middle", MIDDLES)
def test_an_outage_in_the_middle_of_an_up_is_made_good_by_the_next(
    tmp_path: Path, engine: toolchain_engine.Engine, middle: str
) -> None:
    """What was made before it is kept or made anew; nothing has to be removed by hand."""
    request, answered = MIDDLES[middle]
    with cloned(tmp_path / "clone", engine) as clone:
        clone.server.start()
        with FaultyProxy(clone.connection.server) as proxy:
            through(clone, proxy)
            proxy.go_down_after(request, answered=answered)

            result = clone.run("up")

            assert result.exit_code == 1
            assert_plain_error(result.output)
            assert any(seen.startswith(request) for seen in proxy.requests)
            proxy.heal()
            clone.dev("up")
            clone.assert_unchanged_by_up()
            assert clone.root.head_object(Bucket="nix-cache", Key="nix-cache-info")


def test_a_bucket_that_holds_something_is_never_taken_for_a_leftover(
    tmp_path: Path, engine: toolchain_engine.Engine
) -> None:
    """Somebody made one of that name, and filled it, before the interrupted run was finished."""
    with cloned(tmp_path / "clone", engine) as clone:
        clone.server.start()
        with FaultyProxy(clone.connection.server) as proxy:
            through(clone, proxy)
            proxy.go_down_after("PUT /nix-cache/", answered=False)
            assert clone.run("up").exit_code == 1
            proxy.heal()
            clone.root.put_object(Bucket="nix-cache", Key="theirs", Body=b"theirs")

            result = clone.run("up")

            assert result.exit_code == 1
            assert "bucket already exists" in result.output
            kept = clone.root.get_object(Bucket="nix-cache", Key="theirs")["Body"].read()
            assert kept == b"theirs"


def test_a_port_that_somebody_took_meanwhile_is_given_up(clone: Clone) -> None:
    """The server comes back on another port, and what clients are told follows."""
    before = clone.connection
    clone.server.stop()
    with FaultyProxy("127.0.0.1:1", port=int(before.server.rpartition(":")[2])) as other:
        other.fail(Fault.BUSY)

        output = clone.dev("up")

        assert clone.connection.server != before.server
        assert f"{clone.connection.url}/nix-cache" in output
        clone.assert_unchanged_by_up()

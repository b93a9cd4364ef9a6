"""A server that is down, busy, mute or strange: one clear error, and no state is lost.

Only this module goes through every kind of outage on MinIO, with and without a preview, and bounds
how long a command adopts it. A preview by itself is the first part of an `up`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nix_cache.backends.minio.connection import Connection
from tests.engine.clone import assert_plain_error
from tests.engine.command import Result
from tests.engine.project import STACK, Project, public_cache
from tests.fakes.faulty_proxy import GIVE_UP_SECONDS, Fault, FaultyProxy
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.faults

COMMANDS: dict[str, tuple[str, ...]] = {
    "up": ("up", "--yes", "--stack", STACK),
    "up without a preview": ("up", "--yes", "--skip-preview", "--stack", STACK),
}
PRIORITIES = {Fault.DOWN: 31, Fault.BUSY: 32, Fault.RESET: 33, Fault.HANG: 34}
"""What each outage keeps from being set."""


def point_to(folder: Path, root: Connection, server: str, password: str | None = None) -> Path:
    """Return a connection file for the same administrator by another address or password."""
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


@dataclass(frozen=True)
class Behind:
    """A cache that is up and reaches its server through a proxy.

    Attributes:
        project: its stack.
        proxy: the proxy.
        root: how the administrator reaches the server itself.
        connection_file: where the stack has its server and password from.
        ordinary_seconds: how long a run takes while all is well.
    """

    project: Project
    proxy: FaultyProxy
    root: Connection
    connection_file: Path
    ordinary_seconds: float


@pytest.fixture(scope="module")
def served(
    module_project: Project, module_server: LocalServer, module_folder: Path
) -> Iterator[Behind]:
    """One cache for all tests that leave it as it was."""
    root = module_server.connection()
    with FaultyProxy(root.server) as proxy:
        file = point_to(module_folder, root, proxy.address)
        module_project.set(minio={"connectionFile": str(file)})
        module_project.up()
        seconds = module_project.run(*COMMANDS["up"]).checked("a second up").seconds
        yield Behind(module_project, proxy, root, file, seconds)


@pytest.fixture
def behind(served: Behind) -> Iterator[Behind]:
    """Provide the cache, whose server answers before and after."""
    yield served
    served.proxy.heal()
    point_to(served.connection_file.parent, served.root, served.proxy.address)


def state_of(project: Project) -> dict[str, Any]:
    """Return the whole state in clear text, as encrypted secrets differ each time."""
    return {
        resource["urn"]: {key: resource.get(key) for key in ("id", "type", "inputs", "outputs")}
        for resource in project.state.resources_in_clear()
        if not resource["type"].startswith("pulumi:providers:")  # they hold the configuration
    }


@pytest.mark.parametrize("fault", PRIORITIES)
def test_an_outage_is_one_clear_error_and_costs_no_state(behind: Behind, fault: Fault) -> None:
    """With a change to be made; afterwards the change goes through."""
    project, proxy = behind.project, behind.proxy
    before = state_of(project)
    project.set(priority=PRIORITIES[fault])
    proxy.fail(fault)
    took = {}

    for way, command in COMMANDS.items():
        result = project.run(*command)

        assert result.exit_code != 0, way
        assert f"MinIO at http://{proxy.address} " in result.output, result.output
        assert "run the same command again" in result.output
        assert_plain_error(result.output)
        assert state_of(project) == before, way
        took[way] = result.seconds

    proxy.heal()
    assert project.planned() == {
        f"nix-cache-{key}": "update" for key in ("nix-cache-info", "index.html", "nix-cache.json")
    }
    again = project.run(*COMMANDS["up"]).checked("the up afterwards")
    assert_gave_up_soon(behind, took, again, fault)


def assert_gave_up_soon(
    behind: Behind, took: dict[str, float], again: Result, fault: Fault
) -> None:
    """Fail if a command took much longer than one that all is well for, before it or after it."""
    ordinary_seconds = max(behind.ordinary_seconds, again.seconds)
    for way, seconds in took.items():
        assert seconds < 2 * ordinary_seconds + GIVE_UP_SECONDS[fault], way


@pytest.fixture
def unmade(behind: Behind, tmp_path: Path, engine: Engine, module_folder: Path) -> Project:
    """Another cache on the server, through the proxy too, of which nothing is there yet."""
    project = public_cache(tmp_path / "project", engine, module_folder / "minio")
    project.set(bucket="another-cache", minio={"connectionFile": str(behind.connection_file)})
    return project


def made_by(project: Project) -> list[str]:
    """Return the types of the resources in the state that are something on the server."""
    types = (resource["type"] for resource in project.resources().values())
    return [one for one in types if one.startswith("minio:")]


def test_a_first_up_during_an_outage_makes_nothing(behind: Behind, unmade: Project) -> None:
    """Nothing is half made, and the next `up` makes all of it."""
    behind.proxy.fail(Fault.DOWN)

    result = unmade.run(*COMMANDS["up without a preview"])

    assert result.exit_code != 0
    assert_plain_error(result.output)
    assert made_by(unmade) == []
    behind.proxy.heal()
    unmade.up()
    unmade.destroy()


def test_a_first_up_with_a_wrong_password_is_one_clear_error(
    behind: Behind, unmade: Project
) -> None:
    """The administrator is named, the password is not shown, and nothing is made."""
    folder = behind.connection_file.parent
    point_to(folder, behind.root, behind.proxy.address, password="not-the-password")

    result = unmade.run(*COMMANDS["up without a preview"])

    assert result.exit_code != 0
    assert f"refuses the administrator {behind.root.user!r}" in result.output, result.output
    assert "correct minio:minioUser and minio:minioPassword" in result.output
    assert "not-the-password" not in result.output
    assert_plain_error(result.output)
    assert made_by(unmade) == []


def test_a_password_that_became_wrong_is_one_clear_error(behind: Behind) -> None:
    """Also where nothing is to be changed; the next `up` with the right one changes nothing."""
    project, root = behind.project, behind.root
    before = state_of(project)
    folder = behind.connection_file.parent
    point_to(folder, root, behind.proxy.address, password="not-the-password")
    took = {}

    for way, command in COMMANDS.items():
        result = project.run(*command)

        assert result.exit_code != 0, way
        assert f"refuses the administrator {root.user!r}" in result.output, result.output
        assert_plain_error(result.output)
        assert state_of(project) == before, way
        took[way] = result.seconds

    point_to(folder, root, behind.proxy.address)
    # The provider in the state has noted the other password.
    again = project.run(*COMMANDS["up"]).checked("the up afterwards")
    assert_gave_up_soon(behind, took, again, Fault.NONE)
    assert project.planned() == {}


def test_a_refresh_by_hand_while_the_server_is_down_fails_and_costs_no_state(
    behind: Behind,
) -> None:
    """The engine asks the provider before the program can ask the server; its preview fails."""
    before = state_of(behind.project)
    behind.proxy.fail(Fault.DOWN)

    for command in (("up", "--yes", "--refresh"), ("refresh", "--yes")):
        result = behind.project.run(*command, "--stack", STACK)

        assert result.exit_code != 0
        assert "connection refused" in result.output
        assert "Traceback" not in result.output
        assert state_of(behind.project) == before

    behind.proxy.heal()
    behind.project.up("--expect-no-changes")

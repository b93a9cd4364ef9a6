"""`make` while the server is down, busy or mute: one clear error, and no state is lost."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.clone import Clone, assert_plain_error, cloned
from tests.engine.faulty_proxy import GIVE_UP_SECONDS, Fault, FaultyProxy
from toolchain import engine as toolchain_engine

pytestmark = pytest.mark.faults


@dataclass(frozen=True)
class Behind:
    """A clone that is up and reaches its server through a proxy.

    Attributes:
        clone: the clone.
        proxy: the proxy.
        ordinary_seconds: how long a run takes while all is well.
    """

    clone: Clone
    proxy: FaultyProxy
    ordinary_seconds: float


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Behind]:
    """One clone for all tests that leave it as it was."""
    with cloned(tmp_path_factory.mktemp("outages") / "clone", engine) as clone:
        clone.server.start()
        with FaultyProxy(clone.connection.server) as proxy:
            clone.reach_through(proxy.address)
            clone.dev("up")
            seconds = clone.run("up").checked("a second make up").seconds
            yield Behind(clone, proxy, seconds)


@pytest.fixture
def behind(served: Behind) -> Iterator[Behind]:
    """The clone, whose server answers before and after."""
    connection_file = served.clone.place.connection_file
    written = connection_file.read_text()
    yield served
    served.proxy.heal()
    connection_file.write_text(written)


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.BUSY, Fault.HANG])
def test_repair_during_an_outage_never_costs_state(behind: Behind, fault: Fault) -> None:
    """A refresh would drop the bucket from the state, so the server is asked first."""
    before = behind.clone.resources()
    behind.proxy.fail(fault)

    for command in ("repair", "up", "preview"):
        result = behind.clone.run(command)
        assert result.exit_code == 1, result.output
        assert_plain_error(result.output)
        assert result.seconds < 2 * behind.ordinary_seconds + GIVE_UP_SECONDS[fault], command
        assert behind.clone.resources() == before

    behind.proxy.heal()
    assert "(no changes)" in behind.clone.dev("repair")


def test_repair_with_a_wrong_password_never_costs_state(behind: Behind) -> None:
    """Somebody changed the administrator's password, or the file."""
    clone = behind.clone
    written = clone.place.connection_file.read_text()
    before = clone.resources()
    broken = {**json.loads(written), "minioPassword": "not-the-password"}
    clone.place.connection_file.write_text(json.dumps(broken))

    for command in ("repair", "up"):
        result = clone.run(command)
        assert result.exit_code == 1
        assert "refuses the administrator" in result.output
        assert_plain_error(result.output)
        assert result.seconds < 2 * behind.ordinary_seconds + GIVE_UP_SECONDS[Fault.NONE], command
    assert clone.resources() == before

    clone.place.connection_file.write_text(written)
    assert "(no changes)" in clone.dev("up")


def test_a_port_that_somebody_took_meanwhile_is_given_up(
    tmp_path: Path, engine: toolchain_engine.Engine
) -> None:
    """The server comes back on another port, and what clients are told follows."""
    with cloned(tmp_path / "clone", engine) as clone:
        clone.dev("up")
        before = clone.connection
        clone.server.stop()
        with FaultyProxy("127.0.0.1:1", port=int(before.server.rpartition(":")[2])) as other:
            other.fail(Fault.BUSY)

            output = clone.dev("up")

            assert clone.connection.server != before.server
            assert f"{clone.connection.url}/nix-cache" in output
            clone.assert_unchanged_by_up()

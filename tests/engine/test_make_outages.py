"""`make` while the server is down, busy or mute: one clear error, and no state is lost.

Only this module shows `make repair` during an outage, whose refresh would drop the bucket from the
state. What the engine's own commands do is shown in `test_outages.py`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.engine.clone import Clone, assert_plain_error, cloned
from tests.fakes.faulty_proxy import GIVE_UP_SECONDS, Fault, FaultyProxy
from tools import engine as toolchain_engine

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
    """Provide the clone, whose server answers before and after."""
    connection_file = served.clone.place.connection_file
    written = connection_file.read_text()
    yield served
    served.proxy.heal()
    connection_file.write_text(written)


@pytest.mark.parametrize(
    ("fault", "commands"),
    [
        (Fault.DOWN, ["repair", "up", "preview"]),
        (Fault.BUSY, ["repair"]),
        (Fault.HANG, ["repair"]),
    ],
)
def test_an_outage_never_costs_state(behind: Behind, fault: Fault, commands: list[str]) -> None:
    """A refresh would drop the bucket from the state, so the server is asked first."""
    before = behind.clone.resources()
    behind.proxy.fail(fault)

    took = {}
    for command in commands:
        result = behind.clone.run(command)
        assert result.exit_code == 1, result.output
        assert_plain_error(result.output)
        assert behind.clone.resources() == before
        took[command] = result.seconds

    behind.proxy.heal()
    again = behind.clone.run("repair").checked("make repair")
    assert "is up to date (no changes)" in again.output
    for command, seconds in took.items():
        # The machine may be busier than when the stack came up.
        ordinary_seconds = max(behind.ordinary_seconds, again.seconds)
        assert seconds < 2 * ordinary_seconds + GIVE_UP_SECONDS[fault], command


def test_repair_with_a_wrong_password_never_costs_state(behind: Behind) -> None:
    """The administrator's password was changed, or the file."""
    clone = behind.clone
    written = clone.place.connection_file.read_text()
    before = clone.resources()
    broken = {**json.loads(written), "minioPassword": "not-the-password"}
    clone.place.connection_file.write_text(json.dumps(broken))

    result = clone.run("repair")

    assert result.exit_code == 1
    assert "refuses the administrator" in result.output
    assert_plain_error(result.output)
    assert clone.resources() == before

    clone.place.connection_file.write_text(written)
    again = clone.run("up").checked("make up")
    assert "No changes. The cache is up." in again.output
    ordinary_seconds = max(behind.ordinary_seconds, again.seconds)
    assert result.seconds < 2 * ordinary_seconds + GIVE_UP_SECONDS[Fault.NONE]

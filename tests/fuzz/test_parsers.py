"""A short run on every parser, and a replay of all inputs that failed once."""

from pathlib import Path

import pytest

from tests.fuzz.driver import Result, run_slice
from tests.fuzz.target import REGRESSIONS, Target
from tests.fuzz.targets import TARGETS

EXAMPLES = 60
SECONDS = 10.0

KNOWN = [(target, path) for target in TARGETS for path in target.regressions()]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_parser_returns_a_value_or_its_documented_error(target: Target) -> None:
    """For the same few inputs each time; `make fuzz` tries others."""
    result = Result(target)

    run_slice(result, EXAMPLES, SECONDS, seed=None)

    assert result.failing is None, f"{result.failing!r:.300}\n{result.failure}"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_parser_accepts_the_inputs_to_start_from(target: Target) -> None:
    """Else every property would hold because nothing is ever read."""
    assert all(map(target.try_input, target.seeds))


@pytest.mark.parametrize(("target", "path"), KNOWN, ids=[f"{t.name}/{p.name}" for t, p in KNOWN])
def test_an_input_that_failed_once_passes(target: Target, path: Path) -> None:
    """Found by a run, or taken from a report."""
    target.try_input(path.read_bytes())


def test_every_folder_of_regressions_belongs_to_a_target() -> None:
    """One that is renamed takes its inputs along."""
    folders = {path.name for path in REGRESSIONS.iterdir()}

    assert folders <= {target.name for target in TARGETS}

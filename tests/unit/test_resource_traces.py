"""Resources without call stacks: states keep what the SDK sends of them."""

import contextlib
import sys
import traceback
from typing import Any

import pulumi
import pytest

from nix_cache import BinaryCache
from nix_cache.resource_traces import untraced
from tests.fakes.aws_answers import FREE
from tests.unit.mocks import Recorder, run
from tests.unit.test_state_format import CACHES


class Own(pulumi.ComponentResource):
    """A component of the program."""

    def __init__(self) -> None:
        super().__init__("test:index:Own", "own")


@pytest.mark.parametrize("backend", CACHES)
def test_only_the_component_itself_is_registered_with_its_call_stack(backend: str) -> None:
    """It leads to the line of the program. Resources of the program keep theirs as well."""

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", CACHES[backend])
        Own()
        return cache.manifest

    recorder = run(program, Recorder(answers=dict(FREE) if backend == "aws" else {}))

    traced = {resource.name for resource in recorder.resources if resource.frames}
    assert traced == {"c", "own"}


def test_errors_are_shown_in_full_after_the_block() -> None:
    """Python's limit of call stacks counts when they are shown, and is gone by then."""

    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError("deep")
        deep(levels - 1)

    with pytest.raises(ValueError, match="deep") as error, untraced():
        deep(30)

    assert not hasattr(sys, "tracebacklimit")
    assert len(traceback.extract_tb(error.tb)) > 30


def test_a_limit_that_the_program_has_set_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when blocks are nested."""
    monkeypatch.setattr(sys, "tracebacklimit", 7, raising=False)
    with untraced(), untraced():
        pass

    assert sys.tracebacklimit == 7


def test_blocks_that_overlap_leave_no_limit_behind() -> None:
    """As of two stacks that one program brings up in two threads."""
    first, second = untraced(), untraced()
    with contextlib.ExitStack() as later:
        with first:
            later.enter_context(second)
        assert hasattr(sys, "tracebacklimit")

    assert not hasattr(sys, "tracebacklimit")

"""The driver finds faults, keeps the smallest input, and ends in time."""

import time
from pathlib import Path

import pytest

from tests.fuzz import target as target_module
from tests.fuzz.driver import Result, keep, run_all, run_slice
from tests.fuzz.target import Shape, Target


def _fails_on_a_repeated_line(data: bytes) -> bool:
    lines = data.splitlines()
    assert len(set(lines)) == len(lines)
    return bool(lines)


def _fails_on_folded_names(data: bytes) -> bool:
    if "\u017f".encode() in data:
        raise KeyError("a name")
    return True


def _hangs(data: bytes) -> bool:
    time.sleep(60 if data else 0)
    return True


@pytest.mark.parametrize(
    "planted",
    [
        Target("planted", _fails_on_a_repeated_line, (b"a: 1\nb: 2\n",)),
        Target("planted", _fails_on_folded_names, (b'{"Statement": 1}',), Shape.JSON),
    ],
)
def test_a_fault_is_found_and_its_smallest_input_kept(
    planted: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And tried again before everything else."""
    monkeypatch.setattr(target_module, "REGRESSIONS", tmp_path)
    result = Result(planted)

    run_slice(result, 2000, 60.0, seed=1)

    assert result.failing is not None
    assert len(result.failing) < 40
    kept = keep(result)
    assert Path(kept).read_bytes() == result.failing
    [again] = run_all([planted], 0.0, 1, lambda _: None)
    assert again.failing == result.failing
    assert "FAILED" in again.row()


def test_an_input_that_hangs_is_a_fault() -> None:
    """Whatever it waits for."""
    result = Result(Target("hangs", _hangs, (b"a",)))

    run_slice(result, 1, 60.0, seed=1, hang_seconds=0.1)

    assert result.failing
    assert "took longer than 0.1 s" in result.failure


def test_targets_share_the_time() -> None:
    """Each gets its turn, and the run ends."""
    targets = [Target(name, lambda _: True, (b"a",)) for name in ("one", "two", "three")]
    started = time.monotonic()

    results = run_all(targets, 1.2, 1, lambda _: None)

    assert time.monotonic() - started < 20
    assert all(result.examples > 4 and result.failing is None for result in results)

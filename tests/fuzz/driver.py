"""Runs targets for a time that they share, and keeps the inputs that fail."""

import hashlib
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.strategies import inputs
from tests.fuzz.target import Target

FIRST_EXAMPLES = 50
MOST_EXAMPLES = 1_000_000
TURNS = 4
MOST_SHRINKING_SECONDS = 10.0
HANG_SECONDS = 30.0
"""After which one input counts as a hang, whatever it waits for."""

HEADER = f"{'parser':<26} {'examples':>9} {'accepted':>9} {'seconds':>8}  result"


class _TimeIsUp(BaseException):
    """The share of a target is used up. Not an Exception, as Hypothesis would shrink that."""


@dataclass
class Result:
    """What came of a target so far.

    Attributes:
        target: the target.
        examples: how many inputs were tried.
        accepted: how many of them the parser accepted.
        seconds: how long that took.
        failing: the smallest input that was found to fail.
        failure: what happened then.
    """

    target: Target
    examples: int = 0
    accepted: int = 0
    seconds: float = 0.0
    failing: bytes | None = None
    failure: str = ""

    def row(self) -> str:
        """Return its line of the table."""
        verdict = "ok" if self.failing is None else "FAILED"
        return (
            f"{self.target.name:<26} {self.examples:>9,} {self.accepted:>9,} "
            f"{self.seconds:>8.1f}  {verdict}"
        )


def run_slice(
    result: Result,
    examples: int,
    seconds: float,
    *,
    seed: int | None,
    hang_seconds: float | None = None,
) -> None:
    """Try inputs on a target until one fails, and add that to its result.

    Args:
        result: of the target.
        examples: the most inputs.
        seconds: the longest time. Shrinking an input that fails takes longer.
        seed: for random inputs; None for the same ones each time.
        hang_seconds: after how long one input fails. Works in the main thread alone.
    """
    started = time.monotonic()

    def attempt(data: bytes) -> None:
        if result.failing is None and time.monotonic() - started > seconds:
            raise _TimeIsUp
        result.examples += 1
        try:
            with _no_longer_than(hang_seconds):
                result.accepted += result.target.try_input(data)
        except BaseException:
            result.failing = data  # Hypothesis tries the smallest one last
            raise

    profile = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    test = profile(given(inputs(result.target))(attempt))
    if seed is not None:
        test = hypothesis.seed(seed)(test)
    try:
        test()
    except _TimeIsUp:
        pass
    except Exception as failure:
        result.failing = _smallest(result, type(failure), hang_seconds)
        result.failure = traceback.format_exc(limit=-6)
    finally:
        result.seconds += time.monotonic() - started


def _smallest(result: Result, failure: type[Exception], hang_seconds: float | None) -> bytes:
    """Cut pieces out of an input for as long as it fails in the same way."""
    data = result.failing or b""
    deadline = time.monotonic() + MOST_SHRINKING_SECONDS
    size = len(data) // 2
    while size and time.monotonic() < deadline:
        for start in range(0, len(data), size):
            shorter = data[:start] + data[start + size :]
            try:
                with _no_longer_than(hang_seconds):
                    result.target.try_input(shorter)
            except failure:
                data = shorter
                break
            except Exception:
                continue
        else:
            size //= 2
    return data


def replay(result: Result) -> None:
    """Try the inputs that failed once, until one fails again."""
    for path in result.target.regressions():
        try:
            result.target.try_input(path.read_bytes())
        except Exception:
            result.failing, result.failure = path.read_bytes(), traceback.format_exc(limit=-6)
            return


def run_all(
    targets: Sequence[Target], seconds: float, first_seed: int, report: Callable[[str], None]
) -> list[Result]:
    """Run targets in turns until the time is over. Each gets the same share of every turn.

    Args:
        targets: what to run.
        seconds: how long, in all.
        first_seed: of the first turn; later ones count on from it.
        report: takes a line about each slice.
    """
    results = [Result(target) for target in targets]
    started = time.monotonic()
    for result in results:
        replay(result)
    for turn in range(TURNS):
        active = [result for result in results if result.failing is None]
        left = seconds - (time.monotonic() - started)
        share = left / (TURNS - turn) / max(1, len(active))
        for result in active:
            run_slice(
                result,
                MOST_EXAMPLES,
                share,
                seed=first_seed + turn,
                hang_seconds=HANG_SECONDS,
            )
            report(f"turn {turn + 1} of {TURNS}: {result.row()}")
    return results


def keep(result: Result) -> str:
    """Write the input that failed into the folder of regressions; return the file's name."""
    data = result.failing or b""
    result.target.folder.mkdir(parents=True, exist_ok=True)
    path = result.target.folder / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return str(path)


@contextmanager
def _no_longer_than(seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"one input took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

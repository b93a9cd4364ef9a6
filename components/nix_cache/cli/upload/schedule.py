"""Does two steps for many things: the first in any order, the second after those it depends on."""

import heapq
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.s3.client import SmallPut

_STALLED_SECONDS = 1.0
"""Without an answer to any small request. Threads do further steps then."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Taken = TypeVar("_Taken", contravariant=True)
_Prepared = TypeVar("_Prepared", contravariant=True)


class Step(IntEnum):
    """In the order in which they are taken."""

    STOP = 0
    FINISH = 1
    PREPARE = 2


class Begun(NamedTuple):
    """A step that takes one small request.

    Attributes:
        put: what is sent.
        end: called when it was written; returns the result of the step.
    """

    put: SmallPut["Task"]
    end: Callable[[], Any]


class Task(NamedTuple):
    """A step to be done for a thing.

    Attributes:
        step: which one.
        rank: which of these is done first.
        number: of the thing.
    """

    step: Step
    rank: int
    number: int


class Quick(Protocol[_Taken, _Prepared]):
    """Steps that take one small request. One thread sends all of these."""

    def is_quick(self, item: _Taken) -> bool:
        """Return whether the first step of a thing may be such a step."""

    def prepare(self, item: _Taken, task: Task) -> Begun | None:
        """Begin the first step; None if it takes more."""

    def finish(self, item: _Taken, result: _Prepared, task: Task) -> Begun | None:
        """Begin the second step; None if it takes more."""

    def send(
        self, puts: Iterator[SmallPut[Task] | None], waker: Waker
    ) -> Iterator[tuple[SmallPut[Task], bool] | None]:
        """Send requests; returns each, and whether it was done. If not, a thread does the step.

        Returns None in between when the waker was woken or nothing was answered for a while.
        """


@dataclass(frozen=True)
class Steps(Generic[_Item, _Result]):
    """What to do with each thing.

    Attributes:
        prepare: the first step, in any order.
        finish: the second step, with the result of the first one.
        size: how long the first step takes, in any unit. What takes longest begins first, so that
            nothing long is left for one thread at the end.
        quick: the same steps, where they take one small request; None if none does.
    """

    prepare: Callable[[_Item], _Result]
    finish: Callable[[_Item, _Result], None]
    size: Callable[[_Item], int] = lambda _: 0
    quick: Quick[_Item, _Result] | None = None


def in_order(
    steps: Steps[_Item, _Result],
    items: Sequence[_Item],
    needs: Mapping[int, Iterable[int]],
    jobs: int,
) -> Iterator[_Item]:
    """Do both steps for each thing, several at a time.

    Quick steps are done in this thread, all others in further ones. These end with the process: an
    error, an interrupt or a caller that stops early does not wait for a thread that blocks.

    Args:
        steps: what to do.
        items: with what, each after those it depends on.
        needs: by the number of a thing, the numbers of those whose second step comes before its
            own. All of them are smaller.
        jobs: how many at a time.

    Yields:
        each thing when it is done.

    Raises:
        Exception: what a step raised first. The rest is not done.
    """
    run = _Run(steps, items, needs, jobs)
    try:
        yield from run.all()
    finally:
        run.stop()


class _Run(Generic[_Item, _Result]):
    def __init__(
        self,
        steps: Steps[_Item, _Result],
        items: Sequence[_Item],
        needs: Mapping[int, Iterable[int]],
        jobs: int,
    ) -> None:
        self._steps = steps
        self._items = items
        self._jobs = jobs
        self._waits_for = {number: set(needs.get(number, ())) for number in range(len(items))}
        self._dependents: dict[int, list[int]] = {}
        for number, others in self._waits_for.items():
            for other in others:
                if other >= number:
                    raise ValueError(f"{items[number]} comes before what it depends on")
                self._dependents.setdefault(other, []).append(number)
        self._prepared: dict[int, _Result] = {}
        self._quick = deque[int]()
        """Things whose first step may be quick, and is not begun."""
        self._ready: list[int] = []
        """Things whose second step is not begun, and may be."""
        self._begun: dict[Task, Begun] = {}
        self._finishing = self._finished = 0
        self._ended: list[_Item] = []
        self._tasks: queue.PriorityQueue[Task] = queue.PriorityQueue()
        self._results: queue.SimpleQueue[tuple[Task, Any, Exception | None]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._waker = Waker()
        self._handed = self._threads = 0

    def all(self) -> Iterator[_Item]:
        """Do all steps; yields each thing when it is done."""
        quick = self._steps.quick
        for number, item in enumerate(self._items):
            if quick is not None and quick.is_quick(item):
                self._quick.append(number)
            else:
                self._hand(self._first_step(number))
        self._start_threads()
        while self._finished < len(self._items):
            if quick is not None:
                yield from self._sent(quick)
            self._hand_over(self._jobs)
            self._start_threads()
            if self._finished < len(self._items):
                self._take(self._results.get())
            yield from self._drained()

    def _sent(self, quick: Quick[_Item, _Result]) -> Iterator[_Item]:
        """Do quick steps while there are any and connections are open; yields what is done."""
        answered = time.monotonic()
        for answer in quick.send(self._puts(quick), self._waker):
            now = time.monotonic()
            if answer is None:
                self._take_results()
                if now - answered >= _STALLED_SECONDS:
                    # These requests may hang for long. What they leave no connection for goes on.
                    self._hand_over(self._jobs - len(self._begun))
                    self._start_threads()
            else:
                answered = now
                put, is_done = answer
                end = self._begun.pop(put.tag).end
                if is_done:
                    self._done(put.tag, end())
                else:
                    self._hand(put.tag)
            yield from self._drained()
        yield from self._drained()

    def stop(self) -> None:
        """Let threads end when they have done what they do."""
        self._stopped.set()
        self._waker.close()
        for _ in range(self._threads):
            self._tasks.put(Task(Step.STOP, 0, 0))

    def _drained(self) -> Iterator[_Item]:
        """Take what threads have done; yields what is done."""
        self._take_results()
        ended, self._ended = self._ended, []
        yield from ended

    def _puts(self, quick: Quick[_Item, _Result]) -> Iterator[SmallPut[Task] | None]:
        """Begin quick steps, and yield their requests; None where there is none now."""
        while True:
            self._start_threads()
            self._take_results()
            task = self._next()
            if task is None:
                yield None
                continue
            item = self._items[task.number]
            if task.step is Step.PREPARE:
                begun = quick.prepare(item, task)
            else:
                begun = quick.finish(item, self._prepared[task.number], task)
            if begun is None:
                self._hand(task)
            else:
                self._begun[task] = begun
                yield begun.put

    def _next(self) -> Task | None:
        """Return the next step that may begin here; None if there is none now."""
        # The first narinfo shows how the storage takes the others.
        if self._ready and (self._finished or not self._finishing):
            self._finishing += 1
            number = heapq.heappop(self._ready)
            return Task(Step.FINISH, number, number)
        if self._quick:
            return self._first_step(self._quick.popleft())
        return None

    def _first_step(self, number: int) -> Task:
        return Task(Step.PREPARE, -self._steps.size(self._items[number]), number)

    def _hand_over(self, most: int) -> None:
        """Let threads do steps for which no connection is open or free, and open some."""
        for _ in range(most):
            if (task := self._next()) is not None:
                self._hand(task)

    def _hand(self, task: Task) -> None:
        """Let a thread do a step."""
        self._handed += 1
        self._tasks.put(task)

    def _start_threads(self) -> None:
        while self._threads < min(self._jobs, self._handed):
            threading.Thread(target=self._serve, daemon=True).start()
            self._threads += 1

    def _serve(self) -> None:
        while (task := self._tasks.get()).step is not Step.STOP and not self._stopped.is_set():
            item = self._items[task.number]
            try:
                if task.step is Step.PREPARE:
                    result = self._steps.prepare(item)
                    self._results.put((task, result, None))
                else:
                    self._steps.finish(item, self._prepared[task.number])
                    self._results.put((task, None, None))
            except Exception as failure:
                self._stopped.set()
                self._results.put((task, None, failure))
            self._waker.wake()

    def _take_results(self) -> None:
        """Take what threads have done since the last time."""
        while not self._results.empty():
            self._take(self._results.get())

    def _take(self, outcome: tuple[Task, Any, Exception | None]) -> None:
        """Take what a thread has done."""
        task, result, failure = outcome
        if failure is not None:
            raise failure
        self._handed -= 1
        self._done(task, result)

    def _done(self, task: Task, result: Any) -> None:
        number = task.number
        if task.step is Step.PREPARE:
            self._prepared[number] = result
            if not self._waits_for[number]:
                heapq.heappush(self._ready, number)
            return
        del self._prepared[number]
        self._finished += 1
        for other in self._dependents.get(number, ()):
            self._waits_for[other].discard(number)
            if not self._waits_for[other] and other in self._prepared:
                heapq.heappush(self._ready, other)
        self._ended.append(self._items[number])

"""Does two steps for many things: the first in any order, the second after those it depends on."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _Step(IntEnum):
    """In the order in which threads take them."""

    STOP = 0
    FINISH = 1
    PREPARE = 2


@dataclass(frozen=True, order=True)
class _Task:
    step: _Step
    rank: int
    number: int


@dataclass(frozen=True)
class Steps(Generic[_Item, _Result]):
    """What to do with each thing.

    Attributes:
        prepare: the first step, in any order.
        finish: the second step, with the result of the first one.
        size: how long the first step takes, in any unit. What takes longest begins first, so that
            nothing long is left for one thread at the end.
    """

    prepare: Callable[[_Item], _Result]
    finish: Callable[[_Item, _Result], None]
    size: Callable[[_Item], int] = lambda _: 0


def in_order(
    steps: Steps[_Item, _Result],
    items: Sequence[_Item],
    needs: Mapping[int, Iterable[int]],
    jobs: int,
) -> Iterator[_Item]:
    """Do both steps for each thing, several at a time.

    The threads end with the process: an error, an interrupt or a caller that stops early does not
    wait for a thread that blocks.

    Args:
        steps: what to do; it runs in other threads.
        items: with what, each after those it depends on.
        needs: by the number of a thing, the numbers of those whose second step comes before its
            own. All of them are smaller.
        jobs: how many at a time.

    Yields:
        each thing when it is done.

    Raises:
        Exception: what a step raised first. The rest is not done.
    """
    tasks: queue.PriorityQueue[_Task] = queue.PriorityQueue()
    results: queue.SimpleQueue[tuple[_Task, Any, Exception | None]] = queue.SimpleQueue()
    prepared: dict[int, _Result] = {}
    waits_for = {number: set(needs.get(number, ())) for number in range(len(items))}
    dependents: dict[int, list[int]] = {}
    for number, others in waits_for.items():
        for other in others:
            if other >= number:
                raise ValueError(f"{items[number]} comes before what it depends on")
            dependents.setdefault(other, []).append(number)
    stopped = threading.Event()

    def serve() -> None:
        while (task := tasks.get()).step is not _Step.STOP and not stopped.is_set():
            item = items[task.number]
            try:
                if task.step is _Step.PREPARE:
                    result = steps.prepare(item)
                else:
                    steps.finish(item, prepared[task.number])
                    result = None
                results.put((task, result, None))
            except Exception as failure:
                stopped.set()
                results.put((task, None, failure))

    for number in range(len(items)):
        tasks.put(_Task(_Step.PREPARE, -steps.size(items[number]), number))
    threads = min(jobs, len(items))
    try:
        for _ in range(threads):
            threading.Thread(target=serve, daemon=True).start()
        finished = 0
        while finished < len(items):
            task, result, failure = results.get()
            if failure is not None:
                raise failure
            number = task.number
            if task.step is _Step.PREPARE:
                prepared[number] = result
                if not waits_for[number]:
                    tasks.put(_Task(_Step.FINISH, number, number))
                continue
            del prepared[number]
            finished += 1
            for other in dependents.get(number, ()):
                waits_for[other].discard(number)
                if not waits_for[other] and other in prepared:
                    tasks.put(_Task(_Step.FINISH, other, other))
            yield items[number]
    finally:
        stopped.set()
        for _ in range(threads):
            tasks.put(_Task(_Step.STOP, 0, 0))

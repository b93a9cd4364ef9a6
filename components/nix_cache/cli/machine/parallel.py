"""Does something with many things at once, holding few results at a time."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_parallel(
    work: Callable[[_Item], _Result], items: Iterable[_Item], jobs: int
) -> Iterator[tuple[_Item, _Result]]:
    """Do something with each item, several at a time.

    At most twice as many results as jobs are held. The threads end with the process: an error, an
    interrupt or a caller that stops early does not wait for a thread that blocks.

    Args:
        work: what to do; it runs in other threads.
        items: with what; taken one by one, in this thread.
        jobs: how many at a time.

    Yields:
        each item with its result, in the order in which they are done.

    Raises:
        Exception: what ``work`` raised first. The rest is not done.
    """
    tasks: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[_Item, _Result | None, Exception | None]]
    results = queue.SimpleQueue()
    stopped = threading.Event()

    def serve() -> None:
        while (item := tasks.get()) is not None and not stopped.is_set():
            try:
                results.put((item, work(item), None))
            except Exception as failure:
                results.put((item, None, failure))

    threads = 0
    pending = 0
    rest = iter(items)
    try:
        while True:
            while pending < 2 * jobs and (item := next(rest, None)) is not None:
                tasks.put(item)
                pending += 1
                if threads < min(jobs, pending):
                    threading.Thread(target=serve, daemon=True).start()
                    threads += 1
            if pending == 0:
                return
            done, result, failure = results.get()
            pending -= 1
            if failure is not None:
                raise failure
            yield done, result  # type: ignore[misc]  # a result wherever there is no failure
    finally:
        stopped.set()
        for _ in range(threads):
            tasks.put(None)

"""Pushes what waits in a queue."""

import time
from collections.abc import Callable, Sequence

from nix_cache.client import console, nix_program
from nix_cache.client.errors import ClientError
from nix_cache.client.hook.queue import Queue
from nix_cache.client.push import report, session
from nix_cache.client.push.command import JOBS
from nix_cache.client.push.refusals import BusyError, RefusedError
from nix_cache.client.push.report import Result
from nix_cache.client.push.writer import Writer, as_writer
from nix_cache.client.record import Record

Push = Callable[[Writer, Sequence[str], int], Result]


def drain(record: Record, queue: Queue, push: Push = session.push) -> bool:
    """Push what waits, and what comes meanwhile, each once. What fails stays in the queue.

    Args:
        record: the cache.
        queue: the cache's.
        push: pushes some paths.

    Returns:
        whether all went well.

    Raises:
        ClientError: nothing can be pushed, and this says why.
    """
    with queue.turn() as is_ours:
        if not is_ours:
            console.note("Somebody else is about to push what waits.")
            return True
        try:
            worker = _Worker(as_writer(record), queue, push)
            worker.run()
        except ClientError as failure:
            queue.note_error(str(failure))
            raise
        queue.note_error("; ".join(worker.problems) or None)
        return not worker.problems


class _Worker:
    """One run over a queue.

    Args:
        writer: as whom.
        queue: what waits.
        push: pushes some paths.
    """

    def __init__(self, writer: Writer, queue: Queue, push: Push) -> None:
        self.problems: list[str] = []
        self._writer = writer
        self._queue = queue
        self._push = push
        self._failed: set[str] = set()

    def run(self) -> None:
        """Go on until nothing is left but what has failed in this run."""
        while waiting := [path for path in self._queue.paths() if path not in self._failed]:
            console.note(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {len(waiting)} paths wait")
            gone = set(nix_program.invalid(waiting))
            for path in gone:
                console.note(f"{path} is no longer in this machine's store: it is not pushed")
                self._queue.remove(path)
            if there := [path for path in waiting if path not in gone]:
                self._try(there)

    def _try(self, paths: Sequence[str]) -> None:
        try:
            result = self._push(self._writer, paths, JOBS)
        except (BusyError, RefusedError):
            raise
        except ClientError as failure:
            if len(paths) > 1:  # one that cannot be pushed must not hold up the others
                for path in paths:
                    self._try([path])
                return
            self._failed.update(paths)
            self._tell(f"{paths[0]}: {failure}")
            return
        report.tell(result)
        if result.refused:  # waiting would not mend that, and everything that refers to it waits
            self.problems.append(f"readers refuse {result.refused[0].path} and perhaps more")
        for path in paths:
            self._queue.remove(path)

    def _tell(self, problem: str) -> None:
        console.error(problem)
        self.problems.append(problem)

"""Pushes what waits in a queue. No path holds up the others, and every failure is kept."""

import contextlib
import time
from collections.abc import Callable, Sequence

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError
from nix_cache.cli.hook.failures import Failure
from nix_cache.cli.hook.queue import Queue
from nix_cache.cli.machine import console
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.nix import program
from nix_cache.cli.s3.errors import BusyError, NoCredentialError, RefusedError, UnansweredError
from nix_cache.cli.upload import report, session
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer, as_writer
from nix_cache.redaction import redacted

Push = Callable[[Writer, Sequence[str], UploadOptions], Result]

MOST_IN_A_ROW = 3
"""Paths that the storage does not take one after the other, before the run is given up."""

_SHOWN_PROBLEMS = 5


def drain(
    record: Record, queue: Queue, push: Push = session.push, clock: Callable[[], float] = time.time
) -> bool:
    """Push what waits, and what comes meanwhile, each once. What fails stays in the queue.

    Args:
        record: the cache.
        queue: the cache's.
        push: pushes some paths.
        clock: the time, in seconds since 1970.

    Returns:
        whether all went well.

    Raises:
        ClientError: nothing can be pushed, and this says why.
    """
    with queue.turn() as is_ours:
        if not is_ours:
            console.note("Another process is about to push the queue.")
            return True
        worker = None
        try:
            worker = _Worker(as_writer(record), queue, push, clock)
            worker.run()
        except (KeyboardInterrupt, SystemExit):
            queue.note_error("the last run was interrupted before its end")
            raise
        except Exception as failure:
            queue.note_error(_said(failure))
            raise
        finally:
            if worker is not None:
                worker.save()
        queue.note_error(_summary(worker.problems))
        return not worker.problems


class _Worker:
    """One run over a queue.

    Args:
        writer: as whom.
        queue: what waits.
        push: pushes some paths.
        clock: the time, in seconds since 1970.
    """

    def __init__(
        self, writer: Writer, queue: Queue, push: Push, clock: Callable[[], float]
    ) -> None:
        self._problems: list[str] = []
        self._faults: list[str] = []
        self._writer = writer
        self._queue = queue
        self._push = push
        self._options = UploadOptions.of()
        self._clock = clock
        self._failures = queue.failures()
        self._tried: set[str] = set()
        self._untaken: list[tuple[str, ClientError]] = []
        """Paths that the storage did not take since it took one. It may be the fault of either."""
        self._was_untaken = False
        """Whether there was any such path in this run."""
        self._has_pushed = False

    @property
    def problems(self) -> list[str]:
        """What went wrong: with paths first, then with what else is in the queue."""
        return [*self._problems, *self._faults]

    def run(self) -> None:
        """Go on until nothing is left but what has failed.

        Raises:
            ClientError: the storage, or Nix, fails for every path.
        """
        self._faults = self._queue.faults()
        for fault in self._faults:
            console.error(fault)
        self._failures.keep_only(self._queue.paths())
        for path in self._queue.paths():
            known = self._failures.of(path)
            if known and not known.is_due(self._clock()):
                self._tried.add(path)
                self._report(_postponed(path, known))
        while waiting := self._waiting():
            now, count = time.strftime("%Y-%m-%d %H:%M:%S"), counted(len(waiting), "path")
            console.note(f"{now} waiting: {count}")
            there = self._without_gone(waiting)
            new = [path for path in there if self._failures.of(path) is None]
            if new:
                self._try(new)
                continue
            for path in there:  # what failed before comes last, and alone
                self._try([path])
        if self._untaken and not self._has_pushed:
            raise self._untaken[-1][1]
        self._settle()
        self._failures.is_split = self._was_untaken

    def _waiting(self) -> list[str]:
        """Return the paths that this run has not tried; with none left, hooks start another run."""
        if waiting := self._untried():
            return waiting
        self._queue.retire()
        if waiting := self._untried():
            self._queue.announce()
        return waiting

    def _untried(self) -> list[str]:
        return [path for path in self._queue.paths() if path not in self._tried]

    def save(self) -> None:
        """Keep what is known of failed paths. A full disk is no reason to stop."""
        with contextlib.suppress(OSError):
            self._failures.save()

    def _without_gone(self, paths: Sequence[str]) -> list[str]:
        """Those paths that are in the store. The others leave the queue."""
        try:
            gone = set(program.invalid(paths))
        except ClientError as failure:
            gone = self._gone_alone(paths, failure)
        for path in gone:
            console.note(f"{path} is no longer in this machine's store: it is not pushed")
            self._take_out(path)
        return [path for path in paths if path not in gone and path not in self._tried]

    def _gone_alone(self, paths: Sequence[str], failure: ClientError) -> set[str]:
        """Ask for each path alone, for Nix does not answer for all of them because of some."""
        gone: set[str] = set()
        broken: dict[str, ClientError] = {}
        for count, path in enumerate(paths, start=1):
            try:
                gone.update(program.invalid([path]))
            except ClientError as mistake:
                broken[path] = mistake
            if len(broken) == count and count == min(MOST_IN_A_ROW, len(paths)):
                raise failure
        for path, reason in broken.items():
            self._tried.add(path)
            self._fail(path, _said(reason))
        return gone

    def _try(self, paths: Sequence[str]) -> None:
        try:
            result = self._push(self._writer, paths, self._options)
        except (UnansweredError, NoCredentialError):
            raise
        except (BusyError, RefusedError) as failure:
            if not self._failures.is_split:
                self._failures.is_split = True
                raise
            self._was_untaken = True
            if len(paths) > 1:
                middle = len(paths) // 2
                self._try(paths[:middle])
                self._try(paths[middle:])
                return
            self._tried.update(paths)
            self._untaken.append((paths[0], failure))
            if len(self._untaken) >= MOST_IN_A_ROW:
                raise
        except Exception as failure:
            if len(paths) > 1:  # one that cannot be pushed must not hold up the others
                for path in paths:
                    self._try([path])
            else:
                self._tried.update(paths)
                self._fail(paths[0], _said(failure))
        else:
            self._has_pushed = True
            self._settle()
            report.print_result(result)
            if result.refused:  # waiting would not mend that, and all that refers to it waits
                self._problems.append(f"readers refuse {result.refused[0].path} and perhaps more")
            for path in paths:
                self._take_out(path)

    def _settle(self) -> None:
        """Blame the paths that the storage did not take, because it takes others."""
        for path, failure in self._untaken:
            self._fail(path, _said(failure))
        self._untaken.clear()

    def _take_out(self, path: str) -> None:
        self._failures.remove(path)
        try:
            self._queue.remove(path)
        except OSError as failure:
            self._tried.add(path)
            self._report(f"{path} cannot be taken out of the queue: {failure.strerror}")

    def _fail(self, path: str, reason: str) -> None:
        self._failures.add(path, redacted(reason), self._clock())
        self._report(f"{path}: {reason}")

    def _report(self, problem: str) -> None:
        console.error(problem)
        self._problems.append(problem)


def _said(failure: BaseException) -> str:
    if isinstance(failure, ClientError):
        return str(failure)
    text = " ".join(str(failure).split())[:300]
    return f"unexpected {type(failure).__name__}: {text or 'no message'}"


def _postponed(path: str, known: Failure) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(known.next_try))
    return (
        f"{path} could not be pushed {known.attempts} times and is tried again after {when}: "
        f"{known.error}"
    )


def _summary(problems: Sequence[str]) -> str | None:
    if not problems:
        return None
    more = len(problems) - _SHOWN_PROBLEMS
    return "; ".join([*problems[:_SHOWN_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])

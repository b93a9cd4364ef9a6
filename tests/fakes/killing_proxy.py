"""A proxy in front of a server that kills a command at one of its requests."""

import threading
from collections.abc import Callable

import psutil

from tests.fakes.faulty_proxy import Fault, FaultyProxy


class KillingProxy(FaultyProxy):
    """Passes everything on, but for what comes from a command after it was killed."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._until: Callable[[str], bool] = lambda _request: False
        self._victim: psutil.Process | None = None
        self._killing = threading.Lock()

    def kill_at(self, victim: int, until: Callable[[str], bool]) -> None:
        """Kill a process and all that it started when a certain request comes in.

        The request itself is still carried out, so that the server has what no user noted.

        Args:
            victim: the process.
            until: whether a request, method and path, is that one.
        """
        self._victim, self._until = psutil.Process(victim), until

    def treatment(self, request: str) -> tuple[Fault, bool]:
        """Return what is to be done to a request, and whether its answer is passed on."""
        with self._killing:
            if self._victim is None:
                return super().treatment(request)
            if not self._victim.is_running():
                return Fault.RESET, False  # it was under way while the others were killed
            if self._until(request):
                kill_tree(self._victim)
                self._victim = None
                self._until = lambda _request: False
                return super().treatment(request)[0], False
        return super().treatment(request)


def kill_tree(process: psutil.Process) -> None:
    """Kill a process and all that it started, so that none of them can tidy up."""
    doomed = [process, *process.children(recursive=True)]
    for one in doomed:
        one.suspend()
    for one in doomed:
        one.kill()

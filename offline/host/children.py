"""Child processes of the host: programs and plugins, each with all that it starts.

Every child leads its own process group, so that stopping it stops its own children too, and
what it leaves behind when it ends goes with it.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

GRACE_SECONDS = 5.0
"""Time from the interrupt to the kill, the same as the official host's."""

SHUTDOWN_GRACE_SECONDS = 2.0
"""The same when the host itself ends: the engine kills it 5 s after it has interrupted it, and its
children must be gone before."""

_POLL_SECONDS = 0.02


class Child:
    """A running child process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        piped_input: bool = False,
        piped_output: bool = False,
    ) -> None:
        """Start `command` in `directory`; raises OSError when that cannot be done.

        Without `piped_input` it reads nothing, without `piped_output` it writes where the host
        does.
        """
        output = subprocess.PIPE if piped_output else None
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE if piped_input else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
        self.stopped = False
        """Whether the host made it end."""

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the process group."""
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes]:
        """Its piped standard output."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes]:
        """Its piped standard error."""
        assert self._process.stderr is not None
        return self._process.stderr

    def send(self, data: bytes) -> None:
        """Write all of its piped standard input; that it has ended before is no error here."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(data)

    def running(self) -> bool:
        """Return whether the child itself still runs."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for its end; the exit code, or minus the number of the signal that killed it."""
        code = self._process.wait()
        self._signal_group(signal.SIGKILL if self.stopped else signal.SIGTERM)
        return code

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-C does. Once: a second time would interrupt its clearing up."""
        if self.running() and not self.stopped:
            self.stopped = True
            self._signal_group(signal.SIGINT)

    def kill(self) -> None:
        """End it, and all that it has started, at once."""
        if self.running():
            self.stopped = True
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        # Nothing may be left of it; macOS says the second when only a zombie is.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class Children:
    """The children that run now; once closed, any further one is killed as soon as it starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Child] = set()
        self._closed = False

    def add(self, child: Child) -> None:
        """Take charge of `child` until `remove`."""
        with self._lock:
            self._running.add(child)
            closed = self._closed
        if closed:
            child.kill()

    def remove(self, child: Child) -> None:
        """Forget a child that has ended."""
        with self._lock:
            self._running.discard(child)

    def close(self) -> list[Child]:
        """Allow no more children; returns those that run."""
        with self._lock:
            self._closed = True
            return [*self._running]


def stop_children(children: Sequence[Child], grace_seconds: float = GRACE_SECONDS) -> None:
    """Interrupt these children, and kill what is left of them after `grace_seconds`."""
    for child in children:
        child.interrupt()
    deadline = time.monotonic() + grace_seconds
    while any(child.running() for child in children) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for child in children:
        child.kill()


def stop_soon(children: Sequence[Child]) -> None:
    """Do as `stop_children`, without waiting: for gRPC's callbacks, which must not block."""
    running = [child for child in children if child.running()]
    if running:
        threading.Thread(target=stop_children, args=[running], daemon=True).start()


def describe_exit(code: int) -> str:
    """Return what became of a child, from what `Child.wait` returned: a predicate for the user."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "an unknown signal"
    return f"was killed by {name} ({-code})"

"""A server for one clone: found again by its process id and by the folder that it keeps."""

import contextlib
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import psutil

from tools.errors import ToolError
from tools.place import private_folder, write_private

HOST = "127.0.0.1"
"""The only address that local servers listen on."""


class LocalProcess(ABC):
    """A server whose things are in one folder.

    Args:
        folder: where its data, credentials and log are.
        program: the path of its program; only needed to start it.

    Attributes:
        title: its name for people.
        start_seconds: how long it may take to become ready after a start.
        answer_seconds: how long it may take to answer while it runs.
        stop_seconds: how long it may take to end.
    """

    title: ClassVar[str]
    start_seconds: ClassVar[float]
    answer_seconds: ClassVar[float]
    stop_seconds: ClassVar[float] = 10.0

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        self._folder = folder
        self._program = program
        self._pid_file = folder / "pid"

    @property
    def connection_file(self) -> Path:
        """The file with its address and its administrator's key pair."""
        return self._folder / "connection.json"

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self._folder / "data"

    @property
    def log(self) -> Path:
        """Its log."""
        return self._folder / "server.log"

    @property
    def exists(self) -> bool:
        """Whether it was ever started, so that it has credentials and perhaps data."""
        return self.connection_file.exists()

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address."""

    @property
    @abstractmethod
    def key_pair(self) -> tuple[str, str]:
        """The key pair of its administrator, for S3 clients."""

    @abstractmethod
    def _ports(self) -> Sequence[int]:
        """Return the ports that it listens on. It has to exist."""

    @abstractmethod
    def _write_connection(self) -> None:
        """Write its files with new ports, and with new credentials if it has none."""

    @abstractmethod
    def _command(self, program: Path) -> Sequence[str]:
        """Return the command that starts it, which has to name the folder of its data."""

    @abstractmethod
    def _environment(self) -> Mapping[str, str]:
        """Return the variables that it is started with."""

    @abstractmethod
    def _unready(self) -> str:
        """Return why it is not ready yet; empty if it is."""

    def prepare(self) -> None:
        """Draw its credentials and choose its ports, if that was not done yet.

        It keeps its ports for life, because clients know them, unless another program took one.
        """
        if self.process() is None and not (self.exists and all(map(is_free, self._ports()))):
            self._write_connection()

    def start(self) -> None:
        """Start it, unless it runs, and wait until it is ready.

        Raises:
            ToolError: it does not become ready.
        """
        self.prepare()
        if self.process() is None:
            self._launch()
            self._wait_until_ready(self.start_seconds)
        else:
            self._wait_until_ready(self.answer_seconds)

    def process(self) -> psutil.Process | None:
        """Return its process, if it runs."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self._pid_file.read_text()))
            names_data = any(str(self.data) in part for part in process.cmdline())
            if names_data and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def stop(self) -> None:
        """Stop it, if it runs."""
        if process := self.process():
            process.terminate()
            try:
                process.wait(self.stop_seconds)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(self.stop_seconds)
        self._pid_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything that it keeps. It has to be stopped."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _launch(self) -> None:
        if self._program is None:
            raise ToolError(f"the local {self.title} does not run", "make up")
        private_folder(self.data)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(self._program),
                env=self._environment(),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        write_private(self._pid_file, str(process.pid))
        # For a moment after a start, the system lists no arguments, by which it is recognised.
        while process.poll() is None and self.process() is None:
            time.sleep(0.005)

    def _wait_until_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.process() is not None:
            if not (reason := self._unready()):
                return
            if time.monotonic() > deadline:
                raise ToolError(reason, f"see {self.log}")
            time.sleep(0.05)
        raise ToolError(
            f"the local {self.title} ended at once: {self._last_line()}",
            f"see {self.log}, or remove everything with: make down",
        )

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        written: Iterator[str] = (line.strip() for line in reversed(lines) if line.strip())
        return next(written, "it wrote no log")


def free_port() -> int:
    """Return a port that no program listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server can listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

"""A server process for one clone, found again by its process id and the folder that it keeps."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tools.place import private_folder, write_private

HOST = "127.0.0.1"
"""The only address that local servers listen on."""


class LocalProcess:
    """A process whose things are in one folder.

    Args:
        folder: where its data, credentials and log are.
        stop_seconds: how long it may take to end.
    """

    def __init__(self, folder: Path, stop_seconds: float = 10.0) -> None:
        self._folder = folder
        self._stop_seconds = stop_seconds
        self._pid_file = folder / "pid"

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self._folder / "data"

    @property
    def log(self) -> Path:
        """Its log."""
        return self._folder / "server.log"

    def running(self) -> psutil.Process | None:
        """Return its process, if it runs."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self._pid_file.read_text()))
            names_data = any(str(self.data) in part for part in process.cmdline())
            if names_data and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def launch(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it. The command has to name the folder of its data."""
        private_folder(self.data)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        write_private(self._pid_file, str(process.pid))
        # For a moment after a start, the system lists no arguments, by which it is recognised.
        while process.poll() is None and self.running() is None:
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if process := self.running():
            process.terminate()
            try:
                process.wait(self._stop_seconds)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(self._stop_seconds)
        self._pid_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything that it keeps. It has to be stopped."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def last_line(self) -> str:
        """Return the last line that it logged."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        written = (line.strip() for line in reversed(lines) if line.strip())
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

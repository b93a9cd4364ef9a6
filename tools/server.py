"""A MinIO server for one clone: on a free loopback port, with credentials drawn at random."""

import json
import os
import secrets
import time
from pathlib import Path

import psutil

from nix_cache.backends.minio.connection import Connection, MinioNotReadyError
from nix_cache.backends.minio.server import MinioServer
from tools.errors import ToolError
from tools.local_process import HOST, LocalProcess, free_port, is_free
from tools.place import write_private

_START_SECONDS = 30.0
_ANSWER_SECONDS = 3.0


class LocalServer:
    """The server whose things are in one folder.

    Args:
        folder: where its data, credentials and log are.
        program: the path of ``minio``; only needed to start it.
    """

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        self._folder = folder
        self._program = program
        self._connection_file = folder / "connection.json"
        self._process = LocalProcess(folder)

    @property
    def exists(self) -> bool:
        """Whether it was ever started, so that it has credentials and perhaps data."""
        return self._connection_file.exists()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.connection().server}"

    @property
    def key_pair(self) -> tuple[str, str]:
        """The key pair of its administrator, for S3 clients."""
        connection = self.connection()
        return connection.user, connection.password

    def connection(self) -> Connection:
        """How to reach it as its administrator."""
        return Connection.read(self._connection_file)

    def process(self) -> psutil.Process | None:
        """Its process, if it runs."""
        return self._process.running()

    def prepare(self) -> None:
        """Draw its credentials and choose its port, if that was not done yet.

        It keeps its port for life, because clients know it, unless another program took it.
        """
        if self.process() is None and not (self.exists and is_free(self._port())):
            self._write_connection()

    def start(self) -> None:
        """Start it, unless it runs, and wait until it is ready.

        Raises:
            ToolError: it does not become ready.
        """
        self.prepare()
        if self.process() is None:
            self._launch()
            self._wait_until_ready(_START_SECONDS)
        else:
            self._wait_until_ready(_ANSWER_SECONDS)

    def stop(self) -> None:
        """Stop it, if it runs."""
        self._process.stop()

    def remove(self) -> None:
        """Remove everything that it keeps. It has to be stopped."""
        self._process.remove()

    def _port(self) -> int:
        return int(self.connection().server.rpartition(":")[2])

    def _write_connection(self) -> None:
        if self.exists:
            known = self.connection()
            user, password = known.user, known.password
        else:
            user, password = f"root-{secrets.token_hex(4)}", secrets.token_hex(20)
        content = {
            "minioServer": f"{HOST}:{free_port()}",
            "minioUser": user,
            "minioPassword": password,
            "minioSsl": False,
        }
        write_private(self._folder / "root-user", user)
        write_private(self._folder / "root-password", password)
        write_private(self._connection_file, json.dumps(content, indent=2) + "\n")

    def _launch(self) -> None:
        if self._program is None:
            raise ToolError("the local MinIO does not run", "make up")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MINIO_")},
            # Files, not values: a process's environment can be read by others of the same user.
            "MINIO_ROOT_USER_FILE": str(self._folder / "root-user"),
            "MINIO_ROOT_PASSWORD_FILE": str(self._folder / "root-password"),
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        self._process.launch(
            [
                *(str(self._program), "server", "--quiet", "--address"),
                *(self.connection().server, "--certs-dir", str(self._folder / "certs")),
                str(self._process.data),
            ],
            environment,
        )

    def _wait_until_ready(self, seconds: float) -> None:
        server = MinioServer(self.connection())
        deadline = time.monotonic() + seconds
        while self.process() is not None:
            try:
                server.check_users_are_read()
            except MinioNotReadyError as not_yet:
                if time.monotonic() > deadline:
                    raise ToolError(str(not_yet), f"see {self._process.log}") from None
                time.sleep(0.05)
            else:
                return
        raise ToolError(
            f"the local MinIO ended at once: {self._process.last_line()}",
            f"see {self._process.log}, or remove everything with: make down",
        )

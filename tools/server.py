"""A MinIO server for one clone: on a free loopback port, with credentials drawn at random."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from nix_cache.backends.minio.connection import Connection, MinioNotReadyError
from tools.local_process import HOST, LocalProcess, free_port
from tools.place import write_private


class LocalServer(LocalProcess):
    """A MinIO server whose things are in one folder."""

    title = "MinIO"
    start_seconds = 30.0
    answer_seconds = 3.0

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
        return Connection.read(self.connection_file)

    def _ports(self) -> Sequence[int]:
        return [int(self.connection().server.rpartition(":")[2])]

    def _write_connection(self) -> None:
        if self.exists:
            user, password = self.key_pair
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
        write_private(self.connection_file, json.dumps(content, indent=2) + "\n")

    def _command(self, program: Path) -> Sequence[str]:
        return [
            *(str(program), "server", "--quiet", "--address", self.connection().server),
            *("--certs-dir", str(self._folder / "certs"), str(self.data)),
        ]

    def _environment(self) -> Mapping[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MINIO_")},
            # Files, not values: a process's environment can be read by others of the same user.
            "MINIO_ROOT_USER_FILE": str(self._folder / "root-user"),
            "MINIO_ROOT_PASSWORD_FILE": str(self._folder / "root-password"),
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    def _unready(self) -> str:
        from nix_cache.backends.minio.server import MinioServer  # needs the packages of MinIO

        try:
            MinioServer(self.connection()).check_users_are_read()
        except MinioNotReadyError as not_yet:
            return str(not_yet)
        return ""

"""A SeaweedFS server for one clone: S3 and IAM on a free loopback port, with random credentials.

All four of its JWT keys are set: without them, its filer takes writes from any program on the
machine. Every part listens on the loopback address alone.
"""

import json
import os
import secrets
import time
from pathlib import Path

import psutil
import urllib3

from tools.errors import ToolError
from tools.local_process import HOST, LocalProcess, free_port, is_free
from tools.place import write_private

_START_SECONDS = 60.0
_ANSWER_SECONDS = 5.0
_REQUEST_SECONDS = 2.0
_STOP_SECONDS = 3.0
"""It waits longer than that for clients, also when it has none; what was stored is on the disk."""

_SOCKETS = Path("/tmp")  # noqa: S108 - where it puts them, whatever the environment has
_PARTS = ("master", "volume", "filer", "s3")
_ADMIN = "administrator"
_VOLUME_MEGABYTES = 1024
"""The size of each of its files of data, which it does not allocate before it needs it."""


class SeaweedServer:
    """The server whose things are in one folder.

    Args:
        folder: where its data, credentials and log are.
        program: the path of ``weed``.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        self._folder = folder
        self._program = program
        self._connection_file = folder / "connection.json"
        self._process = LocalProcess(folder, _STOP_SECONDS)

    @property
    def exists(self) -> bool:
        """Whether it was ever started, so that it has credentials and perhaps data."""
        return self._connection_file.exists()

    @property
    def url(self) -> str:
        """The URL of its S3 and IAM APIs."""
        return f"http://{HOST}:{self._ports['s3']}"

    @property
    def key_pair(self) -> tuple[str, str]:
        """The key pair of its administrator."""
        known = json.loads(self._connection_file.read_text())
        return str(known["accessKeyId"]), str(known["secretAccessKey"])

    def process(self) -> psutil.Process | None:
        """Return its process, if it runs."""
        return self._process.running()

    def prepare(self) -> None:
        """Draw its credentials and choose its ports, if that was not done yet.

        It keeps its ports for life, because clients know them, unless another program took one.
        """
        if self.process() is None and not (self.exists and all(map(is_free, self._ports.values()))):
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
        """Stop it, if it runs, and remove the sockets that it leaves."""
        self._process.stop()
        if self.exists:
            for part in _PARTS:
                name = f"seaweedfs-{part}-grpc-{self._ports[f'{part}.grpc']}.sock"
                (_SOCKETS / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything that it keeps. It has to be stopped."""
        self._process.remove()

    @property
    def _ports(self) -> dict[str, int]:
        ports: dict[str, int] = json.loads(self._connection_file.read_text())["ports"]
        return ports

    def _write_connection(self) -> None:
        if self.exists:
            key, secret = self.key_pair
        else:
            key, secret = f"admin{secrets.token_hex(6)}", secrets.token_hex(20)
        ports = {name: free_port() for part in _PARTS for name in (part, f"{part}.grpc")}
        content = {"accessKeyId": key, "secretAccessKey": secret, "ports": ports}
        identity = {
            "name": _ADMIN,
            "credentials": [{"accessKey": key, "secretKey": secret}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        write_private(self._folder / "identities.json", json.dumps({"identities": [identity]}))
        if not (self._folder / ".seaweedfs" / "security.toml").exists():
            write_private(self._folder / ".seaweedfs" / "security.toml", _security())
        write_private(self._connection_file, json.dumps(content, indent=2) + "\n")

    def _launch(self) -> None:
        ports = self._ports
        environment = {
            # Key pairs of the environment would be those of administrators too.
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("WEED_", "AWS_", "S3_"))
            },
            "HOME": str(self._folder),  # where it looks for its keys
        }
        self._process.launch(
            [
                *(str(self._program), "server", f"-dir={self._process.data}"),
                *(f"-ip={HOST}", f"-ip.bind={HOST}", "-filer", "-s3"),
                *(f"-{part}.port={ports[part]}" for part in _PARTS),
                *(f"-{part}.port.grpc={ports[f'{part}.grpc']}" for part in _PARTS),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
                *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
                *("-volume.max=0", f"-master.volumeSizeLimitMB={_VOLUME_MEGABYTES}"),
                f"-s3.config={self._folder / 'identities.json'}",
                "-s3.iam.readOnly=false",
            ],
            environment,
        )

    def _wait_until_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.process() is not None:
            if self._is_ready():
                return
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the local SeaweedFS is not ready after {seconds:.0f} s",
                    f"see {self._process.log}",
                )
            time.sleep(0.1)
        raise ToolError(
            f"the local SeaweedFS ended at once: {self._process.last_line()}",
            f"see {self._process.log}, or remove everything with: make down",
        )

    def _is_ready(self) -> bool:
        """Whether its S3 part answers, and refuses anonymous requests for a list of buckets."""
        try:
            answer = urllib3.request("GET", self.url, timeout=_REQUEST_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 403


def _security() -> str:
    """Return the file with its four JWT keys."""
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(f'[{name}]\nkey = "{secrets.token_hex(24)}"\n\n' for name in sections)

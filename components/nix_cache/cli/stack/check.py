"""Looks for drift: asks the server itself where that is possible, else the engine. Writes nothing.

The provider for MinIO fails every refresh over a user, a policy or a bucket that is gone, does not
see what else was done to users, and may drop from the state what does not answer. So a MinIO server
is asked about everything that the state has of a cache. The refreshes of other providers are sound.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nix_cache.backends.drift import Finding
from nix_cache.backends.minio.connection import PROVIDER_NAME, Connection, connection_from
from nix_cache.backends.minio.drift.comparison import compare
from nix_cache.backends.minio.drift.declared import Declared, declared, reserves_names
from nix_cache.backends.stack_state import (
    CACHE_TYPE,
    Cache,
    Provider,
    caches,
    others_than,
    provider_of,
)
from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack import refreshed
from nix_cache.cli.stack.engine import PulumiStack

if TYPE_CHECKING:
    from nix_cache.backends.minio.drift.server import Administration

ASKED = "minio"
"""The provider whose server is asked in its place."""


@dataclass(frozen=True)
class OnServer:
    """A cache on a server that was asked.

    Attributes:
        server: the server.
        made: what the stack made there.
        findings: what is different there.
    """

    server: "Administration"
    made: Declared
    findings: Sequence[Finding]


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        findings: every difference.
        servers: the servers that were asked, for each cache.
        state: the stack's, secrets in clear.
    """

    findings: Sequence[Finding]
    servers: Sequence[OnServer] = ()
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)


def check(stack: PulumiStack) -> Checked:
    """Find what was changed outside, in every cache of a stack.

    Args:
        stack: the stack; its state is only read.

    Raises:
        ClientError: the stack does not exist or has no cache, or the engine fails.
        MinioServerError: a server is down, busy, or refuses the administrator.
    """
    state = stack.state(secrets=True)
    resources = state.get("resources") or []
    found = caches(resources)
    if not found:
        raise ClientError(
            f"the stack {stack.name} has no nix-cache component",
            "name a stack that has one: --stack NAME; or run `pulumi up` first",
        )
    configuration = stack.configuration()
    servers = [
        _asked(cache, resources, configuration, stack.folder) for cache in found if _is_asked(cache)
    ]
    findings = [
        *_unfinished(state.get("pending_operations") or ()),
        *(finding for server in servers for finding in server.findings),
        *_refreshed([cache for cache in found if not _is_asked(cache)], resources, stack),
    ]
    return Checked(findings, servers, state)


def servers_of(stack: PulumiStack) -> "Iterator[tuple[Declared, Administration]]":
    """What a stack made on each server that can be asked; nothing is asked yet.

    Raises:
        ClientError: the stack does not exist, or the engine fails.
        MinioServerError: the configuration does not name an administrator.
    """
    resources = stack.state(secrets=True).get("resources") or []
    asked = [cache for cache in caches(resources) if _is_asked(cache)]
    configuration = stack.configuration() if asked else {}
    for cache in asked:
        yield _server(cache, resources, configuration, stack.folder)


def connection_of(provider: Provider, configuration: Mapping[str, str], folder: Path) -> Connection:
    """The server of a provider, and its administrator.

    A connection file counts first, because it can be newer than the state, unless the provider is
    another one than the file brings. An explicit provider has its own settings; a default one has
    those of the configuration.

    Args:
        provider: as the state has it.
        configuration: the stack's, secrets in clear.
        folder: the program's, from which the configuration names files.

    Raises:
        ClientError: the configuration names a file that cannot be read.
        MinioServerError: the administrator is not known.
    """
    is_of_file = not provider.is_explicit or provider.name == PROVIDER_NAME
    if is_of_file and (file := _connection_file(configuration)):
        try:
            return Connection.read(folder / file)
        except (OSError, ValueError) as failure:
            raise ClientError(
                f"the server's address cannot be read from {file} ({failure})",
                "correct nix-cache:minio.connectionFile; `make up` writes that of the local server",
            ) from None
    if provider.is_explicit:
        return connection_from(provider.settings.get)
    return connection_from(
        lambda setting: configuration.get(f"{ASKED}:{setting}") or provider.settings.get(setting)
    )


def _connection_file(configuration: Mapping[str, str]) -> str:
    """The file that the configuration names; empty if it names none."""
    try:
        settings = json.loads(configuration.get("nix-cache:minio") or "{}")
    except ValueError:
        settings = None
    file = settings.get("connectionFile", "") if isinstance(settings, dict) else None
    if not isinstance(file, str):
        raise ClientError(
            "nix-cache:minio is not an object whose connectionFile is the path of a file",
            "correct it in the stack's configuration",
        )
    return file


def _is_asked(cache: Cache) -> bool:
    return cache.uses(ASKED) or any(map(reserves_names, cache.resources))


def _asked(
    cache: Cache,
    resources: Sequence[Mapping[str, Any]],
    configuration: Mapping[str, str],
    folder: Path,
) -> OnServer:
    made, server = _server(cache, resources, configuration, folder)
    return OnServer(server, made, compare(made, server.look(made)))


def _server(
    cache: Cache,
    resources: Sequence[Mapping[str, Any]],
    configuration: Mapping[str, str],
    folder: Path,
) -> "tuple[Declared, Administration]":
    try:
        from nix_cache.backends.minio.drift.server import Administration
    except ModuleNotFoundError as missing:
        raise ClientError(
            f"the package {missing.name}, which asks a MinIO server, is not installed",
            "install it: pip install 'nix-cache[minio]'",
        ) from None
    provider = provider_of(cache, ASKED, resources)
    server = Administration(connection_of(provider, configuration, folder))
    return declared(cache.resources, resources), server


def _refreshed(
    found: Sequence[Cache], resources: Sequence[Mapping[str, Any]], stack: PulumiStack
) -> Iterator[Finding]:
    if not found:
        return
    urns = frozenset[str]().union(*(cache.urns for cache in found))
    targets = sorted(urns) if others_than(found, resources) else []
    steps = (step for step in stack.refresh_steps(targets) if step["urn"] in urns)
    yield from refreshed.findings(steps)


def _unfinished(operations: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    for operation in operations:
        resource = operation["resource"]
        if f"{CACHE_TYPE}$" not in resource["urn"]:
            continue
        name, kind = resource["urn"].rpartition("::")[2], resource["type"].rpartition(":")[2]
        yield Finding(
            f"an interrupted run did not finish {operation['type']} {name} ({kind})",
            "finished",
            "unknown",
            "checks what became of it, and finishes it",
        )

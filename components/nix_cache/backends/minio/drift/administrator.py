"""Finds the server of a cache and its administrator, by a file, a provider or configuration."""

import json
from collections.abc import Mapping
from pathlib import Path

from nix_cache.backends.minio.connection import (
    PROVIDER_NAME,
    Connection,
    MinioServerError,
    connection_from,
    made_by_make,
)
from nix_cache.backends.stack_state import StateProvider

PACKAGE = "minio"
"""The provider's package."""


def connection_of(
    provider: StateProvider, configuration: Mapping[str, str], folder: Path
) -> Connection:
    """Return the server of a provider, and its administrator.

    A connection file counts first, because it can be newer than the state, unless the provider is
    another one than the file brings. An explicit provider has its own settings; a default one has
    those of the configuration.

    Args:
        provider: as the state has it.
        configuration: the stack's, secrets in clear.
        folder: the program's, from which the configuration names files.

    Raises:
        MinioServerError: the configuration names a file that cannot be read, or the administrator
            is not known.
    """
    is_of_file = not provider.is_explicit or provider.name == PROVIDER_NAME
    if is_of_file and (file := _connection_file(configuration)):
        try:
            return Connection.read(folder / file)
        except (OSError, ValueError) as failure:
            raise MinioServerError(
                f"the server's address cannot be read from {file} ({failure}); correct "
                f"nix-cache:minio.connectionFile{made_by_make(file)}"
            ) from None
    if provider.is_explicit:
        return connection_from(provider.settings.get)
    return connection_from(
        lambda setting: configuration.get(f"{PACKAGE}:{setting}") or provider.settings.get(setting)
    )


def _connection_file(configuration: Mapping[str, str]) -> str:
    """Return the file that the configuration names; empty if it names none."""
    try:
        settings = json.loads(configuration.get("nix-cache:minio") or "{}")
    except ValueError:
        settings = None
    file = settings.get("connectionFile", "") if isinstance(settings, dict) else None
    if not isinstance(file, str):
        raise MinioServerError(
            "nix-cache:minio is not an object whose connectionFile is the path of a file; correct "
            "it in the stack's configuration"
        )
    return file

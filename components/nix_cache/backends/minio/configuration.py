"""Where the program finds its MinIO server: in the provider's settings, or in a connection file."""

import difflib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nix_cache.backends.minio.connection import PROVIDER_NAME, Connection, is_true, made_by_make
from nix_cache.backends.spec import Completion, ProviderFactory
from nix_cache.config.problems import Problem

if TYPE_CHECKING:
    import pulumi

_UNKNOWN = "https://unknown.invalid"
"""Stands for the endpoint that a connection file would have, where the file cannot be used."""


def provider_of(connection: Connection) -> "pulumi.ProviderResource":
    """Return the explicit provider for a server."""
    import pulumi  # what only checks a configuration does without them
    import pulumi_minio as minio

    return minio.Provider(
        PROVIDER_NAME,
        minio_server=connection.server,
        minio_user=connection.user,
        minio_password=pulumi.Output.secret(connection.password),
        minio_ssl=connection.ssl,
    )


def complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    """Fill in the endpoint from the server's address, wherever that is known from.

    A connection file brings the explicit provider with it.

    Args:
        settings: the object ``nix-cache:minio`` as written.
        configured: all of the stack's configuration, for the provider's own settings.
    """
    completed = dict(settings)
    provider: ProviderFactory | None = None
    server = configured.get("minio:minioServer") or os.environ.get("MINIO_ENDPOINT", "")
    ssl = configured.get("minio:minioSsl") or os.environ.get("MINIO_ENABLE_HTTPS", "")
    if path := completed.pop("connectionFile", ""):
        connection = _read(str(path))
        if isinstance(connection, Problem):
            completed.setdefault("endpoint", _UNKNOWN)  # the file would have it
            return Completion(settings=completed, problems=[connection])
        provider = partial(provider_of, connection)
        server, ssl = connection.server, str(connection.ssl)
    elif "endpoint" not in completed and difflib.get_close_matches("connectionFile", completed):
        completed["endpoint"] = _UNKNOWN  # a misspelt connectionFile is one mistake, not two
    if server and "endpoint" not in completed:
        scheme = "https" if is_true(ssl) else "http"
        completed["endpoint"] = f"{scheme}://{server}"
    return Completion(settings=completed, provider=provider)


def _read(path: str) -> Connection | Problem:
    key = "minio.connectionFile"
    try:
        return Connection.read(Path(path))
    except FileNotFoundError:
        fix = f"name a file that exists{made_by_make(path)}"
        return Problem(key, repr(path), "does not exist", fix)
    except (OSError, ValueError) as error:
        fix = 'write a JSON object: {"minioServer": …, "minioUser": …, "minioPassword": …}'
        return Problem(key, repr(path), f"cannot be used ({error})", fix)

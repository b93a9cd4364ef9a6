"""Which key pair administers the service: a file's, the stack's own, or that of the variables."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nix_cache.redaction import keep_secret
from nix_cache.shown import ShownError

CONFIG_KEYS: Mapping[str, tuple[str, str]] = {
    "access_key_id": ("s3:accessKeyId", "AWS_ACCESS_KEY_ID"),
    "secret_access_key": ("s3:secretAccessKey", "AWS_SECRET_ACCESS_KEY"),
    "session_token": ("s3:sessionToken", "AWS_SESSION_TOKEN"),
}
"""For each field of a login: the stack's setting, and the variable of the AWS tools."""

REQUIRED = ("access_key_id", "secret_access_key")
"""The fields without which there is no login."""

CONNECTION_FILE = "connectionFile"
"""The setting of ``nix-cache:s3`` that names a file with a service and its key pair."""


class S3ServiceError(ShownError):
    """The service cannot be used as it is meant to: what is wrong, and what to do."""


@dataclass(frozen=True)
class S3Login:
    """The key pair of an administrator.

    Attributes:
        access_key_id: its public half.
        secret_access_key: its secret half.
        session_token: of a temporary key pair; else empty.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        keep_secret(self.secret_access_key)
        if self.session_token:
            keep_secret(self.session_token)


def connection(path: str) -> dict[str, str]:
    """Read a service and its administrator from a file, so that no configuration holds a secret.

    The local server gets other ports and another key pair in every clone.

    Returns:
        ``endpoint``, ``iamEndpoint`` (empty if there is none), ``accessKeyId`` and
        ``secretAccessKey``.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON object with what is required.
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    names = ("endpoint", "accessKeyId", "secretAccessKey")
    try:
        found = {name: str(content[name]) for name in names}
        return {**found, "iamEndpoint": str(content.get("iamEndpoint") or "")}
    except (KeyError, TypeError, AttributeError):
        raise ValueError("it lacks endpoint, accessKeyId or secretAccessKey") from None


def connection_file(get: Callable[[str], Any]) -> str:
    """Return the path of the file that the stack's configuration names; empty if it names none.

    Args:
        get: gives the setting of a full name such as ``nix-cache:s3``, or None.
    """
    written = get("nix-cache:s3")
    try:
        settings = json.loads(written) if isinstance(written, str) else written
    except ValueError:
        return ""  # the check of the settings reports it
    return str(settings.get(CONNECTION_FILE) or "") if isinstance(settings, dict) else ""


def missing(get: Callable[[str], Any]) -> list[tuple[str, str]]:
    """Return the settings that are set nowhere, each with the variable that can be set instead.

    Args:
        get: gives the setting of a full name such as ``s3:accessKeyId``, or None.
    """
    if connection_file(get):
        return []
    pairs = (CONFIG_KEYS[name] for name in REQUIRED)
    return [(key, variable) for key, variable in pairs if not (get(key) or _variable(variable))]


def login_from(get: Callable[[str], Any]) -> S3Login:
    """Return the login that the stack's configuration describes, or else the environment.

    A stack with a key pair of its own takes no session token from the environment.

    Args:
        get: gives the setting of a full name such as ``s3:accessKeyId``, or None.

    Raises:
        S3ServiceError: the key pair is not set anywhere, or its file cannot be read.
    """
    if file := connection_file(get):
        try:
            known = connection(file)
        except (OSError, ValueError) as error:
            raise S3ServiceError(
                f"The file {file!r} of nix-cache:s3.{CONNECTION_FILE} cannot be used ({error}). "
                "Correct the setting."
            ) from None
        return S3Login(known["accessKeyId"], known["secretAccessKey"])
    if lacking := missing(get):
        named = " and ".join(f"{setting} (or {variable})" for setting, variable in lacking)
        raise S3ServiceError(
            f"The key pair that administers the S3 service is not set. Set {named}."
        )
    is_configured = any(get(CONFIG_KEYS[name][0]) for name in REQUIRED)
    found = {
        name: str(get(setting) or _variable(variable))
        for name, (setting, variable) in CONFIG_KEYS.items()
    }
    if is_configured:
        found["session_token"] = str(get(CONFIG_KEYS["session_token"][0]) or "")
    return S3Login(**found)


def _variable(name: str) -> str:
    return os.environ.get(name, "")

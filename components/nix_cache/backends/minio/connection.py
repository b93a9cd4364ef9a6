"""How to reach a MinIO server as its administrator: by the provider's settings, or by a file."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from nix_cache.backends.drift import ServiceError
from nix_cache.redaction import keep_secret

PROVIDER_NAME = "minio"
"""The name of the explicit provider that a connection file brings."""


class NameKind(StrEnum):
    """What on a server has a name."""

    BUCKET = "bucket"
    USER = "user"
    POLICY = "policy"


def spelled(kind: NameKind, name: str) -> str:
    """Spell a name as reservations keep it: ``user/nixbuilder``."""
    return f"{kind}/{name}"


def parsed(name: str) -> tuple[NameKind, str]:
    """Read a name as reservations keep it."""
    kind, _, plain = name.partition("/")
    return NameKind(kind), plain


class MinioServerError(ServiceError):
    """The server cannot be asked: one sentence that says why and what to do."""


class MinioNotReadyError(MinioServerError):
    """The server is down or busy, which may pass."""


@dataclass(frozen=True)
class Connection:
    """A server and its administrator, by the provider's own settings.

    Attributes:
        server: host and port.
        user: the administrator's name.
        password: the administrator's password.
        ssl: whether the server speaks TLS.
        insecure: whether its certificate goes unchecked.
        cacert_file: a file of certificates to trust, or empty for those of the system.
    """

    server: str
    user: str
    password: str
    ssl: bool = False
    insecure: bool = False
    cacert_file: str = ""

    def __post_init__(self) -> None:
        keep_secret(self.password)

    def __repr__(self) -> str:
        return f"Connection(server={self.server!r}, user={self.user!r})"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a connection from a file, so that no stack configuration has to hold a password.

        The development stack's server gets a new address and password on every machine.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no JSON object with minioServer, minioUser and minioPassword.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        try:
            return cls(
                server=str(content["minioServer"]),
                user=str(content["minioUser"]),
                password=str(content["minioPassword"]),
                ssl=bool(content.get("minioSsl", False)),
            )
        except (KeyError, TypeError, AttributeError):
            raise ValueError("it lacks minioServer, minioUser or minioPassword") from None

    @property
    def url(self) -> str:
        """The server's address as a URL."""
        return f"{'https' if self.ssl else 'http'}://{self.server}"


CONFIG_KEYS: Mapping[str, tuple[str, str]] = {
    "server": ("minioServer", "MINIO_ENDPOINT"),
    "user": ("minioUser", "MINIO_USER"),
    "password": ("minioPassword", "MINIO_PASSWORD"),
    "ssl": ("minioSsl", "MINIO_ENABLE_HTTPS"),
    "insecure": ("minioInsecure", "MINIO_INSECURE"),
    "cacert_file": ("minioCacertFile", "MINIO_CACERT_FILE"),
}
"""For each field of a connection: the provider's setting, and the variable in its stead."""


def connection_from(get: Callable[[str], Any]) -> Connection:
    """Return the connection that the MinIO provider would make from the same settings.

    Args:
        get: gives the provider setting of a name such as ``minioServer``, or None.

    Raises:
        MinioServerError: the server, the user or the password is not set anywhere.
    """
    found: dict[str, Any] = {}
    for field, (setting, variable) in CONFIG_KEYS.items():
        value = get(setting)
        found[field] = value if value not in (None, "") else os.environ.get(variable, "")
    missing = [CONFIG_KEYS[f] for f in ("server", "user", "password") if not found[f]]
    if missing:
        lacking = ", ".join(f"minio:{setting} (or {variable})" for setting, variable in missing)
        raise MinioServerError(f"the MinIO server's administrator is not known: set {lacking}")
    flags = {flag: is_true(found[flag]) for flag in ("ssl", "insecure")}
    return Connection(**{**found, **flags})


def is_true(value: object) -> bool:
    """Return whether a setting, which may be text, says yes."""
    return str(value).lower() in ("true", "1")


def made_by_make(file: str) -> str:
    """Return the end of a fix that names the command which writes a connection file, if one does.

    Args:
        file: as the configuration names it.
    """
    is_local = Path(file).parts[-3:] == (".dev", "minio", "connection.json")
    return ", or run `make up`, which writes the file of the local server" if is_local else ""

"""The account behind the local service for Spaces: keys, which are users of a MinIO server."""

import dataclasses
import secrets
import threading
from datetime import UTC, datetime
from typing import Any

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from nix_cache.backends.minio.connection import Connection

_EVERYTHING = ["arn:aws:s3:::*"]
_ACTIONS = {
    "read": ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
    "readwrite": ["s3:*Object", "s3:*Multipart*", "s3:ListBucket*", "s3:GetBucketLocation"],
    "fullaccess": ["s3:*"],
}
"""What each permission of a key lets one do, as DigitalOcean's documentation has it."""


class KeyRefusedError(Exception):
    """The account makes no such key."""


@dataclasses.dataclass
class SpacesKey:
    """One key.

    Attributes:
        name: for people; several may have the same.
        grants: each of a bucket and a permission.
        access_key: its id.
        secret_key: its secret half, returned once.
        created_at: when.
    """

    name: str
    grants: list[dict[str, str]]
    access_key: str = dataclasses.field(default_factory=lambda: f"DO00{secrets.token_hex(8)}")
    secret_key: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(30))
    created_at: str = dataclasses.field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @property
    def is_full(self) -> bool:
        """Whether it opens everything."""
        return any(grant["permission"] == "fullaccess" for grant in self.grants)

    def is_limited_to(self, bucket: str) -> bool:
        """Return whether it opens this bucket among few."""
        return not self.is_full and any(grant["bucket"] == bucket for grant in self.grants)

    def reported(self, *, secret: bool = False) -> dict[str, Any]:
        """Return what the API says of it."""
        reported = dataclasses.asdict(self)
        return reported if secret else {k: v for k, v in reported.items() if k != "secret_key"}


class SpacesKeys:
    """All keys of an account.

    Args:
        connection: how the administrator of the MinIO server reaches it.
    """

    def __init__(self, connection: Connection) -> None:
        self._admin = MinioAdmin(
            endpoint=connection.server,
            credentials=StaticProvider(connection.user, connection.password),
            secure=connection.ssl,
        )
        self._keys: dict[str, SpacesKey] = {}
        self._lock = threading.Lock()

    def all(self) -> list[SpacesKey]:
        """Every key."""
        return list(self._keys.values())

    def named(self, name: str) -> SpacesKey:
        """Return the only key of a name."""
        (found,) = [key for key in self.all() if key.name == name]
        return found

    def get(self, access_key: str) -> SpacesKey | None:
        """One key."""
        return self._keys.get(access_key)

    def add(self, name: str, grants: list[dict[str, str]]) -> SpacesKey:
        """Make a key.

        Raises:
            KeyRefusedError: a grant means nothing.
        """
        _check(grants)
        key = SpacesKey(name, grants)
        with self._lock:
            self._admin.user_add(key.access_key, key.secret_key)
            self._let(key)
            self._keys[key.access_key] = key
        return key

    def change(self, key: SpacesKey, name: str, grants: list[dict[str, str]]) -> None:
        """Change a key's name and grants.

        Raises:
            KeyRefusedError: a grant means nothing, or it would become limited or unlimited.
        """
        _check(grants)
        changed = dataclasses.replace(key, name=name, grants=grants)
        if changed.is_full != key.is_full:
            raise KeyRefusedError(
                "a key with full access and a limited one cannot become the other"
            )
        with self._lock:
            key.name, key.grants = name, grants
            self._let(key)

    def remove(self, key: SpacesKey) -> None:
        """Void a key."""
        with self._lock:
            del self._keys[key.access_key]
            self._admin.user_remove(key.access_key)
            self._admin.policy_remove(key.access_key)

    def _let(self, key: SpacesKey) -> None:
        statements = [_statement(grant) for grant in key.grants]
        if statements:
            policy = {"Version": "2012-10-17", "Statement": statements}
            self._admin.policy_add(key.access_key, policy=policy)
            self._admin.policy_set(key.access_key, user=key.access_key)


def _check(grants: list[dict[str, str]]) -> None:
    for grant in grants:
        if grant.get("permission") not in _ACTIONS:
            raise KeyRefusedError(f"{grant.get('permission')!r} is no permission")
        if (grant["permission"] == "fullaccess") != (not grant.get("bucket")):
            raise KeyRefusedError("full access has no bucket, and other permissions have one")


def _statement(grant: dict[str, str]) -> dict[str, Any]:
    bucket = f"arn:aws:s3:::{grant['bucket']}"
    resources = [bucket, f"{bucket}/*"] if grant["bucket"] else _EVERYTHING
    return {"Effect": "Allow", "Action": _ACTIONS[grant["permission"]], "Resource": resources}

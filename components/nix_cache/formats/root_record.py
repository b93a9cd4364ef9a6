"""Root records: what a push relies on in a cache, written before the push asks what is there. Pure.

``docs/reference/cache-protocol.md`` describes how pushes and collections use them.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from nix_cache.formats.own_objects import ROOTS_PREFIX

ROOT_RECORD_VERSION = 1

_KEY = re.compile(rf"{re.escape(ROOTS_PREFIX)}[0-9A-Za-z_.-]+\.json")
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-df-np-sv-z]{32}$")]


class RootRecordError(ValueError):
    """A content is not a root record that this version reads. The message is the reason."""


class RootRecord(BaseModel):
    """What one push relies on.

    Attributes:
        version: of the structure.
        started: when the push began, by the writer's clock.
        writer: the writer's name.
        roots: the last parts of the store paths that were named to the push.
        paths: the hashes of the store paths that it relies on in this cache.
        upstream: by the URL of an upstream cache, the hashes of references that are left to it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = ROOT_RECORD_VERSION
    started: AwareDatetime
    writer: str = ""
    roots: tuple[str, ...] = ()
    paths: tuple[_Hash, ...]
    upstream: Mapping[str, tuple[_Hash, ...]] = {}

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a root record.

        Raises:
            RootRecordError: it is none, or a newer version wrote it.
        """
        try:
            found = cls.model_validate_json(content)
        except ValidationError as mistake:
            first = mistake.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the content"
            raise RootRecordError(f"is not a root record ({where}: {first['msg']})") from None
        if found.version != ROOT_RECORD_VERSION:
            raise RootRecordError(
                f"has version {found.version}, and this nix-cache reads version "
                f"{ROOT_RECORD_VERSION}"
            )
        return found

    @property
    def content(self) -> bytes:
        """The record as it stands in the bucket."""
        return (self.model_dump_json() + "\n").encode()


def new_key() -> str:
    """Return the key of a new root record. It cannot be guessed."""
    return f"{ROOTS_PREFIX}{secrets.token_hex(16)}.json"


def is_root_record(key: str) -> bool:
    """Return whether an object with this key is a root record."""
    return _KEY.fullmatch(key) is not None

"""Pins: named store paths that garbage collection keeps at any age. Pure.

Writers can neither list nor delete, so a pin is a series of revisions that are never replaced: each
names a store path, or ends the pin. ``docs/reference/cache-protocol.md`` describes how pins are
written and collected.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from nix_cache.formats.narinfo import BASE_NAME
from nix_cache.formats.own_objects import PINS_PREFIX

PIN_VERSION = 1

MOST_KEPT = 36_500
"""The largest number of revisions or days to keep."""

PIN_NAME_RULE = (
    "1 to 100 letters, digits and the characters `.`, `_`, `+` and `-`, of which the first is a "
    "letter or a digit"
)
"""What the name of a pin must be. It is a part of a URL, and of a key in the bucket."""

_NAME = r"[0-9A-Za-z][0-9A-Za-z._+-]{0,99}"
_TIME = "%Y%m%dT%H%M%S%fZ"
_REVISION = re.compile(
    rf"{re.escape(PINS_PREFIX)}(?P<name>{_NAME})/[0-9]{{8}}T[0-9]{{12}}Z-[0-9a-f]{{32}}\.json"
)
_LATEST = re.compile(rf"{re.escape(PINS_PREFIX)}(?P<name>{_NAME})/latest")
_STORE_DIR = re.compile(r"(/[0-9A-Za-z._+-]+)+")


class PinError(ValueError):
    """An object is not a pin that this version reads. The message is a clause without a subject."""


def _store_path(text: str) -> str:
    folder, _, name = text.rpartition("/")
    if not (_STORE_DIR.fullmatch(folder) and BASE_NAME.fullmatch(name)):
        raise ValueError("it is not a store path")
    return text


_Number = Annotated[int, Field(strict=True, ge=1, le=MOST_KEPT)]


class PinRevision(BaseModel):
    """One change of a pin. The pin's name is in the key of the object.

    Attributes:
        version: of the structure.
        made: when it was made, by the writer's clock.
        writer: the writer's name.
        path: the store path that is pinned; None if this revision ends the pin.
        keep_revisions: so many of the latest revisions are kept; None for the latest alone.
        keep_days: revisions of so many days are kept, and the latest; None for no such rule.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    version: int = PIN_VERSION
    made: AwareDatetime
    writer: str = ""
    path: Annotated[str, AfterValidator(_store_path)] | None
    keep_revisions: _Number | None = None
    keep_days: _Number | None = None

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a revision.

        Raises:
            PinError: it is none, or a newer version wrote it.
        """
        try:
            version = _Versioned.model_validate_json(content).version
            if version != PIN_VERSION:
                raise PinError(
                    f"has version {version}, and this nix-cache reads version {PIN_VERSION}"
                )
            return cls.model_validate_json(content)
        except ValidationError as mistake:
            first = mistake.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the content"
            raise PinError(f"is not a revision of a pin ({where}: {first['msg']})") from None

    @property
    def content(self) -> bytes:
        """The revision as it stands in the bucket."""
        return (self.model_dump_json(by_alias=True) + "\n").encode()

    @property
    def store_hash(self) -> str | None:
        """The hash of the store path that is pinned."""
        return None if self.path is None else self.path.rpartition("/")[2][:32]


class _Versioned(BaseModel):
    version: int


@dataclass(frozen=True)
class PinKey:
    """What a key below ``nix-cache-pins/`` is for.

    Attributes:
        name: of the pin.
        is_revision: whether the object is a revision, and not the one with the latest store path.
    """

    name: str
    is_revision: bool

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Read a key; None if it is not that of a pin."""
        if found := _REVISION.fullmatch(key):
            return cls(found["name"], is_revision=True)
        if found := _LATEST.fullmatch(key):
            return cls(found["name"], is_revision=False)
        return None


def is_pin_name(text: str) -> bool:
    """Return whether a text is the name of a pin, as ``PIN_NAME_RULE`` says."""
    return re.fullmatch(_NAME, text) is not None


def new_revision_key(name: str, made: datetime) -> str:
    """Return the key of a new revision: in the order of time, and it cannot be guessed.

    Args:
        name: of the pin.
        made: when the revision was made.
    """
    time = made.astimezone(UTC).strftime(_TIME)
    return f"{PINS_PREFIX}{name}/{time}-{secrets.token_hex(16)}.json"


def latest_key(name: str) -> str:
    """Return the key of the object with the store path that was pinned last, as plain text."""
    return f"{PINS_PREFIX}{name}/latest"


def latest_content(path: str | None) -> bytes:
    """Return that object's content: the store path and a line end; nothing if the pin ended."""
    return b"" if path is None else f"{path}\n".encode()

"""The object by which pushes learn that a collection goes on. Pure.

``docs/reference/cache-protocol.md`` describes how pushes and collections use it.
"""

import secrets
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

RUN_KEY = "nix-cache-gc-run.json"
"""Where it is. Writers read it, and where the service has policies they cannot write it."""

RUN_RENEWED_AFTER = timedelta(minutes=5)
"""A collection writes it again after this time."""

RUN_DELETES_WITHIN = timedelta(minutes=30)
"""A collection deletes nothing if it has not written it for longer."""

RUN_ABANDONED_AFTER = timedelta(hours=1)
"""Older ones, by the storage's clock, belong to collections that were killed."""


class CollectionRun(BaseModel):
    """The latest collection of a cache.

    Attributes:
        version: of the structure.
        run: random, another one for each collection.
        running: whether it goes on.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    run: str
    running: bool

    @classmethod
    def new(cls) -> Self:
        """Return a collection that begins."""
        return cls(run=secrets.token_hex(16), running=True)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the object. One that is not readable counts as a collection that goes on."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return cls(run="unreadable", running=True)

    @property
    def ended(self) -> Self:
        """The same collection when it has ended."""
        return self.model_copy(update={"running": False})

    @property
    def content(self) -> bytes:
        """As it stands in the bucket."""
        return (self.model_dump_json() + "\n").encode()

"""The object by which pushes learn that a collection goes on. Pure.

``docs/reference/cache-protocol.md`` describes how pushes and collections use it.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

RUN_KEY = "nix-cache-gc-run.json"
"""Where it is. Writers read it, and where the service has policies they cannot write it."""

RUN_RENEWED_AFTER = timedelta(minutes=5)
"""A collection writes it again after this time."""

RUN_DELETES_WITHIN = timedelta(minutes=30)
"""A collection deletes nothing if it has not written it for longer. Another one may begin then."""

RUN_ABANDONED_AFTER = timedelta(hours=1)
"""Older ones, by the storage's clock, belong to collections that were killed."""


class CollectionRun(BaseModel):
    """The latest collection of a cache.

    Attributes:
        version: of the structure.
        run: random, another one for each collection.
        running: whether it goes on.
        started: when it began, by its machine's clock; None of an older version.
        unchecked: whether there may be narinfos without their NAR, or paths without their
            realisation, because a collection was killed or failed before it looked for them, or
            because it found some.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    run: str
    running: bool
    started: AwareDatetime | None = None
    unchecked: bool = False

    @classmethod
    def new(cls, *, unchecked: bool = False) -> Self:
        """Return a collection that begins."""
        now = datetime.now(UTC).replace(microsecond=0)
        return cls(run=secrets.token_hex(16), running=True, started=now, unchecked=unchecked)

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
    def leaves_doubt(self) -> bool:
        """Whether there may be narinfos without their NAR, or paths without their realisation."""
        return self.running or self.unchecked

    def ended_with(self, *, unchecked: bool) -> Self:
        """Return the same collection when it has ended, with what it leaves."""
        return self.ended.model_copy(update={"unchecked": unchecked})

    @property
    def content(self) -> bytes:
        """As it stands in the bucket."""
        return (self.model_dump_json() + "\n").encode()

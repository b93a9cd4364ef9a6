"""What a queue knows of the paths that could not be pushed: how often, why, and when to try again.

The first further tries come with the next runs. From then on the waits grow up to a day, so that a
path that the storage refuses for good does not upload its NAR with every build.
"""

import json
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nix_cache.cli.machine import files
from nix_cache.cli.machine.located import reading

QUICK_ATTEMPTS = 2
"""Failures after which the next run tries again."""

FIRST_WAIT_SECONDS = 15 * 60
"""The wait after one more failure, doubled with each further one."""

LONGEST_WAIT_SECONDS = 24 * 60 * 60
_LONGEST_ERROR = 500
_MOST_BYTES = 10_000_000
_LAST_TIME = 250_000_000_000
"""In the year 9892: what calendars can show."""


class Failure(BaseModel):
    """A path that could not be pushed.

    Attributes:
        attempts: how often.
        error: why, the last time.
        next_try: the time before which it is not tried again, in seconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    attempts: int = Field(ge=1)
    error: str
    next_try: float = Field(ge=0, le=_LAST_TIME)

    def is_due(self, now: float) -> bool:
        """Return whether to try again. A time that no wait leads to was noted by a wrong clock."""
        return self.next_try <= now or self.next_try > now + LONGEST_WAIT_SECONDS


class _Document(BaseModel):
    """The file.

    Attributes:
        is_split: whether the storage did not take what the last run pushed.
        paths: by store path.
    """

    is_split: bool = False
    paths: dict[str, Failure] = {}


@dataclass
class Failures:
    """The failures of one queue, in a file.

    Args:
        file: where they are kept.
    """

    file: Path

    def __post_init__(self) -> None:
        self._document = _read(self.file)

    @property
    def is_split(self) -> bool:
        """Whether the next run splits what the storage does not take, to find the path to blame."""
        return self._document.is_split

    @is_split.setter
    def is_split(self, wanted: bool) -> None:
        self._document.is_split = wanted

    def of(self, path: str) -> Failure | None:
        """Return what is known of a path; None if it has not failed since it was queued."""
        return self._document.paths.get(path)

    def add(self, path: str, error: str, now: float | None = None) -> None:
        """Note that a path could not be pushed."""
        known = self.of(path)
        attempts = known.attempts + 1 if known else 1
        doublings = min(attempts - QUICK_ATTEMPTS - 1, 30)
        wait = min(FIRST_WAIT_SECONDS * 2**doublings, LONGEST_WAIT_SECONDS) if doublings >= 0 else 0
        now = time.time() if now is None else now
        self._document.paths[path] = Failure(
            attempts=attempts, error=error[:_LONGEST_ERROR], next_try=now + wait
        )

    def remove(self, path: str) -> None:
        """Forget a path, because it was pushed or is gone."""
        self._document.paths.pop(path, None)

    def keep_only(self, paths: Collection[str]) -> None:
        """Forget all paths but some."""
        wanted = set(paths)
        kept = {path: known for path, known in self._document.paths.items() if path in wanted}
        self._document.paths = kept

    def save(self) -> None:
        """Write the file in one step.

        Raises:
            OSError: it cannot be written.
        """
        new = self.file.with_name(f".{self.file.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, files.PUBLIC_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, files.PUBLIC_FILE)
            # In ASCII: a name that is not UTF-8 has halves of characters.
            json.dump(self._document.model_dump(), file, indent=1, sort_keys=True)
        new.replace(self.file)


def _read(file: Path) -> _Document:
    """Read the file. One that is missing or damaged holds nothing: every path is tried again."""
    try:
        with reading(file) as content:
            return _Document.model_validate(json.loads(content.read(_MOST_BYTES)))
    except (OSError, ValueError, RecursionError, ValidationError):
        return _Document()

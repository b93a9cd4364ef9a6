"""What `nix copy --log-format internal-json` tells while it runs. Pure."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

_PREFIX = "@nix "
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class _Number(IntEnum):
    """Nix's own numbers, from logging.hh of its sources."""

    COPY_PATH = 100
    COPY_PATHS = 103
    PROGRESS = 105
    LEVEL_ERROR = 0
    LEVEL_WARNING = 1


@dataclass
class Copying:
    """How far a copy is.

    Attributes:
        done_paths: how many paths are copied.
        all_paths: how many there are to copy.
        errors: what went wrong, in Nix's words.
        warnings: what it warned of since they were last taken.
    """

    done_paths: int = 0
    all_paths: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _kinds: dict[int, int] = field(default_factory=dict, repr=False)
    _bytes: dict[int, int] = field(default_factory=dict, repr=False)
    _done_bytes: int = field(default=0, repr=False)

    @property
    def copied_bytes(self) -> int:
        """How much was read of the NARs so far."""
        return self._done_bytes + sum(self._bytes.values())

    def read(self, line: str) -> None:
        """Take in one line. One that is not an event is an error message."""
        event = _event(line)
        match event:
            case None:
                if line.strip():
                    self.errors.append(plain(line))
            case {"action": "start", "id": int(activity), "type": int(kind)}:
                self._kinds[activity] = kind
            case {"action": "stop", "id": int(activity)}:
                self._kinds.pop(activity, None)
                self._done_bytes += self._bytes.pop(activity, 0)
            case {
                "action": "result",
                "type": _Number.PROGRESS,
                "id": int(activity),
                "fields": [*fields],
            }:
                self._progress(activity, fields)
            case {"action": "msg", "level": _Number.LEVEL_ERROR, "msg": str(text)}:
                self.errors.append(plain(text))
            case {"action": "msg", "level": _Number.LEVEL_WARNING, "msg": str(text)}:
                self.warnings.append(plain(text))

    def _progress(self, activity: int, fields: Sequence[Any]) -> None:
        match self._kinds.get(activity), fields:
            case _Number.COPY_PATHS, [int(done), int(total), *_] if done >= 0 and total >= 0:
                self.done_paths, self.all_paths = done, total
            case _Number.COPY_PATH, [int(copied), *_] if copied >= 0:
                self._bytes[activity] = copied


def plain(text: str) -> str:
    """A message in one line, without colours."""
    return " ".join(_COLOURS.sub("", text).split())


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith(_PREFIX):
        return None
    try:
        event = json.loads(line.removeprefix(_PREFIX))
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None

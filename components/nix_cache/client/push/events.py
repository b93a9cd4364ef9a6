"""What `nix copy --log-format internal-json` tells while it runs. Pure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_PREFIX = "@nix "
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# Nix's own numbers, from logging.hh of its sources.
_COPY_PATH, _COPY_PATHS, _PROGRESS = 100, 103, 105
_ERROR, _WARNING = 0, 1


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
        """Take in one line. One that is no event is an error's."""
        event = _event(line)
        if event is None:
            if line.strip():
                self.errors.append(plain(line))
            return
        match event.get("action"):
            case "start":
                self._kinds[event["id"]] = event.get("type", 0)
            case "stop":
                self._kinds.pop(event["id"], None)
                self._done_bytes += self._bytes.pop(event["id"], 0)
            case "result" if event.get("type") == _PROGRESS:
                self._progress(event["id"], event["fields"])
            case "msg" if event.get("level") == _ERROR:
                self.errors.append(plain(event["msg"]))
            case "msg" if event.get("level") == _WARNING:
                self.warnings.append(plain(event["msg"]))

    def _progress(self, activity: int, fields: list[int]) -> None:
        kind = self._kinds.get(activity)
        if kind == _COPY_PATHS:
            self.done_paths, self.all_paths = fields[0], fields[1]
        elif kind == _COPY_PATH:
            self._bytes[activity] = fields[0]


def plain(text: str) -> str:
    """A message in one line, without colours."""
    return " ".join(_COLOURS.sub("", text).split())


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith(_PREFIX):
        return None
    try:
        event = json.loads(line.removeprefix(_PREFIX))
    except ValueError:
        return None
    return event if isinstance(event, dict) else None

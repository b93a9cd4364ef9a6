"""What would change in a file, as text to read, without secrets. Pure."""

import difflib
import re
from collections.abc import Iterator
from itertools import takewhile

from nix_cache.cli.machine.files import FileChange

CONTEXT_LINES = 3
_HEADER_LINES = 2


def unified(change: FileChange) -> Iterator[str]:
    """Yield the lines of a unified diff; none if nothing changes."""
    before, after = _lines(change.before), _lines(change.after)
    # Of a huge file only the end is compared, as difflib looks at every pair of lines.
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after)))  # noqa: B905
    skipped = max(0, same - CONTEXT_LINES)
    lines = difflib.unified_diff(
        before[skipped:],
        after[skipped:],
        "/dev/null" if change.before is None else str(change.path),
        "/dev/null" if change.after is None else str(change.path),
        n=CONTEXT_LINES,
        lineterm="",
    )
    for number, line in enumerate(lines):
        if number < _HEADER_LINES:
            yield line
        elif line.startswith("@@"):
            yield _moved(line, skipped)
        else:
            yield line[0] + change.mask(line[1:])


def _lines(content: bytes | None) -> list[str]:
    lines = (content or b"").decode(errors="backslashreplace").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _moved(hunk_header: str, skipped: int) -> str:
    """Return the header of a hunk in the whole file, when the first lines were not compared."""
    return re.sub(r"(?<=[-+])\d+", lambda found: str(int(found[0]) + skipped), hunk_header)

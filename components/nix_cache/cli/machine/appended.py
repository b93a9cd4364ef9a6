"""Lines that are put at the end of a foreign text file and taken out again. Pure.

Texts are bytes, because what else stands in the file may be in any encoding. What is put there
brings along the line end before it: so a file without a final newline gets its last byte back.
"""

import re
from collections.abc import Sequence

HEADER = b"# Made by `nix-cache use`, which removes it when nothing else is left in it.\n"
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


def split_lines(text: bytes) -> list[bytes]:
    """Return the lines with their ends, which only a newline makes, as for Nix."""
    return _LINE.findall(text)


def append(text: bytes | None, added: Sequence[bytes]) -> bytes:
    """Put lines at the end of a text; None stands for a file that does not exist.

    Args:
        text: the file.
        added: lines without their ends; they get those that the file has.
    """
    text = HEADER if text is None else text
    end = b"\r\n" if b"\r\n" in text else b"\n"
    return text + end + b"".join(line + end for line in added)


def cut(lines: Sequence[bytes], start: int, stop: int) -> bytes | None:
    """Take out what ``append`` put in; None if that had made the file and nothing else is in it.

    Args:
        lines: the whole file.
        start: the first line to go; the line end before it goes too.
        stop: the first line after it that stays.
    """
    end = b"\r\n" if lines[start].endswith(b"\r\n") else b"\n"
    before = b"".join(lines[:start]).removesuffix(end)
    after = b"".join(lines[stop:])
    if before == HEADER and not after:
        return None
    if before and after and not before.endswith(b"\n") and not after.startswith((b"\n", b"\r\n")):
        return before + end + after
    return before + after

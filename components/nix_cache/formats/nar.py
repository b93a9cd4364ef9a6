"""NARs: reading one as it comes in, as strictly as Nix does, without holding it. Pure.

The rules are those of Nix's NAR specification and of ``parseDump`` in Nix 2.34:
https://nix.dev/manual/nix/latest/protocols/nix-archive
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

MAGIC = b"nix-archive-1"
_ALIGNMENT = 8
_LONGEST_TAG = 32
_LONGEST_NAME = 255
_LONGEST_TARGET = 4095
DEEPEST = 64
"""Directories within one another. Nix 2.33 and older have no such limits, but cannot restore longer
names and targets either."""

BLOCK_BYTES = 1 << 16
"""What is read at once. Nix reads decompressed content in blocks of this size."""

Listener = Callable[[bytes], object]


class NarError(ValueError):
    """What was read is not a NAR that Nix restores. The message says why."""


class Readable(Protocol):
    """Something to read bytes from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


@dataclass(frozen=True)
class Nar:
    """What a NAR is.

    Attributes:
        size_bytes: its length.
        is_regular_file: whether it holds one regular file, rather than a directory or a link.
    """

    size_bytes: int
    is_regular_file: bool


def read_nar(
    source: Readable,
    most_bytes: int,
    listeners: Sequence[Listener] = (),
    file_listeners: Sequence[Listener] = (),
) -> Nar:
    """Read one NAR, to its end and no further. What follows it is left, as Nix leaves it.

    Args:
        source: where it comes from.
        most_bytes: the length after which no more is read.
        listeners: each is given all bytes of the NAR, piece by piece.
        file_listeners: each is given the content of the NAR's root, if that is a regular file.

    Raises:
        NarError: Nix would not restore it, or it is longer than ``most_bytes``.
    """
    pieces = _Pieces(source, most_bytes, listeners)
    if pieces.string(len(MAGIC)) != MAGIC:
        raise NarError("it does not begin as a NAR does")
    kind = _Parser(pieces, file_listeners).node(0)
    pieces.flush()
    return Nar(pieces.consumed, is_regular_file=kind == b"regular")


class _Pieces:
    """The strings and numbers of a NAR."""

    def __init__(self, source: Readable, most_bytes: int, listeners: Sequence[Listener]) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._listeners = listeners
        self._buffer = b""
        self._position = 0
        self._flushed = 0
        self.consumed = 0

    def number(self) -> int:
        """Return the next number."""
        (value,) = struct.unpack("<Q", self._take(8))
        return int(value)

    def string(self, longest: int) -> bytes:
        """Return the next string, of at most so many bytes."""
        length = self.number()
        if length > longest:
            raise NarError(f"a string of at most {longest} bytes is expected, there are {length}")
        value = self._take(length)
        self._padding(length)
        return value

    def content(self, listeners: Sequence[Listener]) -> None:
        """Skip the next string, however long it is."""
        length = left = self.number()
        self._check_length(length)
        while left:
            piece = self._take(min(left, max(1, len(self._buffer) - self._position)))
            left -= len(piece)
            for listener in listeners:
                listener(piece)
        self._padding(length)

    def flush(self) -> None:
        """Give the listeners what was read since they were given something."""
        piece = self._buffer[self._flushed : self._position]
        self._flushed = self._position
        if piece:
            for listener in self._listeners:
                listener(piece)

    def _padding(self, length: int) -> None:
        if self._take(-length % _ALIGNMENT).strip(b"\0"):
            raise NarError("a string is not padded with zeros")

    def _take(self, length: int) -> bytes:
        self._check_length(length)
        while len(self._buffer) - self._position < length:
            self.flush()
            chunk = self._source.read(BLOCK_BYTES)
            if not chunk:
                raise NarError(f"it ends after {self.consumed} bytes, within something")
            self._buffer = self._buffer[self._position :] + chunk
            self._position = self._flushed = 0
        value = self._buffer[self._position : self._position + length]
        self._position += length
        self.consumed += length
        return value

    def _check_length(self, length: int) -> None:
        if self.consumed + length > self._most_bytes:
            raise NarError(f"it is longer than {self._most_bytes} bytes")


class _Parser:
    """The structure of a NAR."""

    def __init__(self, pieces: _Pieces, file_listeners: Sequence[Listener]) -> None:
        self._pieces = pieces
        self._file_listeners = file_listeners

    def node(self, depth: int) -> bytes:
        """Read a file, a directory with its contents, or a symbolic link; return its type."""
        if depth >= DEEPEST:
            raise NarError(f"it has {depth} directories within one another")
        self._expect(b"(")
        self._expect(b"type")
        kind = self._tag()
        match kind:
            case b"regular":
                self._file(depth)
            case b"directory":
                self._directory(depth)
            case b"symlink":
                self._expect(b"target")
                target = self._pieces.string(_LONGEST_TARGET)
                if not target or b"\0" in target:
                    raise NarError("a symbolic link has no valid target")
                self._expect(b")")
            case _:
                raise NarError(f"the file type {kind!r} is unknown")
        return kind

    def _file(self, depth: int) -> None:
        tag = self._tag()
        if tag == b"executable":
            self._pieces.string(0)
            tag = self._tag()
        if tag != b"contents":
            raise NarError(f"'contents' is expected, there is {tag!r}")
        self._pieces.content(self._file_listeners if depth == 0 else ())
        self._expect(b")")

    def _directory(self, depth: int) -> None:
        previous = b""
        while (tag := self._tag()) != b")":
            if tag != b"entry":
                raise NarError(f"'entry' or ')' is expected, there is {tag!r}")
            self._expect(b"(")
            self._expect(b"name")
            name = self._pieces.string(_LONGEST_NAME)
            if name in {b"", b".", b".."} or b"/" in name or b"\0" in name:
                raise NarError(f"the file name {name!r} is invalid")
            if name <= previous:
                raise NarError(f"the file name {name!r} is not in order")
            previous = name
            self._expect(b"node")
            self.node(depth + 1)
            self._expect(b")")

    def _tag(self) -> bytes:
        return self._pieces.string(_LONGEST_TAG)

    def _expect(self, expected: bytes) -> None:
        if (tag := self._tag()) != expected:
            raise NarError(f"{expected.decode()!r} is expected, there is {tag!r}")

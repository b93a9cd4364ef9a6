"""What a request sends: bytes, or a part of a file that is read while it is sent."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class FilePart:
    """A part of an open file, read by position, so that several threads can send parts of it.

    Attributes:
        descriptor: of the file.
        start: where the part begins.
        size: its length in bytes.
        sha256: of it, in hexadecimal, if that is known.
        sent: called with the number of bytes whenever some were handed to the connection. A try
            that failed is taken back, by a negative number.
    """

    descriptor: int
    start: int
    size: int
    sha256: str = ""
    sent: Callable[[int], None] = lambda _: None

    def __len__(self) -> int:
        return self.size

    def read(self, position: int, count: int) -> bytes:
        """Read some bytes of the part.

        Raises:
            OSError: the file cannot be read, or became shorter.
        """
        count = min(count, self.size - position)
        if count <= 0:
            return b""
        content = os.pread(self.descriptor, count, self.start + position)
        if not content:
            raise OSError("a temporary file became shorter while it was sent")
        return content

    def digest(self) -> str:
        """Return the SHA-256 of the part, in hexadecimal."""
        if self.sha256:
            return self.sha256
        found, position = hashlib.sha256(), 0
        while block := self.read(position, _BLOCK_BYTES):
            found.update(block)
            position += len(block)
        return found.hexdigest()


class Reader:
    """A part of a file while one try of a request sends it, as ``http.client`` reads it.

    Args:
        part: what is sent.
        piece_bytes: the most bytes at a time.
        before: called before some bytes are sent, with their number. It may wait, and it raises if
            nothing more is to be sent.
    """

    def __init__(self, part: FilePart, piece_bytes: int, before: Callable[[int], None]) -> None:
        self._part = part
        self._piece_bytes = piece_bytes
        self._before = before
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; none at the end."""
        most = self._piece_bytes if count < 0 else min(count, self._piece_bytes)
        content = self._part.read(self._position, most)
        if content:
            self._before(len(content))
            self._position += len(content)
            self._part.sent(len(content))
        return content

    def take_back(self) -> None:
        """Note that what was sent has to be sent again."""
        self._part.sent(-self._position)
        self._position = 0

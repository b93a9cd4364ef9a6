"""Columns in which objects of a bucket are held, and the numbers that stand for times. Pure."""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

from nix_cache.cli.inventory.stored import Stored

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
NO_TIME = -(2**63)
"""In the place of a time: there is none."""

_PLAIN_ETAG = re.compile(r'"[0-9a-f]{32}"')
_PLAIN_ETAGS = re.compile(f"(?:{_PLAIN_ETAG.pattern})*")
_PLAIN_LENGTH = 34
_NO_ETAG = "0" * 32
_END = b"\n"
_END_PATTERN = re.compile(_END)

_Part = TypeVar("_Part")


class Columns:
    """Objects in the order of their names, as they are listed.

    Attributes:
        names: of the objects, in ASCII, with a line end before and after each.
        positions: of all line ends in ``names``, when the columns are complete.
        sizes: in bytes.
        written: the dates as numbers.
        etags: the ETags as bytes, 16 of each.
        other_etags: the ETags that are not 16 bytes, by the place of their objects.
    """

    def __init__(self) -> None:
        self.names: bytes | bytearray = bytearray(_END)
        self.positions = array("Q")
        self.sizes = array("Q")
        self.written = array("q")
        self.etags: bytes | bytearray = bytearray()
        self.other_etags: dict[int, str] = {}

    @classmethod
    def of(cls, named: Sequence[tuple[str, Stored]]) -> Self:
        """Return columns of some objects.

        Args:
            named: the objects, each with its name: in ASCII, without line ends, and greater than
                those before it.
        """
        found = cls()
        found.names += "\n".join([*(name for name, _ in named), ""]).encode("ascii")
        found.sizes.extend([stored.size for _, stored in named])
        found.written.extend([as_number(stored.written) for _, stored in named])
        found._put_etags([stored.etag for _, stored in named])
        return found

    def __len__(self) -> int:
        return len(self.sizes)

    def extend(self, later: "Columns") -> None:
        """Add the objects of other columns, whose names are greater."""
        count = len(self)
        self.other_etags |= {count + at: etag for at, etag in later.other_etags.items()}
        self.names += memoryview(later.names)[1:]
        self.sizes.extend(later.sizes)
        self.written.extend(later.written)
        self.etags += later.etags

    def complete(self) -> None:
        """Find the names, and give back the memory that was kept for further objects.

        None may be added then.

        Raises:
            ValueError: a name has a line end.
        """
        self.names = bytes(self.names)
        self.positions = array("Q", (found.start() for found in _END_PATTERN.finditer(self.names)))
        self.positions = self.positions[:]
        self.sizes = self.sizes[:]
        self.written = self.written[:]
        self.etags = bytes(self.etags)
        if len(self.positions) != len(self) + 1:
            raise ValueError("a name has a line end")

    def _put_etags(self, etags: list[str]) -> None:
        joined = "".join(etags)
        if not (_PLAIN_ETAGS.fullmatch(joined) and {*map(len, etags)} <= {_PLAIN_LENGTH}):
            others = ((at, one) for at, one in enumerate(etags) if not _PLAIN_ETAG.fullmatch(one))
            self.other_etags = dict(others)
            joined = "".join(
                _NO_ETAG if at in self.other_etags else one for at, one in enumerate(etags)
            )
        self.etags += bytes.fromhex(joined.replace('"', ""))


def taken(parts: list[_Part]) -> Iterator[_Part]:
    """Yield the parts of a list, which is emptied, so that none is held any longer."""
    parts.reverse()
    while parts:
        yield parts.pop()


def joined(parts: Iterable[Columns]) -> Columns:
    """Return columns of all objects of some parts, each of which has greater names."""
    found = Columns()
    for part in parts:
        found.extend(part)
    return found


def as_number(time: datetime | None) -> int:
    """Return a time in microseconds, or what stands for none."""
    return NO_TIME if time is None else (time - _EPOCH) // _MICROSECOND


def as_span(span: timedelta) -> int:
    """Return a span of time in the unit of ``as_number``."""
    return span // _MICROSECOND


def as_time(number: int) -> datetime | None:
    """Return the time of a number that ``as_number`` returned."""
    return None if number == NO_TIME else _EPOCH + timedelta(microseconds=number)

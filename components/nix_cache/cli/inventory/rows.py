"""Rows of the file with what earlier runs read, many on a line. Pure.

A line is read and compared with the listing as a whole, which takes a fraction of the time that
single rows take.
"""

import json
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Self

MOST_ROWS = 100
"""On a line. Where one row is not as it was, its line is compared in parts."""


class Row(NamedTuple):
    """An object whose ETag is the hash of what was read.

    Attributes:
        name: of the object.
        state: its size, date and ETag, as ``PackedObjects.state`` returns them.
        text: what the object states besides its references, without white space.
        references: the names of what it refers to.
    """

    name: str
    state: tuple[int, int, str]
    text: str
    references: list[str]


class Rows(NamedTuple):
    """Some rows, as columns.

    Attributes:
        names: of the objects.
        sizes: in bytes.
        written: the dates as numbers.
        etags: the ETags as bytes, 16 of each.
        texts: what the objects state besides their references.
        counts: how many references each has.
        references: the references of all.
    """

    names: list[str]
    sizes: "array[int]"
    written: "array[int]"
    etags: bytes
    texts: list[str]
    counts: "array[int]"
    references: list[str]

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Return the rows of a line that ``lines`` yielded."""
        numbers, names, etags, texts, references = line.decode().rstrip("\n").split("\t")
        sizes, written, counts = json.loads(numbers)
        return cls(
            names.split(" "),
            array("Q", sizes),
            array("q", written),
            bytes.fromhex(etags),
            texts.split(" "),
            array("H", counts),
            references.split(),
        )

    def halves(self) -> tuple[Self, Self]:
        """Return the first half of the rows, and the rest."""
        middle = len(self.names) // 2
        return self._part(slice(middle)), self._part(slice(middle, len(self.names)))

    def _part(self, rows: slice) -> Self:
        first, after, _ = rows.indices(len(self.names))
        start = sum(self.counts[:first])
        return type(self)(
            self.names[rows],
            self.sizes[rows],
            self.written[rows],
            self.etags[16 * first : 16 * after],
            self.texts[rows],
            self.counts[rows],
            self.references[start : start + sum(self.counts[rows])],
        )


def lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the lines of a file with some rows."""
    left = iter(rows)
    while some := list(islice(left, MOST_ROWS)):
        sizes, written, etags = zip(*(row.state for row in some), strict=True)
        columns = (
            json.dumps([sizes, written, [len(row.references) for row in some]]),
            " ".join(row.name for row in some),
            "".join(etag.strip('"') for etag in etags),
            " ".join(row.text for row in some),
            " ".join(name for row in some for name in row.references),
        )
        yield ("\t".join(columns) + "\n").encode()

"""Reading NARs: what Nix restores is read to its end, anything else is an error."""

import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.formats.nar import Nar, NarError, read_nar
from tests.e2e.verdicts.samples import directory, link, nar, regular, text, tree

NO_LIMIT = 1 << 30

names = st.binary(min_size=1, max_size=9).filter(
    lambda name: name not in {b".", b".."} and not {0, 47} & set(name)
)
nodes = st.recursive(
    st.builds(regular, st.binary(max_size=40)) | st.builds(link, names),
    lambda inner: st.dictionaries(names, inner, max_size=4).map(
        lambda entries: directory(*sorted(entries.items()))
    ),
    max_leaves=9,
)


class InPieces:
    """A file that gives as many bytes at a time as it pleases."""

    def __init__(self, content: bytes, seed: int) -> None:
        self._file = io.BytesIO(content)
        self._random = random.Random(seed)

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes."""
        return self._file.read(self._random.randint(1, min(size, 20)))


def read(content: bytes, most_bytes: int = NO_LIMIT, **listeners: Any) -> Nar:
    """Read a NAR."""
    return read_nar(io.BytesIO(content), most_bytes, **listeners)


@given(nodes, st.integers(), st.binary(max_size=20))
def test_a_nar_is_read_to_its_end_and_no_further(node: bytes, seed: int, rest: bytes) -> None:
    """In whatever pieces it comes; the listeners are given all of it, and nothing else."""
    whole = nar(node)
    heard = io.BytesIO()

    found = read_nar(InPieces(whole + rest, seed), NO_LIMIT, [heard.write])

    assert found.size_bytes == len(whole)
    assert heard.getvalue() == whole


@given(nodes, st.floats(0, 0.999))
def test_a_nar_that_was_cut_off_is_refused(node: bytes, place: float) -> None:
    """Wherever that is."""
    whole = nar(node)
    with pytest.raises(NarError):
        read(whole[: int(place * len(whole))])


@given(st.binary(max_size=99), st.booleans())
def test_any_content_is_a_nar_or_an_error(content: bytes, begins_well: bool) -> None:
    """Never another exception."""
    with pytest.raises(NarError):
        read((text("nix-archive-1") if begins_well else b"") + content)


@given(st.data())
def test_a_damaged_nar_is_an_error_or_other_bytes(data: st.DataObject) -> None:
    """Never another exception, and never the same bytes."""
    whole = bytearray(tree("seed"))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    heard = io.BytesIO()
    try:
        read(bytes(whole), listeners=[heard.write])
    except NarError:
        return
    assert heard.getvalue() != tree("seed")


def invalid() -> Iterator[tuple[str, bytes]]:
    """NARs that Nix does not restore, each with what is said of it. In e2e, Nix itself is asked."""
    file = regular(b"content")
    yield "'b' is not in order", nar(directory(("c", file), ("b", file)))
    yield "'b' is not in order", nar(directory(("b", file), ("b", file)))
    for name in ("", ".", "..", "a/b", "a\0b"):
        yield "is invalid", nar(directory((name, file)))
    yield "at most 255 bytes", nar(directory(("x" * 256, file)))
    yield "at most 4095 bytes", nar(link("x" * 4096))
    for target in ("", "a\0b"):
        yield "no valid target", nar(link(target))
    yield "not padded with zeros", nar(file).replace(b"content\0", b"content\1")
    yield "file type b'device' is unknown", nar(b"".join(map(text, ("(", "type", "device", ")"))))
    yield "'contents' is expected", nar(b"".join(map(text, ("(", "type", "regular", "x"))))
    yield "'entry' or .* is expected", nar(b"".join(map(text, ("(", "type", "directory", "x"))))
    yield "does not begin as a NAR does", text("nix-archive-2") + file
    yield "at most 13 bytes is expected", b"\xff" * 99
    yield "ends after", nar(file)[:-16]
    yield "ends after", b""
    deep = file
    for _ in range(64):
        deep = directory(("d", deep))
    yield "64 directories within one another", nar(deep)


@pytest.mark.parametrize(("message", "content"), list(invalid()))
def test_a_nar_that_nix_does_not_restore_is_refused(message: str, content: bytes) -> None:
    """With the reason."""
    with pytest.raises(NarError, match=message):
        read(content)


def test_a_length_of_a_file_that_goes_beyond_the_limit_is_refused_at_once() -> None:
    """Before anything of it is read."""
    huge = nar(regular(b"content")).replace(b"\x07" + bytes(7) + b"content", b"\xff" * 8)

    with pytest.raises(NarError, match="longer than 5000 bytes"):
        read(huge, 5000)


def test_the_content_of_a_single_file_is_heard_apart() -> None:
    """Of the NAR's root, and not of files in a directory."""
    heard = io.BytesIO()

    alone = read(nar(regular(b"content")), file_listeners=[heard.write])
    within = read(nar(directory(("a", regular(b"other")))), file_listeners=[heard.write])

    assert heard.getvalue() == b"content"
    assert (alone.is_regular_file, within.is_regular_file) == (True, False)

"""Inputs: any bytes, and valid documents with a few things changed."""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.target import Shape, Target

ODD_BYTES = (
    b"",
    b"\0",
    b"\r\n",
    b"\n",
    b"\t ",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xef\xbb\xbf",  # a byte order mark
    b"\xe2\x80\xae",  # turns the direction of text
    b"\xc2\x9b",  # C1: begins an escape sequence
    b"\x1b]0;title\x07",
    b"\xc5\xbf",  # long s, which folds to s
    b"\xe2\x84\xaa",  # the Kelvin sign, which folds to k
    b"\xd9\xa3",  # an Arabic digit
    b"\xc2\xa0",
    b"\xe2\x80\xa8",  # ends a line for str.splitlines
    b"-1",
    b"0",
    b"18446744073709551616",
    b"9" * 4301,  # more digits than int() takes
    b"%00",
    b"%2e%2e/",
    b"../" * 8,
    b"A" * 5000,
)

_KINDS = ("cut", "repeat", "insert", "replace", "truncate", "splice", "case", "line")
_EDIT = st.integers(0, 2**52 - 1)
"""One edit, in a single draw: its kind, place, length and new text. That is five times as fast as a
draw for each."""


@st.composite
def changed_bytes(draw: DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Return valid inputs after a few edits, some of them of whole lines."""
    data = draw(st.sampled_from(seeds))
    pieces = (*tokens, *ODD_BYTES)
    for edit in draw(st.lists(_EDIT, min_size=1, max_size=5)):
        rest, kind = divmod(edit, len(_KINDS))
        rest, at = divmod(rest, 1 << 16)
        rest, length = divmod(rest, 64)
        rest, index = divmod(rest, len(pieces) + 3)
        piece = pieces[index] if index < len(pieces) else bytes([rest % 256])
        data = _edited_bytes(data, _KINDS[kind], at, length, piece, seeds)
    return data


def _edited_bytes(
    data: bytes, kind: str, at: int, length: int, piece: bytes, seeds: Sequence[bytes]
) -> bytes:
    start = at % (len(data) + 1)
    stop = min(len(data), start + length)
    match kind:
        case "cut":
            return data[:start] + data[stop:]
        case "repeat":
            return data[:start] + data[start:stop] * 3 + data[stop:]
        case "insert":
            return data[:start] + piece + data[start:]
        case "replace":
            return data[:start] + piece + data[stop:]
        case "truncate":
            return data[:start]
        case "splice":
            other = seeds[length % len(seeds)]
            return data[:start] + other[at % (len(other) + 1) :]
        case "case":
            return data[:start] + data[start:stop].swapcase() + data[stop:]
        case _:
            return _with_line_changed(data, at, length, piece)


def _with_line_changed(data: bytes, at: int, how: int, piece: bytes) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    number = at % len(lines)
    line = lines[number]
    name, separator, _ = line.partition(b":" if b":" in line else b"=")
    changed = (
        [],
        [line, line],
        [name + separator + b" " + piece + b"\n"],
        [piece + b"\n", line],
        [line.rstrip(b"\r\n") + b"\r\n"],
        [line.swapcase()],
        [lines[how % len(lines)], line],
    )[how % 7]
    return b"".join([*lines[:number], *changed, *lines[number + 1 :]])


class Raw(str):
    """JSON text that stands as it is, and may be none."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """A JSON object, in which names may be repeated."""


ODD_VALUES: Sequence[Any] = (
    None,
    True,
    0,
    -1,
    2**64,
    1.5,
    "",
    "\0",
    "\ud800",
    "\x1b[31m",
    "\u202e",
    "\u017f",
    "a" * 300,
    "https://[x",
    "s3://b?endpoint=%zz",
    "a\nb = c",
    "//",
    "*",
    "?",
    [],
    Pairs(),
    [[]],
    Raw("NaN"),
    Raw("1e999"),
    Raw("9" * 4301),
    Raw("[" * 3000 + "]" * 3000),
    Raw("[" * 100_000),
    Raw('"\\ud800"'),
    Raw('"unfinished'),
    Raw("{} trailing"),
)


_JSON_KINDS = ("replace", "remove", "repeat", "rename", "add", "wrap")


@st.composite
def changed_json(draw: DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Return valid documents in which values, names and their order are changed."""
    value = json.loads(draw(st.sampled_from(seeds)), object_pairs_hook=Pairs)
    words = [*(token.decode(errors="replace") for token in tokens), "x"]
    news = [*ODD_VALUES, *words]
    for edit in draw(st.lists(_EDIT, min_size=1, max_size=4)):
        rest, kind = divmod(edit, len(_JSON_KINDS))
        rest, at = divmod(rest, 1 << 16)
        rest, new = divmod(rest, len(news))
        value = _edited(value, _JSON_KINDS[kind], at, news[new], words[rest % len(words)])
    return _dumped(value).encode(errors="surrogatepass")


def _edited(value: Any, kind: str, at: int, new: Any, name: str) -> Any:
    places = list(_places(value))
    if not places:
        return new
    container, index = places[at % len(places)]
    is_pairs = isinstance(container, Pairs)
    old = container[index][1] if is_pairs else container[index]
    key = container[index][0] if is_pairs else ""
    variants = (key.swapcase(), key.lower(), key.replace("s", "\u017f", 1), name)
    spelled = variants[at % len(variants)]
    match kind:
        case "replace":
            container[index] = (key, new) if is_pairs else new
        case "remove":
            del container[index]
        case "repeat":
            container.append((key, new) if is_pairs else old)
        case "rename" if is_pairs:
            container[index] = (spelled, old)
        case "add" if is_pairs:
            container.append((spelled, old if at % 2 else new))
        case _:
            container[index] = (key, [old]) if is_pairs else [old]
    return value


def _places(value: Any) -> Iterator[tuple[list[Any], int]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            yield from _places(item[1] if isinstance(value, Pairs) else item)


def _dumped(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(k)}: {_dumped(v)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dumped, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


_XML_KINDS = ("remove", "repeat", "text", "rename", "empty", "add", "move")


@st.composite
def changed_xml(draw: DrawFn, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Return valid documents in which elements and their texts are changed. Tokens are elements."""
    root = ElementTree.fromstring(draw(st.sampled_from(seeds)))
    for edit in draw(st.lists(_EDIT, min_size=1, max_size=4)):
        rest, kind = divmod(edit, len(_XML_KINDS))
        rest, at = divmod(rest, 1 << 16)
        nodes = [(parent, node) for parent in root.iter() for node in parent]
        if not nodes:
            break
        parent, node = nodes[at % len(nodes)]
        match _XML_KINDS[kind]:
            case "remove":
                parent.remove(node)
            case "repeat":
                parent.append(node)
            case "text":
                node.text = _XML_TEXTS[rest % len(_XML_TEXTS)]
            case "rename":
                node.tag = nodes[rest % len(nodes)][1].tag
            case "empty":
                node.clear()
            case "add":
                parent.insert(0, ElementTree.fromstring(tokens[rest % len(tokens)]))
            case _:
                node.append(ElementTree.fromstring(tokens[rest % len(tokens)]))
    return ElementTree.tostring(root)


_XML_TEXTS = (
    *("", " ", "-1", "0", "1e3", "9" * 30, "true", "FALSE", "..", "nar/../x", "%2e%2e", "\u202e"),
    *("9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "yesterday", "2026-11-31", "Disabled"),
)


def inputs(target: Target) -> SearchStrategy[bytes]:
    """Everything that is tried on a target."""
    pieces = st.sampled_from((*target.tokens, *ODD_BYTES))
    other = st.lists(pieces, max_size=8).map(b"".join) | st.binary(max_size=100)
    changed = changed_bytes(target.seeds, target.tokens)
    if target.shape is Shape.JSON:
        documents = changed_json(target.seeds, target.tokens)
        return documents | documents | changed | other
    if target.shape is Shape.XML:
        trees = changed_xml(target.seeds, target.tokens)
        return trees | trees | changed | other
    return changed | changed | changed | other

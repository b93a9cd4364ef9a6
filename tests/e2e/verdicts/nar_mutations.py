"""Mutations of the NAR itself."""

import struct
from collections.abc import Iterator
from functools import partial

from tests.e2e.verdicts.file_mutations import pack_as
from tests.e2e.verdicts.samples import (
    COMPRESSORS,
    Made,
    Mutation,
    Sample,
    directory,
    link,
    nar,
    regular,
    text,
    tree,
)


def nars(signed: Made) -> Iterator[Mutation]:
    """NARs that are valid in odd ways, or not valid, each with its true hash and size."""
    file = regular(b"content")
    magic = text("nix-archive-1")
    for way, content in {
        "file": nar(file),
        "empty-file": nar(regular(b"")),
        "executable": nar(regular(b"content", executable=True)),
        "link": nar(link("target")),
        "empty-directory": nar(directory()),
        "sorted": nar(directory(("a", file), ("b", file))),
        "unsorted": nar(directory(("b", file), ("a", file))),
        "duplicate": nar(directory(("a", file), ("a", file))),
        "upper-case-after-lower": nar(directory(("a", file), ("B", file))),
        "case-alone-differs": nar(directory(("A", file), ("a", file))),
        "sorted-by-bytes": nar(directory(("a", file), (b"\xc3\xa4", file), (b"\xff", file))),
        "prefix-first": nar(directory(("a", file), ("a.b", file), ("aa", file))),
        "name-empty": nar(directory(("", file))),
        "name-dot": nar(directory((".", file))),
        "name-dots": nar(directory(("..", file))),
        "name-three-dots": nar(directory(("...", file))),
        "name-with-slash": nar(directory(("a/b", file))),
        "name-with-nul": nar(directory(("a\0b", file))),
        "name-with-newline": nar(directory(("a\nb", file))),
        "name-not-utf-8": nar(directory((b"\xff\xfe", file))),
        "name-255": nar(directory(("x" * 255, file))),
        "name-256": nar(directory(("x" * 256, file))),
        "target-empty": nar(link("")),
        "target-with-nul": nar(link("a\0b")),
        "target-4095": nar(link("x" * 4095)),
        "target-4096": nar(link("x" * 4096)),
        "target-absolute": nar(link("/etc/passwd")),
        "executable-with-value": magic
        + b"".join(map(text, ("(", "type", "regular", "executable", "yes", "contents", "x", ")"))),
        "executable-twice": magic
        + b"".join(
            map(text, ("(", "type", "regular", *("executable", "") * 2, "contents", "x", ")"))
        ),
        "executable-after-contents": magic
        + b"".join(map(text, ("(", "type", "regular", "contents", "x", "executable", "", ")"))),
        "without-contents": magic + b"".join(map(text, ("(", "type", "regular", ")"))),
        "contents-twice": magic
        + b"".join(map(text, ("(", "type", "regular", "contents", "x", "contents", "y", ")"))),
        "without-type": magic + b"".join(map(text, ("(", "contents", "x", ")"))),
        "type-unknown": magic + b"".join(map(text, ("(", "type", "device", ")"))),
        "type-upper-case": magic + b"".join(map(text, ("(", "type", "Regular", ")"))),
        "target-missing": magic + b"".join(map(text, ("(", "type", "symlink", ")"))),
        "not-closed": nar(file)[:-16],
        "closed-twice": nar(file) + text(")"),
        "entry-without-node": magic
        + b"".join(map(text, ("(", "type", "directory", "entry", "(", "name", "a", ")", ")"))),
        "entry-unknown": magic + b"".join(map(text, ("(", "type", "directory", "item", ")"))),
        "node-before-name": magic
        + b"".join(map(text, ("(", "type", "directory", "entry", "(", "node")))
        + file
        + b"".join(map(text, ("name", "a", ")", ")"))),
        "padding-not-zero": nar(file).replace(b"content\0", b"content\1"),
        "padding-of-a-tag-not-zero": nar(file).replace(b"regular\0", b"regular\1"),
        "length-of-contents-too-large": nar(file).replace(
            struct.pack("<Q", 7) + b"content", struct.pack("<Q", 2**63) + b"content"
        ),
        "length-of-contents-largest": nar(file).replace(
            struct.pack("<Q", 7) + b"content", struct.pack("<Q", 2**64 - 1) + b"content"
        ),
        "length-of-a-tag-too-large": nar(file).replace(
            struct.pack("<Q", 7) + b"regular", struct.pack("<Q", 2**40) + b"regular"
        ),
        "version-2": text("nix-archive-2") + file,
        "without-version": file,
        "version-alone": magic,
        "text": b"not a NAR at all",
        "one-byte": b"x",
        "twice": nar(file) * 2,
        "text-after": nar(file) + b"text",
        "zeros-after": nar(file) + bytes(64),
        "megabyte-after": nar(file) + bytes(1_000_000),
        "many-files": nar(directory(*((f"{n:04}", file) for n in range(1000)))),
        **{f"depth-{depth}": nar(_deep(depth)) for depth in (62, 63, 64, 65, 200)},
    }.items():
        yield f"nar-{way}", signed, partial(_store, content)
    for way, content in {
        "text-after-not-counted": nar(file) + b"text",
        "megabyte-after-not-counted": nar(file) + bytes(1_000_000),
    }.items():
        for name in COMPRESSORS:
            alter = partial(_store_longer, nar(file), content, name)
            yield f"nar-{way}-{name}", signed, alter
    yield "nar-size-one-block-less", signed, partial(_misstate_size, -8)
    yield "nar-of-another-path", signed, lambda s: setattr(s.stored, "body", tree("another"))


def _deep(depth: int) -> bytes:
    node = directory()
    for _ in range(depth):
        node = directory(("d", node))
    return node


def _store(content: bytes, sample: Sample) -> None:
    sample.store(content)


def _store_longer(content: bytes, longer: bytes, compression: str, sample: Sample) -> None:
    """Say nothing of what follows the NAR."""
    sample.store(content)
    pack_as(compression, lambda _: COMPRESSORS[compression](longer), sample)


def _misstate_size(difference: int, sample: Sample) -> None:
    sample.set("NarSize", str(len(sample.nar) + difference))
    sample.sign()

"""A path of a cache as it is served, made without Nix, to be altered before it is judged."""

import base64
import bz2
import gzip
import hashlib
import lzma
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import brotli
import zstandard
from nacl.signing import SigningKey

from nix_cache.formats import signing
from nix_cache.formats.content_address import ContentAddress, Method, store_path
from nix_cache.formats.narinfo import Narinfo, NarinfoError
from nix_cache.formats.nix_hash import NixHash, encode_nix32

KEY = signing.generate("cache.example.org-nixbuilder-1")
STRANGER = signing.generate("stranger.example.org-1")

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "br": brotli.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
}


FOLDER = "cache"
"""The part of the server in which the cache is."""

DEPENDENCIES = ("dependency-a", "dependency-b")
"""Samples that are well, and that others refer to."""


def text(value: bytes | str) -> bytes:
    """Return a string of a NAR."""
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content + bytes(-len(content) % 8)


def regular(content: bytes, *, executable: bool = False) -> bytes:
    """Return a regular file's node of a NAR."""
    mark = text("executable") + text("") if executable else b""
    return b"".join(
        [*map(text, ("(", "type", "regular")), mark, text("contents"), text(content), text(")")]
    )


def link(target: bytes | str) -> bytes:
    """Return a symbolic link's node of a NAR."""
    return b"".join(map(text, ("(", "type", "symlink", "target", target, ")")))


def directory(*entries: tuple[bytes | str, bytes]) -> bytes:
    """Return a directory's node of a NAR, with its entries in the order given."""
    nodes = [
        b"".join([*map(text, ("entry", "(", "name", name, "node")), node, text(")")])
        for name, node in entries
    ]
    return b"".join([*map(text, ("(", "type", "directory")), *nodes, text(")")])


def nar(node: bytes) -> bytes:
    """Return a NAR."""
    return text("nix-archive-1") + node


def tree(seed: str) -> bytes:
    """Return a NAR with every kind of node, another one for each seed."""
    return nar(
        directory(
            ("bin", directory(("run", regular(b"#!/bin/sh\n", executable=True)))),
            ("empty", directory()),
            ("file", regular(seed.encode() * 3)),
            ("link", link("bin/run")),
        )
    )


@dataclass
class Stored:
    """An object of a cache.

    Attributes:
        body: its content.
        headers: what it is served with.
        status: the HTTP status of the answer.
    """

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


@dataclass
class Sample:
    """One path.

    Attributes:
        name: of the sample; everything in it follows from that.
        store_dir: the store.
        base_name: of the path that is asked for.
        lines: of the narinfo, as pairs.
        nar: what is in the stored NAR.
        narinfo: the object.
        stored: the object with the NAR.
        others: further objects, by key.
    """

    name: str
    store_dir: str
    base_name: str
    lines: list[tuple[str, str]]
    nar: bytes
    narinfo: Stored
    stored: Stored
    others: dict[str, Stored] = field(default_factory=dict)

    @classmethod
    def signed(
        cls,
        name: str,
        store_dir: str,
        *,
        content: bytes | None = None,
        compression: str = "none",
        references: Sequence[str] = (),
    ) -> Self:
        """Return a path that is not content-addressed, with a signature by the trusted key."""
        base_name = f"{encode_nix32(hashlib.sha256(name.encode()).digest()[:20])}-sample"
        whole = tree(name) if content is None else content
        names = " ".join(base_name if one == "self" else one for one in references)
        made = cls._made(name, store_dir, base_name, whole, compression, names, None)
        made.sign()
        return made

    @classmethod
    def addressed(
        cls,
        name: str,
        store_dir: str,
        *,
        method: Method = Method.NAR,
        algorithm: str = "sha256",
        refers_to_self: bool = False,
    ) -> Self:
        """Return a path that follows from its content, without a signature."""
        own = b"0" * 32
        body = name.encode() * 3
        if refers_to_self:
            body += b"/nix/store/" + own
        whole = nar(regular(body))
        counted = whole if method is Method.NAR else body
        digest = hashlib.new(algorithm, counted.replace(own, bytes(32))).digest()
        address = ContentAddress(method, NixHash(algorithm, digest))
        path = store_path(address, "sample", (), has_self=refers_to_self, store_dir=store_dir)
        base_name = path.rpartition("/")[2]
        whole = whole.replace(own, base_name[:32].encode())
        names = base_name if refers_to_self else ""
        return cls._made(name, store_dir, base_name, whole, "none", names, str(address))

    @classmethod
    def _made(
        cls,
        name: str,
        store_dir: str,
        base_name: str,
        whole: bytes,
        compression: str,
        references: str,
        address: str | None,
    ) -> Self:
        stored = COMPRESSORS[compression](whole)
        lines = [
            ("StorePath", f"{store_dir}/{base_name}"),
            ("URL", f"nar/{base_name[:32]}.nar"),
            ("Compression", compression),
            ("FileHash", NixHash.of(stored).nix32),
            ("FileSize", str(len(stored))),
            ("NarHash", NixHash.of(whole).nix32),
            ("NarSize", str(len(whole))),
            ("References", references),
            ("Deriver", f"{base_name[:32][::-1]}-sample.drv"),
            *([("CA", address)] if address else []),
        ]
        sample = cls(name, store_dir, base_name, lines, whole, Stored(b""), Stored(stored))
        sample.write()
        return sample

    def value(self, field_name: str) -> str:
        """Return what the first line of a name says."""
        return next(value for name, value in self.lines if name == field_name)

    def set(self, field_name: str, value: str) -> None:
        """Change a line, or add one."""
        if any(name == field_name for name, _ in self.lines):
            self.lines = [(n, value if n == field_name else v) for n, v in self.lines]
        else:
            self.lines.append((field_name, value))
        self.write()

    def drop(self, field_name: str) -> None:
        """Take all lines of a name away."""
        self.lines = [line for line in self.lines if line[0] != field_name]
        self.write()

    def add(self, field_name: str, value: str, *, first: bool = False) -> None:
        """Add a line."""
        self.lines.insert(0 if first else len(self.lines), (field_name, value))
        self.write()

    def write(self) -> None:
        """Have the narinfo served as its lines say."""
        whole = "".join(f"{name}: {value}\n" for name, value in self.lines)
        self.narinfo = replace(self.narinfo, body=whole.encode("utf-8", "surrogateescape"))

    def sign(self, key: signing.SecretKey = KEY) -> None:
        """Sign what the lines say; leave them alone if they are not a narinfo."""
        self.drop("Sig")
        try:
            self.add("Sig", self.signature(key))
        except NarinfoError:
            self.add("Sig", f"{key.name}:{base64.b64encode(bytes(64)).decode()}")

    def signature(self, key: signing.SecretKey = KEY) -> str:
        """Return a valid signature of what the lines say."""
        return _signature(Narinfo.parse(self.narinfo.body).fingerprint, key)

    def sign_text(self, fingerprint: str) -> None:
        """Sign a text other than the one that follows from the lines."""
        self.set("Sig", _signature(fingerprint, KEY))

    def store(self, content: bytes, compression: str = "none") -> None:
        """Have another NAR, with a narinfo that says so, signed if it was."""
        self.nar = content
        packed = COMPRESSORS[compression](content)
        self.stored = Stored(packed)
        self.set("Compression", compression)
        self.set("FileHash", NixHash.of(packed).nix32)
        self.set("FileSize", str(len(packed)))
        self.set("NarHash", NixHash.of(content).nix32)
        self.set("NarSize", str(len(content)))
        if any(name == "Sig" for name, _ in self.lines):
            self.sign()

    @property
    def path(self) -> str:
        """The store path that is asked for."""
        return f"{self.store_dir}/{self.base_name}"

    def objects(self) -> dict[str, Stored]:
        """All of its objects by key."""
        return {
            f"{self.base_name[:32]}.narinfo": self.narinfo,
            f"nar/{self.base_name[:32]}.nar": self.stored,
            **self.others,
        }


def _signature(fingerprint: str, key: signing.SecretKey) -> str:
    made = SigningKey(key.seed).sign(fingerprint.encode()).signature
    return f"{key.name}:{base64.b64encode(made).decode()}"


Made = Callable[..., Sample]
"""Makes a sample of a name."""

Alter = Callable[[Sample], object]

Mutation = tuple[str, Made, Alter]
"""A name, how its sample is made, and how that is altered."""

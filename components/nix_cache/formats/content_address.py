"""The store path that follows from a content address: such a path needs no signature. Pure.

The rules are those of Nix's store path specification:
https://nix.dev/manual/nix/latest/protocols/store-path
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

from nix_cache.formats.nix_hash import HashFormatError, NixHash, encode_nix32

_PATH_HASH_BYTES = 20


class ContentAddressError(ValueError):
    """A text is not a content address, or no store path follows from it."""


class Method(Enum):
    """What of a store path the hash in its content address is made over."""

    TEXT = "text:"
    FLAT = "fixed:"
    NAR = "fixed:r:"


_METHODS = tuple((method.value, method) for method in (Method.NAR, Method.TEXT, Method.FLAT))
"""By prefix. That of a NAR starts with the one of a flat file."""


@dataclass(frozen=True)
class ContentAddress:
    """A content address: the method and the hash."""

    method: Method
    hash: NixHash

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``text:HASH``, ``fixed:HASH`` or ``fixed:r:HASH``, as in a narinfo's ``CA``.

        ``fixed:git:HASH`` is refused, as by Nix without the experimental feature `git-hashing`.

        Raises:
            ContentAddressError: the text is none of these.
        """
        for prefix, method in _METHODS:
            if text.startswith(prefix):
                algorithm, colon, encoded = text[len(prefix) :].partition(":")
                if not colon:
                    break
                try:
                    return cls(method, NixHash.parse_encoded(algorithm, encoded))
                except HashFormatError as reason:
                    raise ContentAddressError(f"{text!r}: {reason}") from None
        raise ContentAddressError(f"{text!r} is not text:HASH, fixed:HASH or fixed:r:HASH")

    def __str__(self) -> str:
        return f"{self.method.value}{self.hash.nix32}"


def store_path(
    address: ContentAddress,
    name: str,
    references: Sequence[str],
    *,
    has_self: bool,
    store_dir: str,
) -> str:
    """Return the path at which Nix keeps content of an address.

    Args:
        address: the content address.
        name: the path's name, what follows the hash.
        references: full paths that it refers to, without itself.
        has_self: whether it refers to itself.
        store_dir: the store.

    Raises:
        ContentAddressError: Nix has no path for this address and these references, and stops.
    """
    if address.method is Method.TEXT:
        if has_self:
            raise ContentAddressError(f"'{address}' is of a text, which cannot refer to itself")
        if address.hash.algorithm != "sha256":
            raise ContentAddressError(f"'{address}' is of a text, whose hash has to be sha256")
        return _made("text", references, address.hash, name, store_dir)
    if address.method is Method.NAR and address.hash.algorithm == "sha256":
        return _made("source", [*references, *["self"] * has_self], address.hash, name, store_dir)
    if references or has_self:
        raise ContentAddressError(f"'{address}' is of a form that cannot have references")
    prefix = address.method.value.removeprefix("fixed:")
    inner = hashlib.sha256(f"fixed:out:{prefix}{address.hash.base16}:".encode()).digest()
    return _made("output:out", (), NixHash("sha256", inner), name, store_dir)


def is_address_of(address: ContentAddress, path: str, references: Sequence[str]) -> bool:
    """Return whether a store path follows from a content address.

    Args:
        address: the content address.
        path: the full path.
        references: full paths that it refers to; itself may be among them.

    Raises:
        ContentAddressError: Nix has no path for this address and these references, and stops.
    """
    store_dir, _, base_name = path.rpartition("/")
    others = [reference for reference in references if reference != path]
    has_self = len(others) < len(references)
    name = base_name.partition("-")[2]
    return store_path(address, name, others, has_self=has_self, store_dir=store_dir) == path


def _made(kind: str, references: Sequence[str], content: NixHash, name: str, store_dir: str) -> str:
    own = [reference for reference in references if reference == "self"]
    others = sorted({*references} - {"self"})
    typed = ":".join([kind, *others, *own])
    full = hashlib.sha256(f"{typed}:{content.base16}:{store_dir}:{name}".encode()).digest()
    return f"{store_dir}/{encode_nix32(_folded(full))}-{name}"


def _folded(digest: bytes) -> bytes:
    """Return a SHA-256 cut to a path's length, with what is cut off laid over the rest."""
    kept, over = digest[:_PATH_HASH_BYTES], digest[_PATH_HASH_BYTES:]
    folded = int.from_bytes(kept, "little") ^ int.from_bytes(over, "little")
    return folded.to_bytes(_PATH_HASH_BYTES, "little")

"""The store path that follows from a content address: such a path needs no signature. Pure.

The rules are those of Nix's store path specification:
https://nix.dev/manual/nix/latest/protocols/store-path
"""

import hashlib
from collections.abc import Sequence

from nix_cache.nix_hash import NixHash, encode_nix32

_PATH_HASH_BYTES = 20


class ContentAddressError(ValueError):
    """A text is no content address."""


def store_path(
    content_address: str, name: str, references: Sequence[str], *, has_self: bool, store_dir: str
) -> str:
    """The path at which Nix keeps content of an address.

    Args:
        content_address: as in a narinfo's ``CA``: ``text:HASH``, ``fixed:HASH``, ``fixed:r:HASH``
            or ``fixed:git:HASH``.
        name: the path's name, what follows the hash.
        references: full paths that it refers to, without itself.
        has_self: whether it refers to itself.
        store_dir: the store.

    Raises:
        ContentAddressError: the address has another form, or cannot have references.
        HashFormatError: the hash in it is none.
    """
    kind, _, rest = content_address.partition(":")
    if kind == "text":
        if has_self:
            raise ContentAddressError(f"{content_address!r} is of a text, which cannot name itself")
        return _made("text", references, NixHash.parse(rest), name, store_dir)
    if kind != "fixed":
        raise ContentAddressError(f"{content_address!r} begins neither with text: nor with fixed:")
    method = next((start for start in ("r:", "git:") if rest.startswith(start)), "")
    content = NixHash.parse(rest.removeprefix(method))
    if method == "r:" and content.algorithm == "sha256":
        return _made("source", [*references, *["self"] * has_self], content, name, store_dir)
    if references or has_self:
        raise ContentAddressError(f"{content_address!r} is of a form that cannot have references")
    inner = hashlib.sha256(f"fixed:out:{method}{content.base16}:".encode()).digest()
    return _made("output:out", (), NixHash("sha256", inner), name, store_dir)


def _made(kind: str, references: Sequence[str], content: NixHash, name: str, store_dir: str) -> str:
    own = [reference for reference in references if reference == "self"]
    others = sorted({*references} - {"self"})
    typed = ":".join([kind, *others, *own])
    full = hashlib.sha256(f"{typed}:{content.base16}:{store_dir}:{name}".encode()).digest()
    return f"{store_dir}/{encode_nix32(_folded(full))}-{name}"


def _folded(digest: bytes) -> bytes:
    """A digest cut to a path's length, with what is cut off laid over the rest."""
    folded = bytearray(_PATH_HASH_BYTES)
    for position, byte in enumerate(digest):
        folded[position % _PATH_HASH_BYTES] ^= byte
    return bytes(folded)

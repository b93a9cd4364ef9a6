"""Hashes in the spellings that Nix uses: nix32, base16 and SRI. Pure."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Self

from nix_cache.lifecycle import NIX32

DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""The algorithms that Nix knows, each with the length of what it gives."""


class HashFormatError(ValueError):
    """A text is no hash, or one of an algorithm that is not known."""


@dataclass(frozen=True)
class NixHash:
    """A digest and the algorithm that made it."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sha256:…`` in nix32, base16 or base64, or SRI, ``sha256-…``.

        Raises:
            HashFormatError: it is none of them.
        """
        algorithm, separator, encoded = text.partition(":" if ":" in text else "-")
        if not separator:
            raise HashFormatError(f"{text!r} names no hash algorithm, as in sha256:…")
        if algorithm not in DIGEST_BYTES:
            known = ", ".join(DIGEST_BYTES)
            raise HashFormatError(f"{text!r} is of an algorithm other than {known}")
        size = DIGEST_BYTES[algorithm]
        try:
            if separator == ":" and len(encoded) == size * 2:
                return cls(algorithm, bytes.fromhex(encoded))
            if separator == ":" and len(encoded) == nix32_length(size):
                return cls(algorithm, decode_nix32(encoded, size))
            digest = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as reason:
            raise HashFormatError(f"{text!r} is no {algorithm} hash: {reason}") from None
        if len(digest) != size:
            raise HashFormatError(f"{text!r} has another length than a {algorithm} hash")
        return cls(algorithm, digest)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The SHA-256 of something."""
        return cls("sha256", hashlib.sha256(content).digest())

    @property
    def nix32(self) -> str:
        """As in a narinfo and in what is signed: ``sha256:<52 characters>``."""
        return f"{self.algorithm}:{encode_nix32(self.digest)}"

    @property
    def base16(self) -> str:
        """As in what a store path's own hash is made of: ``sha256:<64 characters>``."""
        return f"{self.algorithm}:{self.digest.hex()}"

    @property
    def sri(self) -> str:
        """As in Nix expressions and in the JSON of newer commands: ``sha256-<base64>``."""
        return f"{self.algorithm}-{base64.b64encode(self.digest).decode('ascii')}"


def nix32_length(size_bytes: int) -> int:
    """How many characters a digest has in nix32, at five bits each."""
    return (size_bytes * 8 + 4) // 5


def encode_nix32(digest: bytes) -> str:
    """A digest in nix32: a number of which the first byte is the least, its highest digit first."""
    number = int.from_bytes(digest, "little")
    digits = nix32_length(len(digest))
    return "".join(NIX32[number >> (5 * place) & 31] for place in reversed(range(digits)))


def decode_nix32(text: str, size_bytes: int) -> bytes:
    """The digest of which nix32 is the spelling.

    Raises:
        HashFormatError: a character is not of the alphabet, or the number is too large.
    """
    number = 0
    for character in text:
        value = NIX32.find(character)
        if value < 0:
            raise HashFormatError(f"{character!r} is not a character of nix32")
        number = number << 5 | value
    try:
        return number.to_bytes(size_bytes, "little")
    except OverflowError:
        raise HashFormatError(f"{text!r} is more than {size_bytes} bytes") from None

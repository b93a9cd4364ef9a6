"""Hashes in the spellings that Nix uses: nix32, base16 and SRI. Pure."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from nix_cache.iam.lifecycle import NIX32

DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
"""The algorithms that Nix has without experimental features, each with the length of its digest."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_BASE16 = re.compile(r"[0-9A-Fa-f]*")


_PAIRS = tuple(first + second for first in NIX32 for second in NIX32)
"""Two digits of nix32 for each number of ten bits."""

_TO_PYTHON = str.maketrans(NIX32, "0123456789abcdefghijklmnopqrstuv")
_WITHOUT_NIX32 = str.maketrans("", "", NIX32)


class HashFormatError(ValueError):
    """A text is not a hash, or its algorithm is unknown."""


@dataclass(frozen=True)
class NixHash:
    """A digest and the algorithm that made it."""

    algorithm: str
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``sha256:…`` in nix32, base16 or base64, or SRI, ``sha256-…``, as Nix reads them.

        Raises:
            HashFormatError: the text is none of these.
        """
        algorithm, separator, encoded = text.partition(":" if ":" in text else "-")
        if not separator:
            raise HashFormatError(f"{text!r} names no hash algorithm, as in sha256:…")
        if separator == ":":
            return cls.parse_encoded(algorithm, encoded)
        return cls(algorithm, _checked(algorithm, encoded, decode_base64(encoded)))

    @classmethod
    def parse_encoded(cls, algorithm: str, encoded: str) -> Self:
        """Read a digest in nix32, base16 or base64, recognised by its length.

        Raises:
            HashFormatError: the algorithm is unknown, or the text is not a digest of it.
        """
        size = _digest_bytes(algorithm)
        if len(encoded) == size * 2:
            if not _BASE16.fullmatch(encoded):
                raise HashFormatError(f"{encoded!r} is not base16")
            return cls(algorithm, bytes.fromhex(encoded))
        if len(encoded) == nix32_length(size):
            return cls(algorithm, decode_nix32(encoded, size))
        if len(encoded) == (size + 2) // 3 * 4:
            return cls(algorithm, _checked(algorithm, encoded, decode_base64(encoded)))
        raise HashFormatError(f"{encoded!r} has the wrong length for a {algorithm} hash")

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the SHA-256 of something."""
        return cls("sha256", hashlib.sha256(content).digest())

    @cached_property
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


def decode_base64(text: str) -> bytes:
    """Decode base64 as leniently as Nix: padding may be missing, what follows it is ignored.

    Raises:
        HashFormatError: a character before the padding is not of the alphabet.
    """
    digits = text.partition("=")[0]
    if not _BASE64.fullmatch(digits):
        raise HashFormatError(f"{text!r} is not base64")
    if len(digits) % 4 == 1:  # six bits are not a byte
        digits = digits[:-1]
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error as reason:
        raise HashFormatError(f"{text!r} is not base64: {reason}") from None


def nix32_length(size_bytes: int) -> int:
    """How many characters a digest has in nix32, at five bits each."""
    return (size_bytes * 8 + 4) // 5


def encode_nix32(digest: bytes) -> str:
    """Return a digest in nix32: its first byte is the least significant, its last digit too."""
    digits = nix32_length(len(digest))
    number = int.from_bytes(digest, "little")
    shifts = range(10 * ((digits - 1) // 2), -1, -10)
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in shifts])[-digits:]


def decode_nix32(text: str, size_bytes: int) -> bytes:
    """Return the digest of which nix32 is the spelling.

    Raises:
        HashFormatError: a character is not of the alphabet, or the number is too large.
    """
    strange = text.translate(_WITHOUT_NIX32)
    if strange:
        raise HashFormatError(f"{strange[0]!r} is not a character of nix32")
    number = int(text.translate(_TO_PYTHON) or "0", 32)
    try:
        return number.to_bytes(size_bytes, "little")
    except OverflowError:
        raise HashFormatError(f"{text!r} is more than {size_bytes} bytes") from None


def _digest_bytes(algorithm: str) -> int:
    if algorithm not in DIGEST_BYTES:
        known = ", ".join(DIGEST_BYTES)
        raise HashFormatError(f"the hash algorithm {algorithm[:40]!r} is not one of {known}")
    return DIGEST_BYTES[algorithm]


def _checked(algorithm: str, encoded: str, digest: bytes) -> bytes:
    if len(digest) != _digest_bytes(algorithm):
        raise HashFormatError(f"{encoded!r} has the wrong length for a {algorithm} hash")
    return digest

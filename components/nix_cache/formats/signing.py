"""Nix signing keys as text: making, reading and naming them. Pure; knows nothing of Pulumi.

The format is Nix's own: ``name:base64``, where the secret half carries 64 bytes (the Ed25519 seed
followed by the public key) and the public half carries 32.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nix_cache.redaction import keep_secret

if TYPE_CHECKING:
    from nacl.signing import SigningKey as Ed25519Key

KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names of keys that this project makes or stores. They are also names of files."""

_NOT_IN_PUBLIC_NAMES = re.compile(r"[\s:#]")
"""Nix takes any other character. In nix.conf, white space separates keys and ``#`` comments."""

_SEED_BYTES = 32
_PUBLIC_BYTES = 32


class KeyFormatError(ValueError):
    """A text is no Nix key. The message never contains the text, for it may be a secret."""


@dataclass(frozen=True)
class SecretKey:
    """A named Ed25519 key that can sign store paths."""

    name: str
    seed: bytes

    def __post_init__(self) -> None:
        keep_secret(_encode(self.seed + self._public_bytes()), _encode(self.seed))

    @property
    def public_text(self) -> str:
        """The public half, as it goes into ``trusted-public-keys``."""
        return f"{self.name}:{_encode(self._public_bytes())}"

    @property
    def secret_text(self) -> str:
        """The whole key, as ``nix key generate-secret`` prints it. Never log it."""
        return f"{self.name}:{_encode(self.seed + self._public_bytes())}"

    def sign(self, message: bytes) -> str:
        """Return a signature as narinfos have it: ``NAME:BASE64``."""
        return f"{self.name}:{_encode(self._key.sign(message).signature)}"

    def __repr__(self) -> str:
        return f"SecretKey(name={self.name!r})"

    @cached_property
    def _key(self) -> "Ed25519Key":
        from nacl.signing import SigningKey as Ed25519Key  # previews without changes do without

        return Ed25519Key(self.seed)

    def _public_bytes(self) -> bytes:
        return bytes(self._key.verify_key)


def key_name(domain: str, writer: str, generation: int) -> str:
    """Return the name of a writer's key: ``<domain>-<writer>-<generation>``."""
    return f"{domain}-{writer}-{generation}"


def generate(name: str) -> SecretKey:
    """Return a new key from the operating system's random source."""
    from nacl.signing import SigningKey as Ed25519Key

    return SecretKey(name, bytes(Ed25519Key.generate()))


def parse_secret_key(text: str) -> SecretKey:
    """Read a secret key.

    Raises:
        KeyFormatError: the text is not ``name:base64`` of 64 bytes whose halves belong together.
    """
    name, encoded = _named(text)
    if not KEY_NAME.fullmatch(name):
        raise KeyFormatError("its name has characters other than letters, digits, '.', '_' and '-'")
    material = _decoded(encoded, "secret", _SEED_BYTES + _PUBLIC_BYTES)
    key = SecretKey(name, material[:_SEED_BYTES])
    if key.secret_text.partition(":")[2] != _encode(material):
        raise KeyFormatError("its public half does not belong to its secret half")
    return key


def name_of(key: str) -> str:
    """Return the name of a key, of which only the half that is not secret is looked at."""
    return key.partition(":")[0]


def parse_public_key(text: str) -> str:
    """Check a public key and give back its name, which may be any that nix.conf can hold.

    Raises:
        KeyFormatError: the text is not ``name:base64`` of 32 bytes.
    """
    name, encoded = _named(text)
    if not name:
        raise KeyFormatError("it has no name before the colon")
    if _NOT_IN_PUBLIC_NAMES.search(name) or not name.isprintable():
        raise KeyFormatError(
            "its name has white space, '#' or a control character, which nix.conf cannot hold"
        )
    _decoded(encoded, "public", _PUBLIC_BYTES)
    return name


def public_material(text: str) -> bytes:
    """Return the 32 bytes of a public key. Several texts and names can have the same.

    Raises:
        KeyFormatError: as for ``parse_public_key``.
    """
    parse_public_key(text)
    return _decoded(_named(text)[1], "public", _PUBLIC_BYTES)


def _named(text: str) -> tuple[str, str]:
    name, colon, encoded = text.strip().partition(":")
    if not colon:
        raise KeyFormatError("it has no colon between a name and the key")
    return name, encoded


def _decoded(encoded: str, half: str, expected_bytes: int) -> bytes:
    try:
        material = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeyFormatError("what follows the colon is not base64") from None
    if len(material) != expected_bytes:
        raise KeyFormatError(
            f"a {half} key has {expected_bytes} bytes after the colon, this has {len(material)}"
        )
    return material


def _encode(material: bytes) -> str:
    return base64.b64encode(material).decode("ascii")

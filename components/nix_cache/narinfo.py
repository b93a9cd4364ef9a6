"""Narinfos: reading them, and who signed them. Pure.

A narinfo is the small text by which a cache announces one store path and the NAR that holds it.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from nix_cache import content_address, signing
from nix_cache.nix_hash import HashFormatError, NixHash

BASE_NAME = re.compile(r"[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]{1,211}")
"""A store path's last part: its hash, and the name of at most 211 characters."""

_DEFAULT_COMPRESSION = "bzip2"
"""What Nix assumes where a narinfo names none, for the sake of the oldest ones."""

_REPEATABLE = "Sig"
"""The one field that may be there several times."""


class NarinfoError(ValueError):
    """A text is no narinfo that Nix would read. The message tells the field and its value."""


@dataclass(frozen=True)
class Narinfo:
    """What a cache says of one store path.

    Attributes:
        store_path: the full path.
        url: where the NAR is, relative to the cache.
        compression: how the NAR is compressed; ``none`` if it is not.
        file_hash: of the compressed NAR, if told.
        file_size: of the compressed NAR in bytes, if told.
        nar_hash: of the NAR itself.
        nar_size: of the NAR itself, in bytes.
        references: the paths that this one refers to, without the store's folder.
        deriver: the derivation that made it, without the store's folder, if told.
        signatures: as they stand: ``KEYNAME:BASE64``.
        content_address: what makes a signature needless, if the path is addressed by its content.
    """

    store_path: str
    url: str
    compression: str
    file_hash: NixHash | None
    file_size: int | None
    nar_hash: NixHash
    nar_size: int
    references: tuple[str, ...]
    deriver: str | None
    signatures: tuple[str, ...]
    content_address: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a narinfo. Fields that are not known are left alone, as Nix does.

        Raises:
            NarinfoError: a field is missing, is there twice, or has another form.
        """
        fields, signatures = _split(text)
        compression = fields.get("Compression") or _DEFAULT_COMPRESSION
        deriver = fields.get("Deriver", "unknown-deriver")
        return cls(
            store_path=_store_path(_required(fields, "StorePath")),
            url=_required(fields, "URL"),
            compression=compression,
            file_hash=_hash("FileHash", fields["FileHash"]) if fields.get("FileHash") else None,
            file_size=_size("FileSize", fields["FileSize"]) if "FileSize" in fields else None,
            nar_hash=_hash("NarHash", _required(fields, "NarHash")),
            nar_size=_size("NarSize", _required(fields, "NarSize")),
            references=tuple(
                _base_name("References", name) for name in fields.get("References", "").split()
            ),
            deriver=None if deriver == "unknown-deriver" else _base_name("Deriver", deriver),
            signatures=tuple(signatures),
            content_address=fields.get("CA") or None,
        )

    @property
    def store_dir(self) -> str:
        """The store that the path is in."""
        return self.store_path.rpartition("/")[0]

    @property
    def base_name(self) -> str:
        """The path without the store's folder."""
        return self.store_path.rpartition("/")[2]

    @property
    def key(self) -> str:
        """The object in the bucket that Nix looks for when it wants the path."""
        return narinfo_key(self.store_path)

    @property
    def fingerprint(self) -> str:
        """The text that signatures are made over."""
        references = sorted({f"{self.store_dir}/{name}" for name in self.references})
        return f"1;{self.store_path};{self.nar_hash.nix32};{self.nar_size};{','.join(references)}"

    @property
    def is_content_addressed(self) -> bool:
        """Whether the path follows from its content address. Readers then ask for no signature."""
        if self.content_address is None:
            return False
        others = [name for name in self.references if name != self.base_name]
        try:
            path = content_address.store_path(
                self.content_address,
                self.base_name.partition("-")[2],
                [f"{self.store_dir}/{name}" for name in others],
                has_self=self.base_name in self.references,
                store_dir=self.store_dir,
            )
        except (content_address.ContentAddressError, HashFormatError):
            return False
        return path == self.store_path


def narinfo_key(store_path: str) -> str:
    """The object in the bucket that Nix looks for when it wants a store path."""
    return f"{store_path.rpartition('/')[2][:32]}.narinfo"


def verify(narinfo: Narinfo, public_keys: Iterable[str]) -> tuple[str, ...]:
    """The names of the keys whose signatures on a narinfo hold.

    Args:
        narinfo: what was signed.
        public_keys: the trusted keys, ``NAME:BASE64``.

    Returns:
        each name once, in the order of the signatures; empty if none of them is good.

    Raises:
        KeyFormatError: a public key is none.
    """
    keys: dict[str, list[VerifyKey]] = {}
    for public_key in public_keys:
        name = signing.parse_public_key(public_key)
        material = base64.b64decode(public_key.strip().partition(":")[2])
        keys.setdefault(name, []).append(VerifyKey(material))
    message = narinfo.fingerprint.encode()
    good: dict[str, None] = {}
    for signature in narinfo.signatures:
        name, _, encoded = signature.partition(":")
        if any(_holds(key, message, encoded) for key in keys.get(name, ())):
            good[name] = None
    return tuple(good)


def _holds(key: VerifyKey, message: bytes, encoded: str) -> bool:
    try:
        key.verify(message, base64.b64decode(encoded, validate=True))
    except (CryptoError, binascii.Error, ValueError, TypeError):
        return False
    return True


def _split(text: str) -> tuple[dict[str, str], list[str]]:
    if text and not text.endswith("\n"):
        raise NarinfoError("it ends within a line: it was cut off")
    fields: dict[str, str] = {}
    signatures: list[str] = []
    for line in text.split("\n")[:-1]:
        name, colon, value = line.partition(": ")
        if not colon:
            raise NarinfoError(f"the line {_shown(line)} is no `Name: value`")
        if name == _REPEATABLE:
            signatures.append(value)
        elif name in fields:
            raise NarinfoError(f"{name} is there twice")
        else:
            fields[name] = value
    return fields, signatures


def _required(fields: dict[str, str], name: str) -> str:
    if not fields.get(name):
        raise NarinfoError(f"{name} is missing")
    return fields[name]


def _store_path(value: str) -> str:
    folder, _, name = value.rpartition("/")
    if not folder.startswith("/"):
        raise NarinfoError(f"StorePath {_shown(value)} is no absolute path")
    _base_name("StorePath", name)
    return value


def _base_name(field: str, value: str) -> str:
    if not BASE_NAME.fullmatch(value):
        raise NarinfoError(f"{field} {_shown(value)} is no store path: 32 characters, '-', a name")
    return value


def _hash(field: str, value: str) -> NixHash:
    try:
        return NixHash.parse(value)
    except HashFormatError as reason:
        raise NarinfoError(f"{field}: {reason}") from None


def _size(field: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise NarinfoError(f"{field} {_shown(value)} is no number of bytes above 0")
    return int(value)


def _shown(value: str) -> str:
    return repr(value) if len(value) <= 80 else f"{value[:77]!r}…"

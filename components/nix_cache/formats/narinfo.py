"""Narinfos: reading them as Nix does, and checking who signed them. Pure.

A narinfo is the small text by which a cache announces one store path and the NAR that holds it.
What is accepted here and what is not follows Nix 2.34 (``NarInfo::NarInfo``), byte by byte.
"""

import base64
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from nix_cache.formats import content_address, signing
from nix_cache.formats.content_address import ContentAddress, ContentAddressError
from nix_cache.formats.nix_hash import HashFormatError, NixHash, decode_base64

BASE_NAME = re.compile(r"[0-9a-df-np-sv-z]{32}-(?!\.\.?(?:-|\Z))[0-9A-Za-z+._?=-]{1,211}")
"""A store path's last part: its hash, and the name of at most 211 characters. The name is neither
``.`` nor ``..`` nor begins with one of them and a dash."""

LARGEST_SIZE = 2**64 - 1
"""Sizes in narinfos are unsigned integers of 64 bits."""

COMPRESSIONS = frozenset(
    {
        *("br", "bzip2", "compress", "grzip", "gzip", "lrzip", "lz4", "lzip", "lzma", "lzop"),
        *("none", "xz", "zstd"),
    }
)
"""The compressions of NARs that Nix knows."""

SIGNATURE_BYTES = 64
"""The length of an Ed25519 signature."""

_DEFAULT_COMPRESSION = "bzip2"
"""What Nix assumes where a narinfo names none, for the sake of the oldest ones."""

_UNKNOWN_DERIVER = "unknown-deriver"
_SIZE = re.compile(r"\+?0*([0-9]{1,20})")
_SHOWN_CHARACTERS = 80


class NarinfoError(ValueError):
    """Nix does not read this narinfo. The message names the field and its value."""


@dataclass(frozen=True)
class Narinfo:
    """What a cache says of one store path.

    Attributes:
        store_path: the full path.
        url: where the NAR is, relative to the cache.
        compression: how the NAR is compressed; ``none`` if it is not. Names other than those in
            ``COMPRESSIONS`` pass, too: Nix fails only at the NAR.
        file_hash: of the compressed NAR, if stated. Nix never compares it.
        file_size: of the compressed NAR in bytes, if stated. Nix never compares it.
        nar_hash: of the NAR itself. Nix accepts no NAR if it is not a SHA-256.
        nar_size: of the NAR itself, in bytes.
        references: the paths that this one refers to, without the store's folder.
        deriver: the derivation that made it, without the store's folder, if stated.
        signatures: as they stand: ``KEYNAME:BASE64``.
        content_address: what makes a signature needless, if the path follows from it.
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
    content_address: ContentAddress | None

    @classmethod
    def parse(cls, content: bytes | str) -> Self:
        r"""Read a narinfo as Nix does. Unknown fields are ignored.

        Of a field that is there several times, the last one counts; References and CA may be there
        once, Sig any number of times. Bytes that are not UTF-8 are shown as ``\xNN``.

        Args:
            content: the narinfo, as stored or as text. Any content is allowed.

        Raises:
            NarinfoError: a field is missing or malformed.
        """
        if isinstance(content, str):
            content = content.encode("utf-8", "backslashreplace")
        read: dict[str, Any] = {}
        signatures: dict[str, None] = {}
        references: tuple[str, ...] = ()
        deriver: str | None = None
        address: ContentAddress | None = None
        for name, value in _fields(content):
            if name == "Sig":
                signatures[_signature(value)] = None
            elif name == "References":
                if references:
                    raise NarinfoError("References is there twice")
                names = (part for part in value.split(" ") if part)
                references = tuple(_base_name("References", part) for part in names)
            elif name == "CA":
                if address:
                    raise NarinfoError("CA is there twice")
                address = _content_address(value) if value else None
            elif name == "Deriver":
                if value != _UNKNOWN_DERIVER:
                    deriver = _base_name("Deriver", value)
            elif name in _CHECKS:
                read[name] = _CHECKS[name](name, value)
        for name in ("StorePath", "URL", "NarHash", "NarSize"):
            if read.get(name, "") == "":
                raise NarinfoError(_markup(content) or f"{name} is missing")
        if not read["NarSize"]:
            raise NarinfoError("NarSize is 0")
        return cls(
            store_path=read["StorePath"],
            url=read["URL"],
            compression=read.get("Compression") or _DEFAULT_COMPRESSION,
            file_hash=read.get("FileHash"),
            file_size=read.get("FileSize") or None,
            nar_hash=read["NarHash"],
            nar_size=read["NarSize"],
            references=references,
            deriver=deriver,
            signatures=tuple(signatures),
            content_address=address,
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
        references = [f"{self.store_dir}/{name}" for name in self.references]
        return fingerprint(self.store_path, self.nar_hash, self.nar_size, references)

    @property
    def is_content_addressed(self) -> bool:
        """Whether the path follows from its content address. Readers then ask for no signature.

        Raises:
            ContentAddressError: no path follows from the address and the references. Nix stops
                there, even if the path is signed.
        """
        if self.content_address is None:
            return False
        references = [f"{self.store_dir}/{name}" for name in self.references]
        return content_address.is_address_of(self.content_address, self.store_path, references)


def fingerprint(
    store_path: str, nar_hash: NixHash, nar_size: int, references: Iterable[str]
) -> str:
    """Return the text that signatures are made over.

    Args:
        store_path: the full path.
        nar_hash: of the NAR.
        nar_size: of the NAR, in bytes.
        references: full paths.
    """
    return f"1;{store_path};{nar_hash.nix32};{nar_size};{','.join(sorted(set(references)))}"


def narinfo_key(store_path: str) -> str:
    """Return the object in the bucket that Nix looks for when it wants a store path."""
    return f"{store_path.rpartition('/')[2][:32]}.narinfo"


def verify(narinfo: Narinfo, public_keys: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the keys whose signatures on a narinfo are valid.

    Args:
        narinfo: what was signed.
        public_keys: the trusted keys, ``NAME:BASE64``. Of two with one name, Nix takes the first.

    Returns:
        each name once, in the order of the signatures; empty if none is valid.

    Raises:
        KeyFormatError: a public key is malformed.
    """
    return verified(narinfo.fingerprint, narinfo.signatures, public_keys)


def verified(
    fingerprint: str, signatures: Iterable[str], public_keys: Iterable[str]
) -> tuple[str, ...]:
    """Return the names of the keys whose signatures over a text are valid.

    Args:
        fingerprint: the text.
        signatures: ``KEYNAME:BASE64``. Others are not valid.
        public_keys: the trusted keys, as for ``verify``.

    Raises:
        KeyFormatError: a public key is malformed.
    """
    keys = _verify_keys(tuple(public_keys))
    message = fingerprint.encode()
    good: dict[str, None] = {}
    for signature in signatures:
        name, _, encoded = signature.partition(":")
        if name in keys and _is_valid(keys[name], message, encoded):
            good[name] = None
    return tuple(good)


@lru_cache(maxsize=8)
def _verify_keys(public_keys: tuple[str, ...]) -> Mapping[str, VerifyKey]:
    keys: dict[str, VerifyKey] = {}
    for public_key in public_keys:
        name = signing.parse_public_key(public_key)
        material = base64.b64decode(public_key.strip().partition(":")[2])
        keys.setdefault(name, VerifyKey(material))
    return keys


def _is_valid(key: VerifyKey, message: bytes, encoded: str) -> bool:
    try:
        signature = decode_base64(encoded)
        if len(signature) != SIGNATURE_BYTES:
            return False
        key.verify(message, signature)
    except (CryptoError, HashFormatError):
        return False
    return True


def _fields(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the fields in their order, split where Nix splits them.

    A name ends at the next colon, wherever that is. What follows the colon is skipped, whatever it
    is: if it is the end of the line, the next line is the value.
    """
    position = 0
    while position < len(content):
        colon = content.find(b":", position)
        end = content.find(b"\n", colon + 2) if colon >= 0 else -1
        if end < 0:
            line = content[position : position + _SHOWN_CHARACTERS]
            reason = "has no colon" if colon < 0 else "does not end: the narinfo was cut off"
            raise NarinfoError(_markup(content) or f"the line {_shown(_text(line))} {reason}")
        yield _text(content[position:colon]), _text(content[colon + 2 : end])
        position = end + 1


def _markup(content: bytes) -> str:
    """Return that malformed content is something else; empty if it may be meant as a narinfo."""
    return "it is a web page or XML" if content.lstrip().startswith(b"<") else ""


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")


def _store_path(field: str, value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise NarinfoError(f"{field} {_shown(value)} is not an absolute path")
    folder, _, name = ("/" + posixpath.normpath(value).lstrip("/")).rpartition("/")
    return f"{folder}/{_base_name(field, name)}"


def _base_name(field: str, value: str) -> str:
    if not BASE_NAME.fullmatch(value):
        raise NarinfoError(
            f"{field} {_shown(value)} is not a store path: 32 characters, '-', a name"
        )
    return value


def _hash(field: str, value: str) -> NixHash:
    try:
        return NixHash.parse(value)
    except HashFormatError as reason:
        raise NarinfoError(f"{field}: {_shortened(str(reason))}") from None


def _content_address(value: str) -> ContentAddress:
    try:
        return ContentAddress.parse(value)
    except ContentAddressError as reason:
        raise NarinfoError(f"CA: {_shortened(str(reason))}") from None


def _signature(value: str) -> str:
    name, _, encoded = value.partition(":")
    try:
        if name and decode_base64(encoded):
            return value
    except HashFormatError:
        pass
    raise NarinfoError(f"Sig {_shown(value)} is not KEYNAME:BASE64")


def _size(field: str, value: str) -> int:
    match = _SIZE.fullmatch(value)
    if not match or int(match[1]) > LARGEST_SIZE:
        raise NarinfoError(f"{field} {_shown(value)} is not a number of bytes below 2^64")
    return int(match[1])


_CHECKS = {
    "StorePath": _store_path,
    "URL": lambda _, value: value,
    "Compression": lambda _, value: value,
    "FileHash": _hash,
    "FileSize": _size,
    "NarHash": _hash,
    "NarSize": _size,
}
"""What reads each occurrence of a field of which the last one counts."""


def _shown(value: str) -> str:
    return _shortened(repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"

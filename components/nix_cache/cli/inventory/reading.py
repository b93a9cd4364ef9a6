"""Whether a narinfo was read as it is stored, and what it says. Pure.

What was read wrongly must not decide what is removed. So a narinfo counts as unreadable unless its
length and its ETag are those of the listing, it can be decoded, and it is about its own path.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from nix_cache.cli.inventory.stored import Entry, Stored
from nix_cache.cli.limits import NARINFO_BYTES, TooLargeError
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.formats.content_address import ContentAddressError
from nix_cache.formats.nar_url import NarUrl
from nix_cache.formats.narinfo import Narinfo, NarinfoError, verify
from nix_cache.formats.signing import KeyFormatError
from nix_cache.iam.lifecycle import NIX32

_NARINFO_NAME = re.compile(rf"[{NIX32}]{{32}}(?=\.narinfo)")
_LINE = re.compile(r"([^:\n]+): [^\n]*\n")
_ONCE = ("StorePath", "URL", "References")
"""Fields of which Nix and its derivatives may take another occurrence than this client."""

_URL_CHARACTERS = 16_000
"""Servers take request lines of 8 KB. All parts of a URL that is not certain are held in memory."""


@dataclass(frozen=True)
class Received:
    """The answer to reading one object.

    Attributes:
        body: what was received, at most one byte more than the listing says.
        etag: of the object; empty if the answer has none.
        encoding: the header Content-Encoding; empty if there is none.
    """

    body: bytes
    etag: str
    encoding: str


def too_large(stored: Stored) -> str | None:
    """Return why a narinfo is not read at all; None if it is read."""
    if stored.size <= NARINFO_BYTES:
        return None
    return f"has {stored.size:,} bytes, and at most {NARINFO_BYTES:,} are read"


def changed(stored: Stored, received: Received) -> str | None:
    """Return how an object differs from the listing; None if it does not.

    Such an object may have been written after it was listed.
    """
    if len(received.body) != stored.size:
        more = "more" if len(received.body) > stored.size else "fewer"
        return f"was received with {more} bytes than the listing says ({stored.size:,})"
    listed, read = _opaque(stored.etag), _opaque(received.etag)
    if listed and read and listed != read:
        return "was received with another ETag than the listing says"
    return None


def is_identified(entry: Entry, received: Received) -> bool:
    """Return whether the ETag in the listing is the hash of what was received.

    Then the same ETag stands for the same content at any time. That of an object with a key of a
    key service, or of an upload in parts, is something else.
    """
    is_plain = entry.url is not None and not re.search(r"\s", entry.url.text)
    return is_plain and is_hash(entry.stored, received)


def is_hash(stored: Stored, received: Received) -> bool:
    """Return whether the ETag in the listing is the hash of what was received."""
    digest = hashlib.md5(received.body, usedforsecurity=False).hexdigest()
    return stored.etag == f'"{digest}"' and not received.encoding


def read(stored: Stored, received: Received, public_keys: tuple[str, ...]) -> Entry:
    """Read a narinfo that was received as it is listed.

    Args:
        stored: the object.
        received: its content.
        public_keys: those that readers trust.

    Returns:
        the entry; one with a fault if the narinfo cannot be read for certain.
    """
    try:
        return _entry(stored, received, public_keys)
    except UnicodeDecodeError:
        return Entry.unreadable(stored, "is not text in UTF-8")
    except (EncodingError, TooLargeError) as mistake:
        return Entry.unreadable(stored, str(mistake))
    except ValueError as mistake:
        return Entry.unreadable(stored, f"is malformed: {mistake}")


def _entry(stored: Stored, received: Received, public_keys: tuple[str, ...]) -> Entry:
    if not received.body:
        return Entry.unreadable(stored, "is empty")
    text = decoded(received.body, received.encoding, NARINFO_BYTES).decode()
    if text.lstrip().startswith("<"):
        return Entry.unreadable(stored, "is a web page or XML")
    narinfo = Narinfo.parse(text)
    names = Counter(_field_names(text))
    if twice := [name for name in _ONCE if names[name] > 1]:
        return Entry.unreadable(stored, f"states {', '.join(twice)} more than once")
    if len(narinfo.url) > _URL_CHARACTERS:
        return Entry.unreadable(
            stored, f"has a URL of {len(narinfo.url):,} characters, more than {_URL_CHARACTERS:,}"
        )
    url = NarUrl.parse(narinfo.url)
    # A narinfo that is some path's NAR is absurd, and yet it is needed.
    named = _NARINFO_NAME.findall(url.key or " ".join(url.parts))
    references = (*(name[:32] for name in narinfo.references), *named)
    entry = Entry(stored, frozenset(references), url)
    if narinfo.base_name[:32] != entry.store_hash:
        return Entry.unreadable(stored, f"is about another path, {narinfo.store_path}")
    if not names["References"] and not _is_confirmed(narinfo, public_keys):
        return Entry.unreadable(
            stored, "has no References, and no trusted signature says so: it may be cut off"
        )
    return entry


def _field_names(text: str) -> Iterator[str]:
    """Yield the names of the fields.

    Raises:
        NarinfoError: a line is not ``Name: value``, and Nix would take it together with the next.
    """
    position = 0
    while position < len(text):
        line = _LINE.match(text, position)
        if line is None:
            raise NarinfoError("a line is not `Name: value`")
        yield line[1]
        position = line.end()


def _is_confirmed(narinfo: Narinfo, public_keys: tuple[str, ...]) -> bool:
    """Return whether a trusted key or the content address proves that a narinfo is whole."""
    try:
        return bool(verify(narinfo, public_keys)) or narinfo.is_content_addressed
    except (KeyFormatError, ContentAddressError):
        return False


def _opaque(etag: str) -> str:
    """Return an ETag without what a proxy may add to it: quotes, and the mark of a weak one."""
    return etag.strip().removeprefix("W/").strip('"')

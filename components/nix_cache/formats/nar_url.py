"""Which objects of a bucket the URL of a narinfo may name. Pure.

Nix resolves the field ``URL`` against the URL of the cache. Since 2.32 it does so as RFC 3986 says:
dot segments are removed, percent signs are decoded once, a leading slash means the host's root, and
another scheme or host is followed. Older versions put the two texts together, and those with the
AWS SDK took the text as the key. Servers and CDNs differ further: some merge slashes, some decode a
plus sign as a blank.

So a URL is certain only if every one of them reads it in the same way: a relative path of plain
letters. Any other URL may name each object whose last part is one of the URL's parts. What must not
lose a NAR (`nix-cache gc`) asks for all of these; what reads it as today's Nix does
(`nix-cache doctor`) resolves the URL against that of the cache.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, unquote_to_bytes, urljoin, urlsplit

_PART = r"[0-9A-Za-z_-][0-9A-Za-z._-]*"
_CERTAIN = re.compile(rf"{_PART}(?:/{_PART})*")
_BETWEEN_PARTS = re.compile(r"[/\\?#&=;,\s\0]+")
_MOST_DECODED = 2
"""Times that percent signs are decoded. Nix decodes once; a proxy may do so once more."""

_REFERENCE = re.compile(r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
"""The characters of a URL by RFC 3986, without the brackets of an IPv6 host."""

_PROTOCOLS = frozenset({"http", "https", "s3", "file", "ftp", "ftps"})
"""What Nix downloads from."""


class InvalidUrlError(ValueError):
    """Nix cannot download from this URL. The message says why."""


class ElsewhereError(Exception):
    """Nix may download from this URL, but it names no object of the cache. The message says why."""


@dataclass(frozen=True)
class NarUrl:
    """The URL of a NAR, as a narinfo states it.

    Attributes:
        text: the URL itself.
        key: the object that it names; None if that is not certain.
        parts: what may be the last part of the object's key, in lower case; empty if it is certain.
    """

    text: str
    key: str | None
    parts: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of the field ``URL``. Any text is allowed."""
        if _CERTAIN.fullmatch(text):
            return cls(text, text, frozenset())
        parts: set[str] = set()
        decoded = text
        for _ in range(_MOST_DECODED + 1):
            parts.update(_BETWEEN_PARTS.split(decoded.lower()))
            decoded = unquote(decoded, errors="surrogateescape")
        return cls(text, None, frozenset(parts - {"", ".", ".."}))

    def may_name(self, key: str) -> bool:
        """Return whether the object with this key may be the NAR."""
        return key == self.key or _last_part(key) in self.parts

    def resolved(self, cache_url: str) -> str:
        """Return the key of the object that Nix reads: the URL resolved as RFC 3986 says.

        Args:
            cache_url: of the cache, for the reader.

        Raises:
            InvalidUrlError: Nix cannot use the URL.
            ElsewhereError: it leads out of the cache, or where Nix and servers may not agree.
        """
        if self.key is not None:
            return self.key
        if not _REFERENCE.fullmatch(self.text):
            raise InvalidUrlError("is not a valid URL")
        base = urlsplit(f"{cache_url.rstrip('/')}/")
        try:
            has_empty_parts = "//" in urlsplit(self.text).path
            target = urlsplit(urljoin(base.geturl(), self.text))
        except ValueError:
            raise InvalidUrlError("is not a valid URL") from None
        if target.scheme not in _PROTOCOLS:
            raise InvalidUrlError(f"has the unknown protocol {target.scheme}")
        if (target.scheme, target.netloc) != (base.scheme, base.netloc):
            raise ElsewhereError("leads to another server")
        if not target.path.startswith(base.path) or target.path == base.path:
            raise ElsewhereError("leads out of the cache")
        if target.query:
            raise ElsewhereError("has a query")
        try:
            key = unquote_to_bytes(target.path.removeprefix(base.path)).decode()
        except UnicodeDecodeError:
            raise ElsewhereError("does not name an object in UTF-8") from None
        if has_empty_parts or {".", "..", ""} & set(key.split("/")):
            raise ElsewhereError("has empty or dotted parts, which servers treat in different ways")
        return key


class NamedObjects:
    """The objects that some URLs may name.

    Args:
        urls: the URLs.
    """

    def __init__(self, urls: Iterable[NarUrl]) -> None:
        self._keys: set[str] = set()
        self._parts: set[str] = set()
        for url in urls:
            if url.key is not None:
                self._keys.add(url.key)
            self._parts |= url.parts

    def __bool__(self) -> bool:
        return bool(self._keys or self._parts)

    def __contains__(self, key: str) -> bool:
        return key in self._keys or _last_part(key) in self._parts


def _last_part(key: str) -> str:
    return key.rpartition("/")[2].lower()

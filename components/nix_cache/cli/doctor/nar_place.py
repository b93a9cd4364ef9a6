"""Where the URL of a narinfo leads, as Nix resolves it. Pure."""

import re
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

_REFERENCE = re.compile(r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
"""The characters of a URL by RFC 3986, without the brackets of an IPv6 host."""

_PROTOCOLS = frozenset({"http", "https", "s3", "file", "ftp", "ftps"})
"""What Nix downloads from."""


class InvalidUrlError(ValueError):
    """Nix cannot download from this URL. The message says why."""


class ElsewhereError(Exception):
    """Nix may download from this URL, but it names no object of the cache. The message says why."""


def nar_key(cache_url: str, url: str) -> str:
    """The object of a cache that holds a NAR.

    Args:
        cache_url: of the cache, for the reader.
        url: as a narinfo states it.

    Raises:
        InvalidUrlError: Nix cannot use it.
        ElsewhereError: it leads out of the cache, or where Nix and servers may not agree.
    """
    if not _REFERENCE.fullmatch(url):
        raise InvalidUrlError("is not a valid URL")
    base = urlsplit(f"{cache_url.rstrip('/')}/")
    try:
        has_empty_parts = "//" in urlsplit(url).path
        target = urlsplit(urljoin(base.geturl(), url))
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

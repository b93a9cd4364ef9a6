"""What Nix would find in a cache, from its objects alone: it shares no code with `gc`.

It is as forgiving as any Nix and any server: where they differ, it takes the reading under which
more is needed.
"""

import bz2
import gzip
import lzma
import posixpath
import zlib
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote, urljoin, urlsplit

import brotli
import zstandard

from tests.unit.cli.s3_double import Held

_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "br": brotli.decompress,
    "bzip2": bz2.decompress,
    "deflate": zlib.decompress,
    "gzip": gzip.decompress,
    "xz": lzma.decompress,
    "zstd": zstandard.decompress,
}


def needed_by(held: Held, objects: Mapping[str, Held]) -> set[str]:
    """Return the keys of what a path needs besides its narinfo: narinfos, and its NAR."""
    fields: dict[str, str] = {}
    for line in _DECODERS[held.encoding](held.content).decode().split("\n"):
        name, _, value = line.partition(": ")
        fields[name] = value
    keys = {f"{name.split('-')[0]}.narinfo" for name in fields["References"].split(" ") if name}
    return keys | {nar_of(fields["URL"], objects)}


def nar_of(url: str, objects: Iterable[str]) -> str:
    """Return the key of the NAR that a URL means, at any server that has it."""
    path = urlsplit(urljoin("https://cache.example.org/demo/", url)).path
    for reading in (path, unquote(path)):
        whole = posixpath.normpath(reading).strip("/")
        for key in (whole, whole.removeprefix("demo/")):
            if key in objects:
                return key
    return posixpath.normpath(unquote(path)).strip("/").removeprefix("demo/")


def closure(
    roots: Iterable[str], objects: Mapping[str, Held], *, not_followed: Iterable[str] = ()
) -> set[str]:
    """Return the keys of all objects that are there and that some narinfos need, with themselves.

    Args:
        roots: the keys of narinfos.
        objects: what is there.
        not_followed: the keys of narinfos whose needs do not count.
    """
    found: set[str] = set()
    ignored = set(not_followed)
    waiting = [root for root in roots if root in objects]
    while waiting:
        key = waiting.pop()
        if key in found:
            continue
        found.add(key)
        if key.endswith(".narinfo") and key not in ignored:
            waiting += [one for one in needed_by(objects[key], objects) if one in objects]
    return found

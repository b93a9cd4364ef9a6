"""What Nix can write beside a NAR: its listing, ``HASH.ls``, and its debug info index. Pure.

Byte for byte as ``nix copy`` writes them with ``write-nar-listing=true`` and
``index-debug-info=true``: src/libstore/binary-cache-store.cc of Nix 2.34.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from nix_cache.formats.cache_object import JSON_TYPE, CacheObject
from nix_cache.formats.nar_writer import Entry, FileEntry, FolderEntry, LinkEntry

_VERSION = 1
_BUILD_IDS = (b"lib", b"debug", b".build-id")
_FIRST_PART = re.compile(rb"[0-9a-f]{2}")
_SECOND_PART = re.compile(rb"[0-9a-f]{38}\.debug")


def listing_object(path: str, root: Entry) -> CacheObject | None:
    """Return the listing of a store path.

    Args:
        path: the store path.
        root: its entry.

    Returns:
        the object; None where a name or a link is not UTF-8, which JSON cannot hold. Nix then fails
        to copy the path.
    """
    try:
        content = _json({"root": _document(root), "version": _VERSION})
    except UnicodeDecodeError:
        return None
    return CacheObject(f"{path.rpartition('/')[2][:32]}.ls", content, JSON_TYPE)


def debug_info_objects(nar_key: str, root: Entry) -> Iterator[CacheObject]:
    """Yield an object for each debug info file of a store path, named by its build id.

    Args:
        nar_key: the key of the NAR.
        root: the entry of the store path.
    """
    folder = root
    for name in _BUILD_IDS:
        match folder:
            case FolderEntry(entries) if name in entries:
                folder = entries[name]
            case _:
                return
    for first, inner in _entries(folder):
        if not _FIRST_PART.fullmatch(first):
            continue
        for second, entry in _entries(inner):
            if isinstance(entry, FileEntry) and _SECOND_PART.fullmatch(second):
                member = b"/".join((*_BUILD_IDS, first, second)).decode()
                yield CacheObject(
                    f"debuginfo/{(first + second).decode()}",
                    _json({"archive": f"../{nar_key}", "member": member}),
                    JSON_TYPE,
                )


def _entries(entry: Entry) -> Iterator[tuple[bytes, Entry]]:
    if isinstance(entry, FolderEntry):
        yield from entry.entries.items()


def _document(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON has it.

    Raises:
        UnicodeDecodeError: a name is not UTF-8.
    """
    match entry:
        case FileEntry(offset, size, executable):
            mark = {"executable": True} if executable else {}
            return {**mark, "narOffset": offset, "size": size, "type": "regular"}
        case LinkEntry(target):
            return {"target": target.decode(), "type": "symlink"}
        case FolderEntry(entries):
            inner = {name.decode(): _document(each) for name, each in entries.items()}
            return {"entries": inner, "type": "directory"}


def _json(document: dict[str, Any]) -> bytes:
    """Return JSON as Nix writes it: sorted, without blanks, and not escaped more than needed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

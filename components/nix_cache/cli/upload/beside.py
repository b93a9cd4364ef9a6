"""Objects that another writer may have put already: realisations and debug info entries.

What another writer put is kept as far as it is true: signatures of the same realisation, and a
debug info entry whose NAR is there.
"""

import json
from collections.abc import Callable

from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.formats.cache_object import CacheObject
from nix_cache.formats.realisation import Realisation
from nix_cache.formats.signing import SecretKey


def put_realisation(
    realisation: Realisation, key: SecretKey, objects: Narinfos, report: Callable[[str], None]
) -> None:
    """Put a realisation, signed, with the signatures that the cache has of it.

    Args:
        realisation: what Nix has.
        key: what to sign with.
        objects: changes objects that other clients may change at the same time.
        report: called with a warning if the cache named another store path.

    Raises:
        ClientError: the storage refused or did not answer.
    """
    ours = realisation.cache_object()
    replaced: list[str] = []

    def merged(there: bytes | None) -> bytes:
        theirs = None if there is None else realisation.other(there)
        if theirs is not None and theirs.out_path != realisation.out_path:
            replaced.append(theirs.out_path)
        kept = realisation if theirs is None else realisation.with_signatures_of(theirs)
        return kept.signed(key).cache_object().content

    objects.change(ours.key, merged)
    if replaced:
        report(
            f"WARNING: {ours.key} named {replaced[-1]}, and names {realisation.out_path} now: two "
            "machines built different outputs."
        )


def put_debug_info(entry: CacheObject, changes: Narinfos, objects: Objects) -> None:
    """Put a debug info entry, unless another one names a NAR that is there.

    Args:
        entry: the entry.
        changes: changes objects that other clients may change at the same time.
        objects: looks for NARs.

    Raises:
        ClientError: the storage refused or did not answer.
    """

    def wanted(there: bytes | None) -> bytes | None:
        if there is None or there == entry.content:
            return entry.content
        nar_key = _nar_key(there)
        return None if nar_key is not None and objects.has(nar_key) else entry.content

    changes.change(entry.key, wanted)


def _nar_key(content: bytes) -> str | None:
    """Return the key of the NAR that a debug info entry names; None if it is damaged."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    match document:
        case {"archive": str(archive), "member": str()} if archive.startswith("../nar/"):
            return archive.removeprefix("../")
    return None

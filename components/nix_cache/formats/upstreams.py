"""Upstream caches: which store paths are theirs, by signature. Pure."""

from collections.abc import Iterable, Mapping

from nix_cache.formats.content_address import ContentAddress, ContentAddressError
from nix_cache.formats.narinfo import Narinfo, verify
from nix_cache.formats.nix_hash import HashFormatError
from nix_cache.formats.path_info import PathInfo


def upstream_of(info: PathInfo, upstreams: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the URL of the upstream cache that signed a path; None if none did.

    Args:
        info: what the store holds of the path.
        upstreams: by URL, the public keys of each upstream cache.

    Raises:
        KeyFormatError: a public key is malformed.
    """
    try:
        return next((url for url, keys in upstreams.items() if _is_signed_by(info, keys)), None)
    except HashFormatError:  # the store has a malformed signature of this path
        return None


def _is_signed_by(info: PathInfo, public_keys: Iterable[str]) -> bool:
    return bool(info.signatures) and bool(verify(_narinfo(info), public_keys))


def _narinfo(info: PathInfo) -> Narinfo:
    try:
        address = ContentAddress.parse(info.ca) if info.ca else None
    except ContentAddressError:  # of a method that is not known here; signatures do not cover it
        address = None
    return Narinfo(
        store_path=info.path,
        url="",
        compression="none",
        file_hash=None,
        file_size=None,
        nar_hash=info.nar_hash,
        nar_size=info.nar_size,
        references=tuple(path.rpartition("/")[2] for path in info.references),
        deriver=None,
        signatures=info.signatures,
        content_address=address,
    )

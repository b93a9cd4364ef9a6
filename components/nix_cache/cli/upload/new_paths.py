"""Store paths that appeared in the local store, and which of them belong into a cache.

The folder of the store only hints at them. Whether a path is valid is asked of Nix.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix import program
from nix_cache.cli.nix.closure import path_infos
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.narinfo import BASE_NAME
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.upstreams import upstream_of

Snapshot = Mapping[str, int]
"""The names in the store's folder, each with its inode: a path that was built again has another."""

_SOURCE_NAME = "-source"


def snapshot(store_dir: str) -> Snapshot:
    """Return what is in the store's folder now.

    Raises:
        ClientError: it cannot be read.
    """
    try:
        with os.scandir(store_dir) as entries:
            return {entry.name: entry.inode() for entry in entries if is_path_name(entry.name)}
    except OSError as failure:
        raise unreadable(store_dir, failure) from None


def unreadable(store_dir: str, failure: OSError) -> ClientError:
    """The error that the store's folder cannot be read."""
    return ClientError(
        f"the store {store_dir} cannot be read: {failure.strerror}",
        "run this where Nix's store is, as a user who may list it",
    )


def is_path_name(name: str) -> bool:
    """Return whether a name is that of a store path other than a derivation."""
    return BASE_NAME.fullmatch(name) is not None and not name.endswith(".drv")


def appeared(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the names that are new, or stand for other files than before."""
    return sorted(name for name, inode in after.items() if before.get(name) != inode)


def pushable(
    names: Collection[str],
    store_dir: str,
    upstreams: Mapping[str, tuple[str, ...]],
    environment: Mapping[str, str] = os.environ,
) -> list[str]:
    """Return those store paths of some names that belong into a cache.

    Left out are paths that are not valid, such as those of builds that failed, paths with a valid
    signature of an upstream cache, and sources that evaluations fetched: they have the name
    ``source`` and no derivation made them.

    Args:
        names: of store paths.
        store_dir: the store's folder.
        upstreams: by URL, the public keys of each upstream cache.
        environment: Nix's.

    Raises:
        ClientError: Nix cannot be asked.
    """
    paths = [f"{store_dir}/{name}" for name in names]
    if not paths:
        return []
    gone = set(program.invalid(paths, environment))
    infos = path_infos([path for path in paths if path not in gone], environment)
    return [path for path in infos if not _is_elsewhere(infos[path], upstreams)]


def upstreams(writer: Writer, options: UploadOptions) -> Mapping[str, tuple[str, ...]]:
    """Return the upstream caches that a push leaves paths to: by URL, their public keys."""
    return writer.manifest.upstreams if options.leaves_to_upstreams else {}


def _is_elsewhere(info: PathInfo, upstreams: Mapping[str, tuple[str, ...]]) -> bool:
    is_fetched = info.deriver is None and info.path.endswith(_SOURCE_NAME)
    return is_fetched or upstream_of(info, upstreams) is not None


def valid(store_dir: str, environment: Mapping[str, str] = os.environ) -> set[str]:
    """Return the names of all valid paths of the store, without derivations.

    Raises:
        ClientError: Nix cannot be asked.
    """
    printed = program.ask([*program.NIX, "path-info", "--all"], environment)
    names = (path.removeprefix(f"{store_dir}/") for path in printed.split())
    return {name for name in names if is_path_name(name)}


def exists(store_dir: str, name: str) -> bool:
    """Return whether there is a file of that name in the store's folder."""
    return os.path.lexists(Path(store_dir, name))

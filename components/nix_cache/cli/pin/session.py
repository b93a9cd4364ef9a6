"""`nix-cache pin` and `nix-cache unpin`, from what was given to what is printed."""

from nix_cache.cli.machine import console
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.nix.program import store_path
from nix_cache.cli.upload.pinning import KeepRules, Pinning, expiry_warning, require_pin_name
from nix_cache.cli.upload.writer import find_writer


def pin(
    cache: str | None,
    name: str,
    given: str,
    keep_revisions: int | None,
    keep_days: int | None,
    *,
    as_json: bool,
) -> None:
    """Pin a store path of a cache.

    Args:
        cache: its name; None for the only one that this machine pushes to.
        name: of the pin.
        given: the store path, or a link to it.
        keep_revisions: how many of the pin's revisions are kept; None for the latest.
        keep_days: of how many days the pin's revisions are kept; None for the latest.
        as_json: whether the result is for programs.

    Raises:
        UsageError: the name or the path is not one.
        ClientError: the cache does not have the path, or the storage refused.
    """
    require_pin_name(name, "NAME")
    writer = find_writer(cache)
    path = store_path(
        given, writer.manifest.store_dir, "give a store path, or a link to one such as ./result"
    )
    with Progress() as progress:
        progress.tell(f"waiting for {writer.manifest.endpoint}")
        pinning = Pinning(writer, progress.note)
        pinning.pin(name, path, KeepRules(keep_revisions, keep_days))
    if text := expiry_warning(writer.manifest):
        console.note(text)
    if as_json:
        console.document({"cache": writer.record.name, "pin": name, "path": path})
    else:
        console.out.print(f"Pinned {path} as {name}.")


def unpin(cache: str | None, name: str, *, as_json: bool) -> None:
    """End a pin of a cache.

    Args:
        cache: its name; None for the only one that this machine pushes to.
        name: of the pin.
        as_json: whether the result is for programs.

    Raises:
        UsageError: the cache has no such pin.
        ClientError: the storage refused.
    """
    require_pin_name(name, "NAME")
    writer = find_writer(cache)
    with Progress() as progress:
        progress.tell(f"waiting for {writer.manifest.endpoint}")
        Pinning(writer, progress.note).unpin(name)
    if as_json:
        console.document({"cache": writer.record.name, "pin": name, "path": None})
    else:
        console.out.print(f"Unpinned {name}.")

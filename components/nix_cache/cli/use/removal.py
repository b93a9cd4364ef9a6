"""What `nix-cache use --remove` would take out again. Reads files and writes none."""

from collections.abc import Iterator
from pathlib import Path

from nix_cache.cli.caches import record
from nix_cache.cli.caches.record import Record
from nix_cache.cli.caches.same_cache import same_cache
from nix_cache.cli.errors import UsageError
from nix_cache.cli.machine import files, masking, ownership
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.machine.ownership import FileKind
from nix_cache.cli.machine.places import Place, hook_name
from nix_cache.cli.nix import conf_file, installation
from nix_cache.cli.use import credentials_file, secrets_plan
from nix_cache.redaction import redacted


def cache_name(place: Place, source: str, name: str | None) -> str:
    """Return the name of the used cache that a source or name means.

    Args:
        place: where it is used.
        source: its name, its URL, or what was given to ``nix-cache use`` then.
        name: what was given with ``--name``, which settles it.

    Raises:
        UsageError: no such cache is used there.
        ClientError: a file cannot be read.
    """
    wanted = name or source
    known = record.all_records(place)
    if wanted in {found.name for found in known}:
        return wanted
    same = [
        found.name
        for found in known
        if name is None and (source == found.source or same_cache(source, found.manifest.read_url))
    ]
    if len(same) == 1:
        return same[0]
    traces = _traces(place)
    if wanted in traces:
        return wanted
    whose = "on this machine" if place.system else "by this user"
    raise UsageError(
        f"no cache {redacted(wanted)!r} is in use {whose}",
        f"name one of these: {', '.join(sorted(traces))}"
        if traces
        else f"try {'--user' if place.system else '--system'}",
    )


def plan_removal(place: Place, name: str) -> list[FileChange]:
    """Return the changes that remove all of a cache, in their order.

    Raises:
        ClientError: a file cannot be read.
    """
    changes = []
    hook = hook_name(name)
    for path in installation.settings_files(place):
        before = files.read(path)
        after = before
        for included in (hook, name):
            if after is not None and not _is_of_another(place, included, name):
                after = conf_file.without_include(after, included)
        changes.append(FileChange(path, before, after, mask=masking.nix_conf_line))
    known = record.load(place, name)
    changes.extend(_gone(place.conf(name), FileKind.SETTINGS, name))
    changes.extend(_gone(place.conf(hook), FileKind.HOOK_SETTINGS, name))
    changes.extend(_gone(place.folder / hook, FileKind.HOOK_SCRIPT, name))
    changes.extend(secrets_plan.old_key_removal(place, known, None))
    for path in secrets_plan.credentials_files(place, known):
        credentials = files.read(path)
        if credentials is not None:
            shared = credentials_file.handed_over(credentials, name, _heirs(place, name))
            rest = credentials_file.without_profiles(shared, name)
            mode = files.private_mode(path) if rest != credentials else None
            changes.append(FileChange(path, credentials, rest, mode, mask=masking.credentials_line))
    if known is not None:
        path = place.record(name)
        changes.append(FileChange(path, files.read(path), None))
    return [change for change in changes if change.needed]


def left_alone(place: Place, name: str) -> Iterator[str]:
    """Remarks on files with a cache's name that were not written for it, and so stay."""
    hook = hook_name(name)
    for path in (place.conf(name), place.conf(hook), place.folder / hook):
        if path.exists():
            yield f"{path} stays, because it was not written for the cache {name}."


def _gone(path: Path, kind: FileKind, name: str) -> list[FileChange]:
    """Remove a file that was written for a cache. One that was written for another stays."""
    content = files.read(path)
    if content is None or ownership.owner(kind, content) != name:
        return []
    mask = masking.nix_conf_line if path.suffix == ".conf" else str
    return [FileChange(path, content, None, mask=mask)]


def _heirs(place: Place, name: str) -> dict[str, str]:
    """By credentials profile, another cache in use that needs it too."""
    return {
        profile: other.name
        for other in record.all_records(place)
        if other.name != name
        for profile in _profiles(other)
    }


def _profiles(cache: Record) -> list[str]:
    """Return the credentials profiles that this machine uses for a cache."""
    named = cache.manifest.profiles
    users = (cache.reader, cache.writer, cache.manifest.janitor)
    return [named[user] for user in users if user in named]


def _traces(place: Place) -> set[str]:
    """Return the caches that anything is left of, also where the record is missing."""
    texts = [files.read(path) or b"" for path in installation.settings_files(place)]
    names = {
        *(name for text in texts for name in conf_file.included_names(text)),
        *(path.stem for path in place.folder.glob("*.conf")),
    }
    known = (found.name for found in record.all_records(place))
    return {*known, *(name for name in names if not _is_of_another(place, name, name))}


def _is_of_another(place: Place, included: str, name: str) -> bool:
    """Return whether a file that nix.conf includes exists and was not written for a cache."""
    content = files.read(place.conf(included))
    kinds = (FileKind.SETTINGS, FileKind.HOOK_SETTINGS)
    return content is not None and name not in {ownership.owner(kind, content) for kind in kinds}

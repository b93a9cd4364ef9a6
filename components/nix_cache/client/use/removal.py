"""What `nix-cache use --remove` would take out again. Reads files and writes none."""

from pathlib import Path

from nix_cache.client import files, masking, nix_conf_file, record
from nix_cache.client.errors import UsageError
from nix_cache.client.files import FileChange
from nix_cache.client.hook.texts import settings_name
from nix_cache.client.places import Place
from nix_cache.client.use import credentials_file, secrets_plan


def cache_name(place: Place, source: str, name: str | None) -> str:
    """The name of the used cache that somebody means.

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
        if name is None
        and source.rstrip("/") in {found.source, found.description.read_url.rstrip("/")}
    ]
    if len(same) == 1:
        return same[0]
    traces = _traces(place)
    if wanted in traces:
        return wanted
    whose = "on this machine" if place.system else "by this user"
    raise UsageError(
        f"no cache {wanted!r} is in use {whose}",
        f"name one of these: {', '.join(sorted(traces))}"
        if traces
        else f"try {'--user' if place.system else '--system'}",
    )


def plan_removal(place: Place, name: str) -> list[FileChange]:
    """What has to change so that nothing of a cache is left, in the order in which it has to.

    Raises:
        ClientError: a file cannot be read.
    """
    changes = []
    hook = settings_name(name)
    nix_conf = files.read(place.nix_conf)
    if nix_conf is not None:
        after = nix_conf_file.without_include(nix_conf, hook)
        after = nix_conf_file.without_include(after, name) if after is not None else None
        changes.append(FileChange(place.nix_conf, nix_conf, after, mask=masking.nix_conf_line))
    known = record.load(place, name)
    changes.extend(_gone(place.conf(name)))
    changes.extend(_gone(place.conf(hook)))
    changes.extend(_gone(place.folder / hook))
    changes.extend(secrets_plan.old_key_removal(place, known, None))
    credentials = files.read(place.credentials)
    if credentials is not None:
        rest = credentials_file.without_profiles(credentials, name)
        mode = files.private_mode(place.credentials) if rest != credentials else None
        changes.append(
            FileChange(place.credentials, credentials, rest, mode, mask=masking.credentials_line)
        )
    changes.extend(_gone(place.record(name)))
    return [change for change in changes if change.needed]


def _gone(path: Path) -> list[FileChange]:
    content = files.read(path)
    mask = masking.nix_conf_line if path.suffix == ".conf" else str
    return [] if content is None else [FileChange(path, content, None, mask=mask)]


def _traces(place: Place) -> set[str]:
    """The caches that anything is left of, also where the record is missing."""
    nix_conf = files.read(place.nix_conf) or b""
    return {
        *nix_conf_file.included_names(nix_conf),
        *(path.stem for path in place.folder.glob("*.conf")),
        *(path.stem for path in place.folder.glob("*.json")),
    }

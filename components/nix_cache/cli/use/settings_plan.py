"""What `nix-cache use` would change on this machine. Reads files and writes none."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlencode

from nix_cache.cli.caches import manifest_rules, record, urls
from nix_cache.cli.caches.record import Record
from nix_cache.cli.caches.same_cache import same_access, same_cache
from nix_cache.cli.caches.source import Origin, Source
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import files, masking, ownership
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.machine.ownership import FileKind
from nix_cache.cli.machine.places import Place
from nix_cache.cli.nix import conf_file, conf_lists, conf_sources, installation, obstacles
from nix_cache.cli.use import safety, secrets_plan
from nix_cache.cli.use.outages import NO_WISH, OutageWish, outage_lines
from nix_cache.formats.manifest import Manifest
from nix_cache.redaction import redacted


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        place: whose settings are to change.
        name: under which the cache is to be used; its bucket's name if None.
        writer: as whom this machine shall push; as before if None.
        reader: whose credential a private cache is to be read with; as before if None, or that
            which the cache's read URL names.
        origin: what was given as the source, if it can be read again.
        outages: what Nix does while the cache does not answer.
        push_only: whether nix.conf stays as it is, and no reader's credential is taken.
        janitor: whether this machine gets the janitor's credential.
    """

    place: Place
    name: str | None = None
    writer: str | None = None
    reader: str | None = None
    origin: str | None = None
    outages: OutageWish = NO_WISH
    push_only: bool = False
    janitor: bool = False


@dataclass(frozen=True)
class SettingsPlan:
    """A cache to be used, and what that takes.

    Attributes:
        place: whose settings change.
        previous: what is known of it from an earlier run; None if there was none.
        record: what will be known of it.
        read_url: the substituter.
        changes: the files, in the order in which they have to change.
        replaced_profiles: credentials profiles that get another key pair.
        other_logins: by profile, how it logs in without a key pair, where that is new to the cache.
        remarks: what the user should know besides.
    """

    place: Place
    previous: Record | None
    record: Record
    read_url: str
    changes: list[FileChange]
    replaced_profiles: list[str]
    other_logins: dict[str, str]
    remarks: list[str]

    @property
    def signs_with_present_profile(self) -> bool:
        """Whether a private cache is read with a profile that its manifest only names."""
        found = self.record
        return not found.manifest.public and found.reader is None and not found.push_only


def plan_use(source: Source, wish: Wish) -> SettingsPlan:
    """Work out how a cache comes to be used, or how a used one gets its present settings.

    Raises:
        ClientError: the source lacks what it takes, or would do harm, or a file is in the way.
        UsageError: names were given that the cache does not have, or that are taken.
    """
    place = wish.place
    name = cache_name(source, wish)
    safety.require_name(name)
    safety.require_free_name(place, name)
    previous = record.load(place, name)
    source = _complete(source, wish, previous)
    manifest = source.manifest
    manifest_rules.require_valid(manifest)
    _require_same_cache(previous, manifest, name)
    _require_own_key_names(place, manifest, name)
    remarks: list[str] = []

    writer = wish.writer or (previous.writer if previous else None)
    _require_consistent(wish, writer, previous)
    reader = None if wish.push_only else _reader(manifest, wish, previous)
    key = secrets_plan.signing_key(source, writer, required=wish.writer is not None)
    key_file = place.signing_key(key.name).absolute() if key else None
    if key is None and previous and previous.signing_key_file:
        key_file = previous.signing_key_file
        remarks.extend(secrets_plan.stale_key(manifest, writer, key_file))
    read_url = _read_url(manifest, reader)

    # A writer without a stored credential has no profile.
    users = [user for user in (reader, writer if key else None) if user in manifest.profiles]
    users += secrets_plan.janitors(manifest, wanted=wish.janitor)
    timeout, fallback = wish.outages.after(previous)
    new = Record(
        name=name,
        manifest=manifest,
        writer=writer,
        reader=reader,
        signing_key_file=key_file,
        credentials_file=secrets_plan.named_file(place, previous, is_written=bool(users)),
        source=wish.origin,
        connect_timeout_seconds=timeout,
        fallback=fallback,
        push_only=wish.push_only,
    )
    return SettingsPlan(
        place=place,
        previous=previous,
        record=new,
        read_url=read_url,
        changes=[
            *(secrets_plan.key_change(key, place, name, previous) if key else ()),
            *secrets_plan.credentials_change(source, place, name, users, remarks),
            *(() if wish.push_only else _reading_changes(place, new, read_url, remarks)),
            _change(place.record(name), record.text(new), files.PUBLIC_FILE),
            *secrets_plan.old_key_removal(place, previous, key_file),
        ],
        replaced_profiles=secrets_plan.replaced_profiles(source, place, users),
        other_logins=secrets_plan.other_logins(manifest, place, users, previous),
        remarks=remarks,
    )


def _require_consistent(wish: Wish, writer: str | None, previous: Record | None) -> None:
    if not wish.push_only:
        return
    if writer is None:
        raise UsageError("--push-only needs a writer", "name one with --as WRITER")
    if wish.reader is not None:
        raise UsageError(
            "--reader is for reading, and --push-only leaves that out", "give only one of the two"
        )
    if wish.outages != NO_WISH:
        raise UsageError(
            "--connect-timeout and --fallback are settings of nix.conf, and --push-only leaves it "
            "as it is",
            "leave them out",
        )
    if previous is not None and not previous.push_only:
        raise UsageError(
            f"the cache {previous.name} is in nix.conf already, and --push-only leaves nix.conf as "
            "it is",
            f"remove it first: nix-cache use {shlex.quote(previous.name)} --remove",
        )


def _reading_changes(
    place: Place, new: Record, read_url: str, remarks: list[str]
) -> Iterator[FileChange]:
    """Name the cache and its keys in nix.conf."""
    known = _known_otherwise(place, new.name, read_url, remarks)
    settings = conf_file.settings_text(
        new.name, None if known else read_url, new.manifest.public_keys, new.signing_key_file
    )
    yield _settings_change(place.conf(new.name), settings + outage_lines(new).encode(), new.name)
    yield from _nix_conf_changes(place, new.name)


def cache_name(source: Source, wish: Wish) -> str:
    """Return the name under which a cache is used: as given, as before, or its bucket's name.

    A URL that is in use already stays the same cache, whatever bucket it describes now.

    Raises:
        ClientError: a record cannot be read.
    """
    if wish.name is None and source.origin is Origin.URL and wish.origin is not None:
        names = [
            one.name
            for one in record.all_records(wish.place)
            for url in (one.source, one.manifest.read_url)
            if url is not None and same_cache(wish.origin, url)
        ]
        if names and source.manifest.bucket not in names:
            return names[0]
    return wish.name or source.manifest.bucket


def _complete(source: Source, wish: Wish, previous: Record | None) -> Source:
    """Return a URL's manifest with what this machine knows of the cache's users.

    Raises:
        UsageError: keys or credentials would be needed, and a URL never brings any.
        ClientError: likewise, or this machine pushes to another place.
    """
    if source.origin is not Origin.URL:
        return source
    manifest = source.manifest
    if wish.writer is not None or wish.reader is not None or wish.janitor:
        raise UsageError(
            "--as, --reader and --janitor need keys or credentials, and none are taken from a URL",
            secrets_plan.WITH_SECRETS,
        )
    if not manifest.public:
        raise ClientError(
            f"the cache {manifest.bucket} is private, and no credentials are taken from a URL",
            secrets_plan.WITH_SECRETS,
        )
    if previous is None:
        return source
    known = previous.manifest
    if manifest_rules.same_place(known, manifest):
        return replace(source, manifest=manifest_rules.with_users_of(manifest, known))
    if previous.writer is not None:
        raise ClientError(
            f"the URL describes the storage {manifest_rules.bucket_url(manifest)}, and this "
            f"machine pushes to {manifest_rules.bucket_url(known)} in the region {known.region}; "
            "nothing was changed",
            f"if the cache has moved, run `{previous.use_command()}` with its stack",
        )
    return source


def _settings_change(path: Path, after: bytes, name: str) -> FileChange:
    before = files.read(path)
    ownership.require_own(FileKind.SETTINGS, path, before, name)
    return FileChange(path, before, after, files.PUBLIC_FILE, mask=masking.nix_conf_line)


def _change(path: Path, after: bytes, mode: int | None) -> FileChange:
    mask = masking.nix_conf_line if path.suffix == ".conf" else str
    return FileChange(path, files.read(path), after, mode, mask=mask)


def _require_own_key_names(place: Place, manifest: Manifest, name: str) -> None:
    """Refuse a key under the name of another cache's key. Of two, Nix trusts the first alone."""
    wanted = {key.name: key for key in manifest_rules.public_keys(manifest)}
    for other in record.all_records(place):
        if other.name == name:
            continue
        for key in manifest_rules.well_formed_keys(other.manifest):
            if wanted.get(key.name, key) != key:
                raise ClientError(
                    f"the cache {other.name}, which is in use, has another public key with the "
                    f"name {key.name}; nothing was changed",
                    "do not use both caches before their owners have explained that",
                )


def _nix_conf_changes(place: Place, name: str) -> Iterator[FileChange]:
    """Include the settings at the end, and again there when a later line has undone them.

    They go into the file in which they last. An include in another file is moved there.
    """
    chosen = installation.settings_file(place)
    for path in installation.settings_files(place):
        before = files.read(path)
        text = before
        if text is not None and (path != chosen or obstacles.replaced_after(path, text, name)):
            text = conf_file.without_include(text, name)
        after = conf_file.with_include(text, name) if path == chosen else text
        if path == chosen or before != after:
            yield FileChange(path, before, after, mask=masking.nix_conf_line)


def _known_otherwise(place: Place, name: str, read_url: str, remarks: list[str]) -> bool:
    """Return whether a line that is not this client's for the cache names the substituter already.

    Nix compares URLs as texts, so a second spelling would be asked a second time.
    """
    settings = conf_sources.machine_settings() if place.system else conf_sources.file_settings()
    own = place.conf(name)
    lines = [one for one in settings.lines if one.file != own]
    for item in conf_lists.history(lines, conf_lists.SUBSTITUTERS).items:
        if not same_cache(item.value, read_url):
            continue
        shown = redacted(item.value)
        if same_access(item.value, read_url):
            remarks.append(
                f"{item.where} names the cache already, as {shown}, so it is not added again as "
                f"{read_url}. To use that URL, remove it from that line and run this again."
            )
            return True
        remarks.append(
            f"WARNING: {item.where} names the cache as {shown} too, so Nix asks it twice. Remove "
            "it from that line."
        )
    return False


def _require_same_cache(previous: Record | None, manifest: Manifest, name: str) -> None:
    if previous and not same_cache(previous.manifest.read_url, manifest.read_url):
        raise UsageError(
            f"the name {name} is taken by the cache {previous.manifest.read_url}, and this is "
            f"{manifest.read_url}",
            f"give this one another name with --name, or remove that one: "
            f"nix-cache use {name} --remove",
        )


def _reader(manifest: Manifest, wish: Wish, previous: Record | None) -> str | None:
    """Whose credential reads a private cache; None if it is public, or its manifest names none."""
    if manifest.public:
        if wish.reader is not None:
            raise UsageError(
                f"the cache {manifest.bucket} is public and has no readers",
                "leave --reader out",
            )
        return None
    if wish.reader is not None:
        if wish.reader not in manifest.profiles:
            raise UsageError(
                f"the cache {manifest.bucket} has no reader {wish.reader!r}",
                f"take one of these: {', '.join(sorted(manifest.profiles))}",
            )
        return wish.reader
    if previous and previous.reader in manifest.profiles:
        return previous.reader
    if not manifest.profiles:
        return None  # the published part: the profile in its read URL has to be there already
    named = urls.parse_s3(manifest.read_url).parameters.get("profile")
    for user, profile in manifest.profiles.items():
        if profile == named:
            return user
    raise ClientError(
        f"the read URL {manifest.read_url} names no profile of the cache",
        "name a reader with --reader",
    )


def _read_url(manifest: Manifest, reader: str | None) -> str:
    """Return the read URL, with the profile of the reader."""
    if reader is None:
        return manifest.read_url
    parameters = dict(urls.parse_s3(manifest.read_url).parameters)
    if parameters.get("profile") == manifest.profiles[reader]:
        return manifest.read_url
    parameters["profile"] = manifest.profiles[reader]
    query = urlencode(parameters, quote_via=quote, safe="")
    return f"s3://{manifest.bucket}?{query}"

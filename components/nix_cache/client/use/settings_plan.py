"""What `nix-cache use` would change on this machine. Reads files and writes none."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from nix_cache.client import files, machine, masking, nix_conf_file, record
from nix_cache.client.errors import ClientError, UsageError
from nix_cache.client.files import FileChange
from nix_cache.client.places import Place
from nix_cache.client.record import Record
from nix_cache.client.source import Source
from nix_cache.client.use import safety, secrets_plan
from nix_cache.description import Description


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
    """

    place: Place
    name: str | None = None
    writer: str | None = None
    reader: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Plan:
    """A cache to be used, and what that takes.

    Attributes:
        previous: what is known of it from an earlier run; None if there was none.
        record: what will be known of it.
        read_url: the substituter.
        changes: the files, in the order in which they have to change.
        remarks: what the user should know besides.
    """

    previous: Record | None
    record: Record
    read_url: str
    changes: list[FileChange]
    remarks: list[str]


def plan_use(source: Source, wish: Wish) -> Plan:
    """Work out how a cache comes to be used, or how a used one gets its present settings.

    Raises:
        ClientError: the source lacks what it takes, or would do harm, or a file is in the way.
        UsageError: names were given that the cache does not have, or that are taken.
    """
    description, place = source.description, wish.place
    name = wish.name or description.bucket
    safety.require_name(name)
    safety.require_harmless(description)
    previous = record.load(place, name)
    _require_same_cache(previous, description, name)
    remarks: list[str] = []

    writer = wish.writer or (previous.writer if previous else None)
    reader = _reader(description, wish, previous)
    key = secrets_plan.signing_key(source, writer, required=wish.writer is not None)
    key_file = place.signing_key(key.name).absolute() if key else None
    if key is None and previous and previous.signing_key_file:
        key_file = previous.signing_key_file
        remarks.extend(secrets_plan.stale_key(description, writer, key_file))
    read_url = _read_url(description, reader)

    # Whoever pushes without a stored credential has no profile.
    users = [user for user in (reader, writer if key else None) if user in description.profiles]
    new = Record(
        name=name,
        description=description,
        writer=writer,
        reader=reader,
        signing_key_file=key_file,
        source=wish.origin,
    )
    settings = nix_conf_file.settings_text(name, read_url, description.public_keys, key_file)
    return Plan(
        previous=previous,
        record=new,
        read_url=read_url,
        changes=[
            *(secrets_plan.key_change(key, place, previous) if key else ()),
            *secrets_plan.credentials_change(source, place, name, users, remarks),
            _change(place.conf(name), settings, files.PUBLIC_FILE),
            _nix_conf_change(place, name),
            _change(place.record(name), record.text(new), files.PUBLIC_FILE),
            *secrets_plan.old_key_removal(place, previous, key_file),
        ],
        remarks=remarks,
    )


def _change(path: Path, after: bytes, mode: int | None) -> FileChange:
    mask = masking.nix_conf_line if path.suffix == ".conf" else str
    return FileChange(path, files.read(path), after, mode, mask=mask)


def _nix_conf_change(place: Place, name: str) -> FileChange:
    """Include the settings at the end, and again there when a later line has undone them."""
    machine.require_finite(place)
    before = files.read(place.nix_conf)
    text = before
    if text is not None and machine.replaced_after(place, text, name):
        text = nix_conf_file.without_include(text, name)
    after = nix_conf_file.with_include(text, name)
    return FileChange(place.nix_conf, before, after, mask=masking.nix_conf_line)


def _require_same_cache(previous: Record | None, description: Description, name: str) -> None:
    if previous and previous.description.read_url != description.read_url:
        raise UsageError(
            f"the name {name} is taken by the cache {previous.description.read_url}, and this is "
            f"{description.read_url}",
            f"give this one another name with --name, or remove that one: "
            f"nix-cache use {name} --remove",
        )


def _reader(description: Description, wish: Wish, previous: Record | None) -> str | None:
    """Whose credential reads: nobody's if anybody may read."""
    if description.public:
        if wish.reader is not None:
            raise UsageError(
                f"anybody may read the cache {description.bucket}, and it has no readers",
                "leave --reader out",
            )
        return None
    if wish.reader is not None:
        if wish.reader not in description.profiles:
            raise UsageError(
                f"the cache {description.bucket} has no reader {wish.reader!r}",
                f"take one of these: {', '.join(sorted(description.profiles))}",
            )
        return wish.reader
    if previous and previous.reader in description.profiles:
        return previous.reader
    if not description.profiles:
        return None  # the published part: the profile in its read URL has to be there already
    named = dict(parse_qsl(urlsplit(description.read_url).query)).get("profile")
    for user, profile in description.profiles.items():
        if profile == named:
            return user
    raise ClientError(
        f"the read URL {description.read_url} names no profile of the cache",
        "name a reader with --reader",
    )


def _read_url(description: Description, reader: str | None) -> str:
    """The read URL, with the profile of the reader."""
    if reader is None:
        return description.read_url
    base, _, query = description.read_url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if parameters.get("profile") == description.profiles[reader]:
        return description.read_url
    parameters["profile"] = description.profiles[reader]
    return f"{base}?{urlencode(parameters, quote_via=quote, safe='')}"

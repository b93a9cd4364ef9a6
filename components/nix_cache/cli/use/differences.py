"""How a cache differs from what this machine agreed to when `nix-cache use` ran last. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from nix_cache.cli.caches.record import Record
from nix_cache.cli.use.settings_plan import SettingsPlan


class Topic(StrEnum):
    """What a difference is about. Each is agreed to in its own way."""

    KEYS = "keys"
    PLACES = "places"
    KEY_PAIRS = "key pairs"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was.

    Attributes:
        topic: what it is about.
        title: the thing.
        removed: its lines until now.
        added: its lines from now on.
        kept: its lines that stay.
    """

    topic: Topic
    title: str
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def differences(plan: SettingsPlan) -> Iterator[Difference]:
    """All that a plan changes of what was agreed to before. Nothing on a first use."""
    if plan.previous is not None:
        yield from _keys(plan.previous, plan.record)
        yield from _signing_key(plan, plan.previous)
        yield from _places(plan.previous, plan.record)
    for profile in plan.replaced_profiles:
        yield Difference(
            Topic.KEY_PAIRS,
            f"key pair of the credentials profile {profile}",
            ("(the present key pair)",),
            ("(another key pair)",),
        )
    for profile, login in plan.other_logins.items():
        yield Difference(
            Topic.KEY_PAIRS,
            f"credentials profile {profile}, which logs in by {login}",
            added=("requests to this cache are signed with it, and not with the stack's key pair",),
        )


def _keys(previous: Record, new: Record) -> Iterator[Difference]:
    old, now = previous.manifest.public_keys, new.manifest.public_keys
    if set(old) != set(now):
        yield Difference(
            Topic.KEYS,
            "public keys",
            tuple(key for key in old if key not in now),
            tuple(key for key in now if key not in old),
            tuple(key for key in now if key in old),
        )


def _signing_key(plan: SettingsPlan, previous: Record) -> Iterator[Difference]:
    old, now = previous.signing_key_file, plan.record.signing_key_file
    if old is None or now is None or previous.writer != plan.record.writer:
        return
    title = f"signing key of the writer {plan.record.writer}"
    if old != now:
        yield Difference(Topic.KEYS, title, (old.stem,), (now.stem,))
    elif any(change.path == now and change.needed and change.before for change in plan.changes):
        yield Difference(Topic.KEYS, title, (old.stem,), (f"{now.stem} (another key)",))


def _places(previous: Record, new: Record) -> Iterator[Difference]:
    old, now = previous.manifest, new.manifest
    pairs = [
        ("read URL", old.read_url, now.read_url),
        ("endpoint", old.endpoint, now.endpoint),
        ("bucket", old.bucket, now.bucket),
        ("region", old.region, now.region),
        ("store", old.store_dir, now.store_dir),
    ]
    if (writer := new.writer) is not None and writer == previous.writer:
        pairs += [
            ("push URL", old.push_urls.get(writer, ""), now.push_urls.get(writer, "")),
            (
                f"credentials profile of the writer {writer}",
                old.profiles.get(writer, ""),
                now.profiles.get(writer, ""),
            ),
        ]
    if (reader := new.reader) is not None and reader == previous.reader:
        pairs.append(
            (
                f"credentials profile of the reader {reader}",
                old.profiles.get(reader, ""),
                now.profiles.get(reader, ""),
            )
        )
    for title, before, after in pairs:
        if before != after:
            yield Difference(
                Topic.PLACES,
                title,
                (before,) if before else (),
                (after,) if after else (),
            )

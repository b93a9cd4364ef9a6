"""Asking before this machine trusts keys, or sends data to a place, that were not agreed to."""

import ipaddress
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from nix_cache.cli.caches import manifest_rules, source
from nix_cache.cli.caches.manifest_rules import PublicKey
from nix_cache.cli.caches.same_cache import same_cache
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.use import diff
from nix_cache.cli.use.differences import Difference, Topic, differences
from nix_cache.cli.use.settings_plan import SettingsPlan
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest

_WAYS = {
    Topic.KEYS: "name every key that you expect with --expect-key NAME:BASE64",
    Topic.PLACES: "remove the cache with `nix-cache use {name} --remove`, and use it again",
    Topic.KEY_PAIRS: "agree to them with --replace-credentials",
}
"""How a script agrees to what has changed."""


@dataclass(frozen=True)
class Agreement:
    """What the command line agrees to beforehand.

    Attributes:
        first_use: the keys and places of a cache that is not in use yet.
        keys: the very keys that the cache has; None if none are named.
        key_pairs: that key pairs which were written for the cache are replaced.
    """

    first_use: bool = False
    keys: frozenset[PublicKey] | None = None
    key_pairs: bool = False

    def covers(self, topic: Topic) -> bool:
        """Return whether a change is agreed to. Expected keys were compared before."""
        match topic:
            case Topic.KEYS:
                return self.keys is not None
            case Topic.KEY_PAIRS:
                return self.key_pairs
            case Topic.PLACES:
                return False


def expected_keys(given: Sequence[str]) -> frozenset[PublicKey] | None:
    """Read the values of ``--expect-key``; None if there are none.

    Raises:
        UsageError: one is not a public key. The message has no key, which may be a secret one.
    """
    if not given:
        return None
    try:
        return frozenset(map(PublicKey.parse, given))
    except signing.KeyFormatError as mistake:
        raise UsageError(
            f"a value of --expect-key is not a public key: {mistake}",
            "give NAME:BASE64, as in `trusted-public-keys`",
        ) from None


def require_expected(manifest: Manifest, agreement: Agreement) -> None:
    """Compare a cache's keys with those that the command line expects: both sets are equal.

    Raises:
        ClientError: a key is missing, or one is there that was not expected.
    """
    if agreement.keys is None:
        return
    found = manifest_rules.public_keys(manifest)
    problems = [
        *(f"{key} is not expected" for key in sorted(map(str, found - agreement.keys))),
        *(f"{key} is missing" for key in sorted(map(str, agreement.keys - found))),
    ]
    if problems:
        raise ClientError(
            f"the cache's public keys are not those of --expect-key: {'; '.join(problems)}; "
            "nothing was changed",
            "compare the keys with their owner's, and name all of them",
        )


def require(given: str, plan: SettingsPlan, agreement: Agreement) -> bool:
    """Show what was not agreed to before, and ask, unless the command line agrees.

    Args:
        given: the source.
        plan: what it led to.
        agreement: what the command line agrees to.

    Returns:
        whether the user agrees.

    Raises:
        UsageError: standard input is not a terminal, and the command line does not agree.
    """
    changed = list(differences(plan))
    is_first = plan.previous is None and (source.is_url(given) or plan.signs_with_present_profile)
    if not is_first and not changed:
        return True
    for line in statement(given, plan, changed):
        console.note(line)
    topics = {one.topic for one in changed}
    not_agreed = [topic for topic in Topic if topic in topics and not agreement.covers(topic)]
    is_agreed = not is_first or agreement.first_use or agreement.keys is not None
    if is_agreed and not not_agreed:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise _cannot_ask(plan, not_agreed)
    return console.confirmed(
        "Trust these keys?" if is_first and not changed else "Agree to these changes?"
    )


def statement(given: str, plan: SettingsPlan, changed: Sequence[Difference] = ()) -> Iterator[str]:
    """Yield what is to be agreed to, line by line.

    Args:
        given: the source.
        plan: what it led to.
        changed: how it differs from what was agreed to before.
    """
    manifest = plan.record.manifest
    where = "standard input" if given == "-" else given
    yield f"The cache {plan.record.name}, as {where} describes it"
    yield f"  read URL  {plan.read_url}"
    if plan.previous is None:
        yield f"  storage   {manifest_rules.bucket_url(manifest)}"
        yield from _listed("public keys", "", manifest.public_keys)
    for one in changed:
        yield f"  changed: {one.title}"
        yield from (f"    - {line}" for line in one.removed)
        yield from (f"    + {line}" for line in one.added)
        yield from (f"      {line}" for line in one.kept)
    if plan.previous is None and plan.signs_with_present_profile:
        yield "  This machine signs its requests there with the profile that the read URL names."
    yield from _existing_files(plan)
    if source.is_url(given):
        yield from _warnings(given, manifest)
    if plan.previous is None or any(one.topic is Topic.KEYS for one in changed):
        yield "The owners of these keys can put programs onto this machine."


def _existing_files(plan: SettingsPlan) -> Iterator[str]:
    """Yield the diff of every file that exists, except this client's own about the cache."""
    own = {plan.place.conf(plan.record.name), plan.place.record(plan.record.name)}
    for change in plan.changes:
        if change.needed and change.before is not None and change.path not in own:
            yield from (f"  {line}" for line in diff.unified(change))


def _warnings(url: str, manifest: Manifest) -> Iterator[str]:
    if not same_cache(url, manifest.read_url):
        yield (
            f"  WARNING: it is read from another place than was asked for: "
            f"{manifest.read_url}, and not {url}"
        )
    if _could_be_changed_on_the_way(url):
        yield (
            "  WARNING: this came over http://, where others on the network could have put in "
            "other keys; compare the keys with their owner's, or use https://"
        )


def _cannot_ask(plan: SettingsPlan, topics: Sequence[Topic]) -> UsageError:
    if not topics:
        return UsageError(
            "these keys have to be agreed to, and standard input is no terminal to ask at; "
            "nothing was changed",
            "compare the keys with their owner's, then run this again with --yes or --expect-key",
        )
    ways = [_WAYS[topic].format(name=plan.record.name) for topic in topics]
    return UsageError(
        f"the {' and '.join(topics)} of the cache {plan.record.name} have changed, which has to "
        "be agreed to, and standard input is no terminal to ask at; nothing was changed",
        f"compare them with their owner's, then run this at a terminal, or {'; '.join(ways)}",
    )


def _listed(title: str, sign: str, keys: Sequence[str]) -> Iterator[str]:
    if keys:
        yield f"  {title}"
        yield from (f"    {sign}{key}" for key in keys)


def _could_be_changed_on_the_way(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True

"""Asking before the keys of a cache are trusted that only its own URL vouches for."""

import ipaddress
import sys
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from nix_cache.client import console
from nix_cache.client.errors import UsageError
from nix_cache.client.use.settings_plan import Plan


def is_needed(plan: Plan) -> bool:
    """Whether there is anything that was not agreed to before."""
    if plan.previous is None:
        return True
    return set(plan.record.description.public_keys) != set(plan.previous.description.public_keys)


def statement(url: str, plan: Plan) -> Iterator[str]:
    """What is to be agreed to, line by line.

    Args:
        url: the one that was asked for.
        plan: what it led to.
    """
    description = plan.record.description
    yield f"The cache {plan.record.name}, as {url} describes it"
    yield f"  read URL  {plan.read_url}"
    if plan.previous is None:
        yield from _listed("public keys", "", description.public_keys)
    else:
        old, new = plan.previous.description.public_keys, description.public_keys
        yield "  its public keys have changed since it was used last"
        yield from _listed("added", "+ ", [key for key in new if key not in old])
        yield from _listed("removed", "- ", [key for key in old if key not in new])
        yield from _listed("unchanged", "  ", [key for key in new if key in old])
    if _address(url) != _address(description.read_url):
        yield (
            f"  WARNING: it is read from another place than was asked for: "
            f"{description.read_url}, and not {url}"
        )
    if _could_be_changed_on_the_way(url):
        yield (
            "  WARNING: this came over http://, where anybody on the way could have put in keys "
            "of their own; compare the keys with their owner's, or use https://"
        )
    yield "Whoever has one of these keys can put programs onto this machine."


def require(url: str, plan: Plan, *, given: bool) -> bool:
    """Show what is to be trusted and ask, unless that was agreed to before.

    Args:
        url: the one that was asked for.
        plan: what it led to.
        given: whether the user has agreed on the command line already.

    Returns:
        whether they agree.

    Raises:
        UsageError: there is nobody to ask.
    """
    if not is_needed(plan):
        return True
    for line in statement(url, plan):
        console.note(line)
    if given:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "these keys have to be agreed to, and standard input is no terminal to ask at; "
            "nothing was changed",
            "compare the keys with their owner's, then run this again with --yes",
        )
    return console.confirmed("Trust these keys?")


def _listed(title: str, sign: str, keys: Sequence[str]) -> Iterator[str]:
    if keys:
        yield f"  {title}"
        yield from (f"    {sign}{key}" for key in keys)


def _address(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower(), parts.path.rstrip("/")


def _could_be_changed_on_the_way(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True

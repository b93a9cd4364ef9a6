"""The text of an AWS credentials file: adding, renewing and removing profiles of ours. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from nix_cache.cli.machine.appended import append, cut, split_lines
from nix_cache.cli.s3.credentials import Credential

_SECTION = re.compile(rb"\s*\[\s*(.*?)\s*\]")
_SETTING = re.compile(rb"\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$", re.DOTALL)
_MARK = b"# The binary cache "
_KEY_ID = b"aws_access_key_id"
_SECRET = b"aws_secret_access_key"


class ForeignProfileError(ValueError):
    """A profile of that name is there, says something else, and was not written for this cache."""


@dataclass(frozen=True)
class _Section:
    """Where a profile stands: the index of its first line, and of the first one after it."""

    header: int
    stop: int
    mark: bytes | None
    """The comment before it by which it is known as ours."""


def with_profile(text: bytes | None, cache: str, profile: str, credential: Credential) -> bytes:
    """Write a profile at the end, or renew it in its place.

    Args:
        text: the file; None if it does not exist.
        cache: the name of the cache that it is for.
        profile: the profile's name.
        credential: what it holds.

    Raises:
        ForeignProfileError: the profile belongs to another user or cache.
    """
    fresh = [
        _mark(cache),
        f"[{profile}]".encode(),
        _KEY_ID + b" = " + credential.access_key_id.encode(),
        _SECRET + b" = " + credential.secret_access_key.encode(),
    ]
    lines = split_lines(text or b"")
    match [section for section in _sections(lines) if _name(lines, section) == profile.encode()]:
        case []:
            return append(text, fresh)
        case [section] if _holds(lines, section, credential):
            return text or b""
        case [section] if section.mark == _mark(cache):
            end = b"\r\n" if lines[section.header].endswith(b"\r\n") else b"\n"
            renewed = [line + end for line in fresh]
            before, after = lines[: section.header - 1], lines[section.stop :]
            return b"".join([*before, *renewed, *_others(lines, section), *after])
        case _:
            raise ForeignProfileError(profile)


def has_profile(text: bytes, profile: str) -> bool:
    """Return whether there is a profile of a name."""
    lines = split_lines(text)
    return any(_name(lines, section) == profile.encode() for section in _sections(lines))


def holds_other(text: bytes, profile: str, credential: Credential) -> bool:
    """Return whether there is a profile of a name with another key pair."""
    lines = split_lines(text)
    return any(
        _name(lines, section) == profile.encode() and not _holds(lines, section, credential)
        for section in _sections(lines)
    )


def has_access_key(text: bytes, profile: str, access_key_id: str) -> bool:
    """Return whether there is a profile of a name with an access key id."""
    lines = split_lines(text)
    return any(
        _name(lines, section) == profile.encode()
        and _settings(lines, section).get(_KEY_ID) == access_key_id.encode()
        for section in _sections(lines)
    )


def handed_over(text: bytes, cache: str, heirs: Mapping[str, str]) -> bytes:
    """Mark profiles that were written for one cache as those of others, which use them too.

    Args:
        text: the file.
        cache: the name of the cache that they were written for.
        heirs: by profile, the name of the other cache.
    """
    lines = split_lines(text)
    for section in _sections(lines):
        heir = heirs.get(_name(lines, section).decode(errors="replace"))
        if section.mark == _mark(cache) and heir is not None:
            mark = lines[section.header - 1]
            lines[section.header - 1] = mark.replace(_mark(cache), _mark(heir))
    return b"".join(lines)


def without_profiles(text: bytes, cache: str) -> bytes | None:
    """Remove the profiles that were written for a cache; None if they had made the file.

    What others put into such a profile stays, and then so does its first line.
    """
    left: bytes | None = text
    while left is not None:
        lines = split_lines(left)
        ours = [found for found in _sections(lines) if found.mark == _mark(cache)]
        if not ours:
            return left
        left = _without(lines, ours[0])
    return None


def _without(lines: list[bytes], section: _Section) -> bytes | None:
    others = _others(lines, section)
    if any(_SETTING.match(line) for line in others):
        header = lines[section.header]
        return b"".join([*lines[: section.header - 1], header, *others, *lines[section.stop :]])
    kept = [*lines[: section.header + 1], *others, *lines[section.stop :]]
    return cut(kept, section.header - 1, section.header + 1)


def _sections(lines: list[bytes]) -> Iterator[_Section]:
    headers = [number for number, line in enumerate(lines) if _SECTION.match(line)]
    for header, stop in pairwise([*headers, len(lines)]):
        above = lines[header - 1].strip() if header > 0 else b""
        yield _Section(header, stop, above if above.startswith(_MARK) else None)


def _name(lines: list[bytes], section: _Section) -> bytes:
    found = _SECTION.match(lines[section.header])
    return found[1] if found else b""


def _settings(lines: list[bytes], section: _Section) -> dict[bytes, bytes]:
    return {
        setting[1].lower(): setting[2]
        for line in lines[section.header + 1 : section.stop]
        if (setting := _SETTING.match(line))
    }


def _holds(lines: list[bytes], section: _Section, credential: Credential) -> bool:
    found = _settings(lines, section)
    return (
        found.get(_KEY_ID) == credential.access_key_id.encode()
        and found.get(_SECRET) == credential.secret_access_key.encode()
    )


def _others(lines: list[bytes], section: _Section) -> list[bytes]:
    """Return what a profile has besides the key pair."""
    return [
        line
        for line in lines[section.header + 1 : section.stop]
        if not ((setting := _SETTING.match(line)) and setting[1].lower() in {_KEY_ID, _SECRET})
    ]


def _mark(cache: str) -> bytes:
    return f"{_MARK.decode()}{cache}, written by `nix-cache use`:".encode()

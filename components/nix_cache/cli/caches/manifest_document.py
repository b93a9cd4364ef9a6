"""A manifest as JSON from anywhere: strict about its form before any of it is used. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from nix_cache.cli.caches import urls
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.limits import DOCUMENT_BYTES
from nix_cache.formats import signing
from nix_cache.formats.manifest import (
    LARGEST_PART_MIB,
    MANIFEST_VERSION,
    SMALLEST_PART_MIB,
    Manifest,
)

STORE_DIR = re.compile(r"(/[A-Za-z0-9+_-][A-Za-z0-9+._-]*)+")
"""As the component's setting ``storeDir``."""

_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udfff]"
)
"""Control characters, invisible and bidirectional ones, and halves of surrogate pairs."""

_LARGEST_PRIORITY = 2**31 - 1
_LONGEST_EXPIRY_DAYS = 36_500
_SHOWN_CHARACTERS = 100
_FIX = "give the output `manifest` or all outputs of a stack, as `pulumi stack output --json`"


class _DuplicateKeyError(ValueError):
    """An object has a key twice, and readers disagree on which of them counts."""


def decode(text: str, origin: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: what was read.
        origin: where, for messages.

    Raises:
        UsageError: it is too large, not JSON, or not an object.
    """
    if len(text) > DOCUMENT_BYTES:
        raise UsageError(f"{origin} is larger than {DOCUMENT_BYTES:,} bytes", _FIX)
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except _DuplicateKeyError:
        raise UsageError(f"{origin} has a key twice in one JSON object", _FIX) from None
    except (ValueError, RecursionError):
        raise UsageError(f"{origin} is not JSON", _FIX) from None
    if not isinstance(document, dict):
        raise UsageError(f"{origin} holds no JSON object", _FIX)
    return document


def validated(value: object, origin: str) -> Manifest:
    """Read a manifest.

    Args:
        value: the JSON value.
        origin: where it is from, for messages.

    Raises:
        UsageError: it is not a manifest, or has values that no cache has.
        ClientError: it has a newer version.
    """
    _refuse_newer(value, origin)
    require_plain_text(value, origin)
    try:
        found = Manifest.model_validate(value)
    except ValidationError as mistakes:
        raise _invalid(mistakes, origin) from None
    for field, problem in _problems(found):
        raise UsageError(f"{origin} describes no cache: {field} {problem}", _FIX)
    return found


def outputs_named(document: Mapping[str, Any], name: str, origin: str) -> dict[str, Any]:
    """Return an output that is an object; empty where it is missing or masked as ``[secret]``.

    Raises:
        UsageError: it is something else. The message has nothing of it.
    """
    value = document.get(name)
    if value is None or value == "[secret]":
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"the output {name} of {origin} is not an object", _FIX)
    require_plain_text(list(value), origin)
    return value


def require_plain_text(value: object, origin: str) -> None:
    """Refuse texts, keys included, that are not one line of visible characters.

    Raises:
        UsageError: there is one. The message has nothing of it.
    """
    fields = value if isinstance(value, dict) else {"its JSON": value}
    for field, content in fields.items():
        if any(map(_UNSAFE.search, _texts([field, content]))):
            named = "" if _UNSAFE.search(field) else f" in {field[:_SHOWN_CHARACTERS]}"
            raise UsageError(
                f"{origin} has control characters, invisible characters or half a surrogate "
                f"pair{named}",
                "do not use this cache before its owner has explained that",
            )


def invalid_credential(mistakes: ValidationError, user: str, origin: str) -> UsageError:
    """Return the error for a key pair that is none. It has nothing of the value."""
    first = mistakes.errors(include_input=False, include_url=False)[0]
    where = ".".join(["credentials", user, *map(str, first["loc"])])[:_SHOWN_CHARACTERS]
    return UsageError(f"{origin} describes no cache: {where}: {first['msg']}", _FIX)


def _invalid(mistakes: ValidationError, origin: str) -> UsageError:
    first = mistakes.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"]))[:_SHOWN_CHARACTERS] or "its JSON"
    return UsageError(f"{origin} describes no cache: {where}: {first['msg']}", _FIX)


def _problems(found: Manifest) -> Iterator[tuple[str, str]]:
    if not 0 <= found.priority <= _LARGEST_PRIORITY:
        yield "priority", f"is not between 0 and {_LARGEST_PRIORITY}"
    if not 0 <= found.expire_after_days <= _LONGEST_EXPIRY_DAYS:
        yield "expireAfterDays", f"is not between 0 and {_LONGEST_EXPIRY_DAYS}"
    if found.part_size_mib and not SMALLEST_PART_MIB <= found.part_size_mib <= LARGEST_PART_MIB:
        yield "partSizeMib", f"is neither 0 nor between {SMALLEST_PART_MIB} and {LARGEST_PART_MIB}"
    if not STORE_DIR.fullmatch(found.store_dir):
        yield "storeDir", "is not an absolute path such as /nix/store"
    try:
        if urls.parse_http(found.endpoint).path:
            yield "endpoint", "has more than a scheme, a host and a port"
    except urls.UrlError as mistake:
        yield "endpoint", f"is not a valid URL: {mistake}"
    try:
        if found.read_url.startswith("s3://"):
            urls.parse_s3(found.read_url)
        else:
            urls.parse_http(found.read_url)
    except urls.UrlError as mistake:
        yield "readUrl", f"is not a valid URL: {mistake}"
    if found.access_logs and not urls.BUCKET_NAME.fullmatch(found.access_logs.bucket):
        yield "accessLogs", "names a bucket whose name has an invalid format"
    yield from _upstream_problems(found)


def _upstream_problems(found: Manifest) -> Iterator[tuple[str, str]]:
    for url, keys in found.upstreams.items():
        shown = url[:_SHOWN_CHARACTERS]
        try:
            urls.parse_http(url)
        except urls.UrlError as mistake:
            yield "upstreams", f"has {shown}, which is not a valid URL: {mistake}"
        for key in keys:
            try:
                signing.parse_public_key(key)
            except signing.KeyFormatError as mistake:
                yield "upstreams", f"has a malformed key of {shown}: {mistake}"


def _refuse_newer(value: object, origin: str) -> None:
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > MANIFEST_VERSION:
        raise ClientError(
            f"{origin} has version {str(version)[:_SHOWN_CHARACTERS]} of the manifest, and this "
            f"nix-cache reads version {MANIFEST_VERSION}",
            "install a newer nix-cache",
        )


def _texts(value: object) -> Iterator[str]:
    """All keys and texts within a JSON value, however deep."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case dict(fields):
                yield from fields
                waiting.extend(fields.values())
            case list(items):
                waiting.extend(items)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _DuplicateKeyError
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

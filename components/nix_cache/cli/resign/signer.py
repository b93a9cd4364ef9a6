"""With which key a cache is signed again, and which keys its paths may be trusted by."""

import itertools
from collections.abc import Sequence
from datetime import datetime

from nix_cache.cli.caches.target import Target
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.machine.times import past_time
from nix_cache.cli.resign.verdict import TrustTerms
from nix_cache.cli.upload.writer import read_key
from nix_cache.formats import signing
from nix_cache.formats.signing import KeyFormatError, SecretKey, name_of


def find_terms(
    target: Target,
    writer: str | None,
    leaked: Sequence[str],
    before: str | None,
    *,
    is_dropped: bool = False,
) -> TrustTerms:
    """Return with which key to sign, and what is trusted.

    Args:
        target: the cache, with the secrets of its source.
        writer: whose key signs; None for the only one that is here.
        leaked: public keys.
        before: a time in ISO 8601, in UTC if it names no zone.
        is_dropped: whether the user confirms that the cache no longer has a leaked key that
            matches none of its keys.

    Raises:
        UsageError: a key or the time has an invalid format, no writer is known, or a leaked key
            matches none of the cache.
        ClientError: there is no signing key here, or readers do not trust it.
    """
    manifest = target.manifest
    leaked_keys = {_public_key(key): signing.public_material(key) for key in leaked}
    materials = frozenset(leaked_keys.values())
    key = _signing_key(target, writer)
    if key.public_text not in manifest.public_keys:
        raise ClientError(
            f"the key {key.name} is not among the public keys of the cache, so readers would not "
            "trust its signatures",
            "run `pulumi up` on the stack, then name the stack or its outputs",
        )
    if signing.public_material(key.public_text) in materials:
        raise UsageError(
            f"the key {key.name} leaked, so it cannot sign",
            "raise the writer's generation and run `pulumi up` first",
        )
    names = manifest.key_names.values() or map(name_of, manifest.public_keys)
    same = [signing.public_material(one) in materials for one in manifest.public_keys]
    listed = tuple(itertools.compress(manifest.public_keys, same))
    trusted = tuple(one for one in manifest.public_keys if one not in listed)
    if not is_dropped:
        for text, material in leaked_keys.items():
            _require_listed(text, material, manifest.public_keys, trusted, key)
    return TrustTerms(
        key,
        trusted,
        frozenset({key.name, *names}) & {name_of(one) for one in trusted},
        tuple(dict.fromkeys([*listed, *leaked_keys])),
        _time(before, leaked),
    )


def _require_listed(
    leaked: str, material: bytes, listed: Sequence[str], trusted: Sequence[str], key: SecretKey
) -> None:
    """Make sure that a leaked key is among those of the cache, or that no other one can be meant.

    A key with a typo would be overlooked, and the one that is meant would be trusted.

    Raises:
        UsageError: it needs a confirmation.
    """
    same_name = [one for one in listed if name_of(one.strip()) == name_of(leaked)]
    materials = [signing.public_material(one) for one in same_name]
    if same_name and material not in materials:
        raise UsageError(
            f"--leaked {leaked} is not the key {name_of(leaked)} of the cache; nothing was signed",
            f"give that key if it leaked: --leaked {same_name[0]}; if it replaced the leaked key, "
            "add --dropped",
        )
    others = [name_of(one.strip()) for one in trusted if one != key.public_text]
    if others and material not in map(signing.public_material, listed):
        raise UsageError(
            f"--leaked {leaked} matches no key of the cache, which also trusts "
            f"{', '.join(others)}; nothing was signed",
            "correct the key; if the cache no longer has it, and none of the keys that it trusts "
            "leaked, add --dropped",
        )


def _signing_key(target: Target, writer: str | None) -> SecretKey:
    manifest, record, given = target.manifest, target.record, target.source.signing_keys
    if writer is None:
        writer = record.writer if record is not None else None
        if writer is None and len(given) == 1:
            (writer,) = given
    known = ", ".join(sorted({*manifest.key_names, *given})) or "the writers of the stack"
    if writer is None:
        raise UsageError("it is not clear whose key signs", f"name a writer with --as: {known}")
    if writer in given:
        try:
            return signing.parse_secret_key(given[writer])
        except KeyFormatError as mistake:
            raise ClientError(
                f"the signing key of {writer} cannot be read: {mistake}",
                "take the stack's outputs as `pulumi stack output --json --show-secrets` prints "
                "them",
            ) from None
    fix = "name the stack, or a file with its outputs and secrets"
    if record is not None and record.writer == writer and record.signing_key_file is not None:
        return read_key(record.signing_key_file, fix)
    if manifest.key_names and writer not in manifest.key_names:
        raise UsageError(f"the cache has no writer {writer}", f"name one of: {known}")
    raise UsageError(f"the signing key of {writer} is not known here", fix)


def _public_key(text: str) -> str:
    try:
        signing.parse_public_key(text)
    except KeyFormatError as mistake:
        raise UsageError(
            f"the value of --leaked is not a public key: {mistake}",
            "give NAME:BASE64, as an earlier nix.conf or manifest has it",
        ) from None
    return text.strip()


def _time(text: str | None, leaked: Sequence[str]) -> datetime | None:
    if text is None:
        return None
    if not leaked:
        raise UsageError("--before means nothing without a leaked key", "name it with --leaked")
    return past_time("--before", text, "give the last time when the key was secret")

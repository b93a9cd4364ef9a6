"""What a manifest may bring onto this machine. A manifest can come from anyone. Pure.

nix.conf and the credentials file know no quotes, and Nix takes settings from a URL's parameters: a
line end, or ``secret-key=/path`` in a push URL, would do more than name a cache.
"""

import base64
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nix_cache.cli.caches import urls
from nix_cache.cli.caches.urls import S3Url
from nix_cache.cli.errors import ClientError
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nixos_cache import NIXOS_KEY
from nix_cache.redaction import redacted

FIX = "do not use this cache before its owner has explained that"

RESERVED_PROFILES = frozenset({"default", "plugins", "preview"})
"""In any letter case: sections of the AWS tools that mean something else than a cache's user."""

KNOWN_KEYS = {signing.name_of(NIXOS_KEY): NIXOS_KEY.partition(":")[2]}
"""Keys that Nix trusts by itself. Of two keys with one name it takes the first."""

_BOOLEAN = re.compile(r"true|false")
_NUMBER = re.compile(r"-?[0-9]{1,15}")
_WORD = re.compile(r"[a-z0-9]{1,20}")
_ADDRESSING = {"addressing-style": re.compile(r"auto|path|virtual")}
_UPLOAD = {
    "buffer-size": _NUMBER,
    "compression": _WORD,
    "compression-level": _NUMBER,
    "index-debug-info": _BOOLEAN,
    "multipart-chunk-size": _NUMBER,
    "multipart-threshold": _NUMBER,
    "multipart-upload": _BOOLEAN,
    "parallel-compression": _BOOLEAN,
    "write-nar-listing": _BOOLEAN,
}
_PLACE = frozenset({"endpoint", "profile", "region"})
_DEFAULT_REGION = "us-east-1"
"""Nix's own, where a URL names none."""


@dataclass(frozen=True)
class PublicKey:
    """A public key, comparable however its base64 is written."""

    name: str
    material: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read ``NAME:BASE64``.

        Raises:
            signing.KeyFormatError: it is none.
        """
        name = signing.parse_public_key(text)
        return cls(name, base64.b64decode(text.strip().partition(":")[2]))

    def __str__(self) -> str:
        return f"{self.name}:{base64.b64encode(self.material).decode()}"


def require_valid(manifest: Manifest) -> None:
    """Refuse a manifest that would do more than name a cache, its keys and its profiles.

    Raises:
        ClientError: naming the first such thing.
    """
    if not urls.BUCKET_NAME.fullmatch(manifest.bucket):
        raise ClientError(f"the bucket name {manifest.bucket!r} has an invalid format", FIX)
    public_keys(manifest)
    for user, profile in manifest.profiles.items():
        require_profile_name(user, profile)
    require_read_url(manifest)
    for writer in manifest.push_urls:
        require_push_url(manifest, writer)


def public_keys(manifest: Manifest) -> frozenset[PublicKey]:
    """Return the keys of a cache.

    Raises:
        ClientError: one has an invalid format, or two have one name.
    """
    found: dict[str, PublicKey] = {}
    for text in manifest.public_keys:
        try:
            key = PublicKey.parse(text)
        except signing.KeyFormatError as mistake:
            raise ClientError(
                f"a public key of the cache has an invalid format: {mistake}", FIX
            ) from None
        if text != text.strip():
            raise ClientError(f"the public key {key.name} has white space around it", FIX)
        if found.setdefault(key.name, key) != key:
            raise ClientError(f"the cache has two public keys with the name {key.name}", FIX)
        if KNOWN_KEYS.get(key.name, text.partition(":")[2]) != text.partition(":")[2]:
            raise ClientError(
                f"the cache has another public key with the name {key.name}, which is that of "
                "https://cache.nixos.org",
                FIX,
            )
    return frozenset(found.values())


def well_formed_keys(manifest: Manifest) -> Iterator[PublicKey]:
    """Yield the keys of a cache that was agreed to. What Nix would not take is left out."""
    for text in manifest.public_keys:
        with contextlib.suppress(signing.KeyFormatError):
            yield PublicKey.parse(text)


def require_profile_name(user: str, profile: str) -> None:
    """Refuse a credentials profile that is not a cache's own.

    Raises:
        ClientError: its name is reserved or has an invalid format.
    """
    if not signing.KEY_NAME.fullmatch(profile):
        raise ClientError(f"the profile name {profile!r} of {user} has an invalid format", FIX)
    if profile.lower() in RESERVED_PROFILES:
        raise ClientError(
            f"the manifest names the credentials profile {profile!r}, which is reserved", FIX
        )


def require_read_url(manifest: Manifest) -> None:
    """Refuse a read URL that is not of the described cache, or that sets anything besides.

    The published manifest of a private cache names no profiles but that in its read URL.

    Raises:
        ClientError: it is, or does.
    """
    if manifest.public:
        try:
            urls.parse_http(manifest.read_url)
        except urls.UrlError as mistake:
            raise _refused("read", manifest.read_url, str(mistake)) from None
        return
    url = _s3("read", manifest.read_url)
    _require_place("read", manifest.read_url, manifest, url, _ADDRESSING)
    profile = url.parameters.get("profile", "")
    if manifest.profiles and profile not in manifest.profiles.values():
        raise _refused("read", manifest.read_url, "it names no profile of the cache")
    require_profile_name("readers", profile)


def require_push_url(manifest: Manifest, writer: str) -> None:
    """Refuse a push URL that does not go to the described bucket alone.

    Raises:
        ClientError: it goes elsewhere, names another profile, or sets anything besides.
    """
    text = manifest.push_urls[writer]
    url = _s3("push", text)
    _require_place("push", text, manifest, url, {**_ADDRESSING, **_UPLOAD})
    named = url.parameters.get("profile")
    if named is not None:
        require_profile_name(writer, named)
    # Without a profile in the manifest, a push takes out the one in the URL.
    if writer in manifest.profiles and named != manifest.profiles[writer]:
        raise _refused("push", text, f"its profile is not that of the writer {writer}")


def same_place(one: Manifest, other: Manifest) -> bool:
    """Return whether two manifests describe one bucket of one storage."""
    return place(one) == place(other)


def place(manifest: Manifest) -> tuple[str, str, str]:
    """Where a cache's objects are: endpoint, bucket and region, for which requests are signed."""
    return (manifest.endpoint.rstrip("/"), manifest.bucket, manifest.region)


def bucket_url(manifest: Manifest) -> str:
    """Return the bucket's URL on its storage."""
    return f"{manifest.endpoint.rstrip('/')}/{manifest.bucket}"


def with_users_of(manifest: Manifest, known: Manifest) -> Manifest:
    """Return a readers' manifest with the writers and profiles that are known of the same place."""
    return manifest.model_copy(
        update={
            "push_urls": known.push_urls,
            "profiles": known.profiles,
            "key_names": known.key_names,
            "readers": known.readers,
        }
    )


def _s3(kind: str, text: str) -> S3Url:
    try:
        return urls.parse_s3(text)
    except urls.UrlError as mistake:
        raise _refused(kind, text, str(mistake)) from None


def _require_place(
    kind: str,
    text: str,
    manifest: Manifest,
    url: S3Url,
    allowed: Mapping[str, re.Pattern[str]],
) -> None:
    found = url.parameters
    if url.bucket != manifest.bucket:
        raise _refused(kind, text, f"its bucket is not {manifest.bucket}")
    if found.get("endpoint", _amazon(manifest.region)) != manifest.endpoint:
        raise _refused(kind, text, f"its endpoint is not {manifest.endpoint}")
    if found.get("region", _DEFAULT_REGION) != manifest.region:
        raise _refused(kind, text, f"its region is not {manifest.region}")
    for name, value in found.items():
        if name not in _PLACE and not (name in allowed and allowed[name].fullmatch(value)):
            raise _refused(kind, text, f"its parameter {name} is not allowed")


def _amazon(region: str) -> str:
    """AWS's own storage, where a URL names no endpoint."""
    return f"https://s3.{region}.amazonaws.com"


def _refused(kind: str, url: str, problem: str) -> ClientError:
    return ClientError(f"the {kind} URL {redacted(url)!r} of the cache is refused: {problem}", FIX)

"""The settings of the backend ``spaces``. Pure."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from nix_cache.arguments import CacheSettings
from nix_cache.config.problems import Problem
from nix_cache.config.setting import (
    HOST_NAME,
    BackendCheck,
    BackendSettings,
    Endpoint,
    Reference,
    SettingsModel,
    setting,
)


class SpacesCdnSettings(SettingsModel):
    """DigitalOcean's CDN before a Space. ``{}`` is enough to have it."""

    domain_name: Reference | None = setting(
        "A host name that you own. Needs ``certificateName``.",
        must_be="a host name, such as ``cache.example.org``",
        default=None,
        default_text="the CDN's own",
        accepts_outputs=True,
        is_published=True,
        pattern=HOST_NAME,
    )
    certificate_name: Reference | None = setting(
        "A certificate at DigitalOcean for ``domainName``.",
        must_be="the name of a certificate",
        default=None,
        accepts_outputs=True,
        min_length=1,
    )
    ttl_seconds: Literal[60, 600, 3600, 86400, 604800] = setting(
        "Seconds for which the CDN keeps what it fetched.",
        default=3600,
    )


class SpacesSettings(BackendSettings):
    """A bucket on DigitalOcean Spaces. The account comes through the DigitalOcean provider."""

    # The regions that release 4.84 of the provider knows.
    region: Literal[
        "ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1"
    ] = setting("The bucket's region.")
    endpoint: Endpoint | None = setting(
        "The URL that clients use.",
        must_be="a URL of scheme, host and port",
        default=None,
        default_text="DigitalOcean's own",
        accepts_outputs=True,
        is_published=True,
    )
    cdn: SpacesCdnSettings | None = setting(
        "The CDN before the bucket. Needs ``public``.", default=None, default_text="no CDN"
    )

    def _check_readers(self, cache: CacheSettings) -> Iterator[Problem]:
        if cache.public and cache.readers:
            yield Problem(
                "readers",
                f"(a list of {len(cache.readers)})",
                "cannot be combined with public on Spaces, where a bucket has either a policy for "
                "anonymous reads or keys that are limited to it",
                "set public: false, where each reader and writer has a limited key, or no readers, "
                "where reads are anonymous and each writer has a key to all Spaces of the account",
            )

    def _check_cdn(self, cache: CacheSettings) -> Iterator[Problem]:
        if self.cdn is None:
            return
        if not cache.public:
            yield Problem(
                "spaces.cdn",
                "",
                "cannot be used without public: the CDN reads the bucket anonymously",
                "set public: true, or remove it",
            )
        if (self.cdn.domain_name is None) != (self.cdn.certificate_name is None):
            yield Problem(
                "spaces.cdn",
                "",
                "has a domainName or a certificateName, but not both",
                "set both, or neither for a name of DigitalOcean's own",
            )

    checks: ClassVar[tuple[BackendCheck, ...]] = (
        (("readers", "public"), _check_readers),
        (("public",), _check_cdn),
    )

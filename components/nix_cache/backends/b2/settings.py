"""The settings of the backend ``b2``. Pure."""

from collections.abc import Iterator
from typing import ClassVar

from nix_cache.arguments import CacheSettings
from nix_cache.config.problems import Problem
from nix_cache.config.setting import BackendCheck, BackendSettings, Endpoint, setting


class B2Settings(BackendSettings):
    """A bucket on Backblaze B2. The account comes from the stack's configuration."""

    region: str = setting(
        "The account's region, as in its S3 endpoint.",
        must_be="a region of Backblaze, such as ``us-west-004``",
        pattern=r"^[a-z]{2}-[a-z]+-\d{3}$",
    )
    endpoint: Endpoint | None = setting(
        "The URL that clients use.",
        must_be="a URL of scheme, host and port",
        default=None,
        default_text="Backblaze's own",
        accepts_outputs=True,
        is_published=True,
    )

    def _check_bucket(self, cache: CacheSettings) -> Iterator[Problem]:
        if len(cache.bucket) < 6 or cache.bucket.startswith("b2-"):
            yield Problem(
                "bucket",
                repr(cache.bucket),
                "is not a name that B2 accepts",
                "set it to at least 6 letters, digits and hyphens that do not begin with b2-",
            )

    checks: ClassVar[tuple[BackendCheck, ...]] = ((("bucket",), _check_bucket),)

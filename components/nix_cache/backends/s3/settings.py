"""The settings of the backend ``s3``. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator

from nix_cache.arguments import CacheSettings
from nix_cache.config.problems import Problem
from nix_cache.config.setting import (
    NAME_RULE,
    BackendCheck,
    BackendSettings,
    Endpoint,
    Name,
    Reference,
    SettingsModel,
    setting,
)

if TYPE_CHECKING:
    import pulumi

    PublicUrl = pulumi.Input[str]
else:

    def _public_url(url: str) -> str:
        if not _PUBLIC_URL.fullmatch(url):
            raise ValueError("is not an http:// or https:// URL without a query")
        return url.rstrip("/")

    PublicUrl = Annotated[str, AfterValidator(_public_url)]
    """The URL under which readers find the objects of the bucket, without a query."""

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")


class S3AccessKeySettings(SettingsModel):
    """The key pair of a writer, a reader or the janitor, as the service has it already."""

    user: Name = setting("The writer or the reader, or ``janitor``.", must_be=NAME_RULE)
    access_key_id: Reference = setting(
        "The public half of the key pair.",
        must_be="an access key id",
        accepts_outputs=True,
        pattern=r"^[!-~]{1,256}$",
    )
    secret_access_key: Reference = setting(
        "The secret half of the key pair. Secret.",
        must_be="a secret access key",
        accepts_outputs=True,
        is_secret=True,
        pattern=r"^[!-~]{1,256}$",
    )


class S3Settings(BackendSettings):
    """A bucket of a service with an S3 API. Its administrator comes from the configuration."""

    endpoint: Endpoint = setting(
        "The URL of the service, without the bucket.",
        must_be="a URL of scheme, host and port",
        accepts_outputs=True,
        is_published=True,
    )
    region: str = setting(
        "The region that requests are signed for.",
        must_be="the region that the service expects, such as ``us-east-1`` or ``auto``",
        default="us-east-1",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
    )
    addressing_style: Literal["path", "virtual"] = setting(
        "Where URLs of objects have the bucket's name: in the path, or before the host.",
        default="path",
    )
    create_bucket: bool = setting(
        "Whether the stack makes the bucket. Otherwise it uses one that exists, and never deletes "
        "it.",
        default=True,
    )
    public_url: PublicUrl | None = setting(
        "The URL by which the service, or a CDN before it, lets anonymous clients read objects. "
        "Needs ``public``.",
        must_be="a URL of the bucket, such as ``https://cache.example.org``",
        default=None,
        default_text="the bucket at ``endpoint``, which a bucket policy opens",
        accepts_outputs=True,
        is_published=True,
    )
    lifecycle: bool = setting(
        "Whether the stack sets the bucket's lifecycle: unfinished uploads are removed, and "
        "``expireAfterDays`` works. Set it to false where the service has no lifecycle.",
        default=True,
    )
    versioning: bool | None = setting(
        "Whether the bucket keeps replaced and deleted objects for ``noncurrentDays``.",
        default=None,
        default_text="the stack does not set it",
    )
    noncurrent_days: int = setting(
        "Days for which versioning keeps replaced and deleted objects.",
        must_be="a whole number from 1 to 3650",
        default=30,
        ge=1,
        le=3650,
    )
    iam_endpoint: Endpoint | None = setting(
        "The URL of the service's AWS IAM API, by which the stack makes writers and readers.",
        must_be="a URL of scheme, host and port",
        default=None,
        default_text="none: ``accessKeys`` has a key pair for each writer and reader, and for "
        "the janitor",
        accepts_outputs=True,
    )
    access_keys: tuple[S3AccessKeySettings, ...] = setting(
        "The key pairs of writers, readers and the janitor, where there is no ``iamEndpoint``.",
        must_be="a list of objects with ``user``, ``accessKeyId`` and ``secretAccessKey``",
        default=(),
    )

    def _check_public_url(self, cache: CacheSettings) -> Iterator[Problem]:
        if self.public_url is not None and not cache.public:
            yield Problem(
                "s3.publicUrl",
                "",
                "is for a public cache, but public is false",
                "set public to true, or remove it",
            )

    def _check_dots(self, cache: CacheSettings) -> Iterator[Problem]:
        if self.addressing_style == "virtual" and "." in cache.bucket:
            yield Problem(
                "bucket",
                repr(cache.bucket),
                "has dots, which break TLS where s3.addressingStyle is virtual",
                "use hyphens instead of dots, or set s3.addressingStyle to path",
            )

    def _check_lifecycle(self, cache: CacheSettings) -> Iterator[Problem]:
        if self.lifecycle:
            return
        if cache.expire_after_days:
            yield Problem(
                "expireAfterDays",
                str(cache.expire_after_days),
                "needs the lifecycle, but s3.lifecycle is false",
                "set it to 0 and run `nix-cache gc --owner PROFILE --older-than 90`",
            )
        if self.versioning:
            yield Problem(
                "s3.versioning",
                "true",
                "needs the lifecycle, or old versions stay for ever; s3.lifecycle is false",
                "set s3.lifecycle to true, or s3.versioning to false",
            )

    def _check_access_keys(self, cache: CacheSettings) -> Iterator[Problem]:
        given = Counter(pair.user for pair in self.access_keys)
        if self.iam_endpoint is not None:
            if given:
                yield Problem(
                    "s3.accessKeys",
                    "",
                    "is set beside s3.iamEndpoint, by which the stack makes key pairs itself",
                    "remove one of the two",
                )
            return
        for user in cache.privileges:
            if user not in given:
                yield Problem(
                    "s3.accessKeys",
                    "",
                    f"has no key pair of {user}",
                    f"add the user {user} with accessKeyId and secretAccessKey, or set "
                    "s3.iamEndpoint if the service has the AWS IAM API",
                )
        for user, uses in given.items():
            if user not in cache.privileges:
                yield Problem(
                    "s3.accessKeys",
                    repr(user),
                    "is neither a writer nor a reader of the cache, nor its janitor",
                    f"remove it, or correct it to one of {', '.join(cache.privileges)}",
                )
            elif uses > 1:
                yield Problem("s3.accessKeys", repr(user), "is listed twice", "list each user once")

    checks: ClassVar[tuple[BackendCheck, ...]] = (
        (("public",), _check_public_url),
        (("bucket",), _check_dots),
        (("expireAfterDays",), _check_lifecycle),
        (("writers", "readers", "public", "janitor"), _check_access_keys),
    )

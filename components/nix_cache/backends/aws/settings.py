"""The settings of the backend ``aws``. Pure."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from nix_cache.arguments import CacheSettings
from nix_cache.config.problems import Problem, shown_unless_output
from nix_cache.config.setting import (
    HOST_NAME,
    BackendCheck,
    BackendSettings,
    Endpoint,
    OutputOrText,
    Reference,
    SettingsModel,
    item,
    setting,
)

_IAM_NAME_LENGTH = 64
"""The longest name of an IAM user or role."""

_BUCKET_NAME_LENGTH = 63
"""The longest name of a bucket."""


def log_bucket_name(bucket: str) -> str:
    """Return the name of the bucket that takes the access logs of a cache's bucket."""
    return f"{bucket}-logs"


Email = Annotated[str, item("an address, such as ``ops@example.org``")]


class CloudFrontSettings(SettingsModel):
    """CloudFront before a bucket that is itself closed. ``{}`` is enough to have it."""

    domain_name: Reference | None = setting(
        "A host name that you own. Needs ``certificateArn`` or ``hostedZoneId``.",
        must_be="a host name, such as ``cache.example.org``",
        default=None,
        default_text="CloudFront's own",
        accepts_outputs=True,
        is_published=True,
        pattern=HOST_NAME,
    )
    certificate_arn: Reference | None = setting(
        "A certificate for ``domainName`` in us-east-1, where CloudFront looks for it.",
        must_be="the ARN of a certificate in us-east-1",
        default=None,
        default_text="one is made and validated in the zone",
        accepts_outputs=True,
        pattern=r"^arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]+$",
    )
    hosted_zone_id: Reference | None = setting(
        "The Route 53 zone of ``domainName``, for its records.",
        must_be="the id of a Route 53 zone",
        default=None,
        accepts_outputs=True,
        pattern=r"^[A-Z0-9]{1,32}$",
    )
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = setting(
        "The locations that serve the cache.",
        default="PriceClass_100",
    )


class AwsMonitoringSettings(SettingsModel):
    """An alarm and a budget."""

    alarm_topic_arn: Reference | None = setting(
        "The SNS topic of an alarm on requests that fail with 5xx; behind CloudFront, one in "
        "us-east-1.",
        must_be="the ARN of an SNS topic",
        default=None,
        default_text="no alarm",
        accepts_outputs=True,
        pattern=r"^arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$",
    )
    monthly_budget_usd: int | None = setting(
        "US dollars per month for S3 and CloudFront in the whole account. Needs ``budgetEmails``.",
        must_be="a whole number of at least 1",
        default=None,
        default_text="no budget",
        ge=1,
    )
    budget_emails: tuple[Email, ...] = setting(
        "The addresses that the budget warns, at 80 % and when more than 100 % is forecast.",
        must_be="a list of up to 10 addresses",
        default=(),
        max_length=10,
    )


class AwsAccessLogsSettings(SettingsModel):
    """Server access logs of the bucket. ``{}`` is enough to have them."""

    expire_after_days: int = setting(
        "Days after which logs expire.",
        must_be="a whole number from 1 to 3650",
        default=30,
        ge=1,
        le=3650,
    )


class AwsSettings(BackendSettings):
    """A bucket on AWS S3. Its credentials come through the AWS provider."""

    region: str = setting(
        "The bucket's region.",
        must_be="a region of AWS's own partition, such as ``eu-central-1``; in a stack of this "
        "repository, ``pulumi config set aws:region eu-central-1`` sets it",
        pattern=r"^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d$",
    )
    account_id: Reference | None = setting(
        "The account. Credentials of any other account are refused.",
        must_be="the 12 digits of an account",
        default=None,
        default_text="the account of the credentials",
        accepts_outputs=True,
        pattern=r"^\d{12}$",
    )
    endpoint: Endpoint | None = setting(
        "The URL that clients use, such as that of a VPC endpoint.",
        must_be="a URL of scheme, host and port",
        default=None,
        default_text="AWS's own",
        accepts_outputs=True,
        is_published=True,
    )
    kms_key_arn: Reference | None = setting(
        "The KMS key that encrypts the bucket, for a private cache or behind CloudFront.",
        must_be="the ARN of a KMS key",
        default=None,
        default_text="encryption with keys that S3 keeps",
        accepts_outputs=True,
        pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]+$",
    )
    versioning: bool = setting(
        "Whether replaced and deleted objects are kept for ``noncurrentDays``.", default=False
    )
    noncurrent_days: int = setting(
        "Days for which versioning keeps replaced and deleted objects.",
        must_be="a whole number from 1 to 3650",
        default=30,
        ge=1,
        le=3650,
    )
    nar_storage_class: Literal["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING"] = setting(
        "The storage class of NARs above 128 KiB: ``STANDARD_IA`` after 30 days, "
        "``INTELLIGENT_TIERING`` at once.",
        default="STANDARD",
    )
    tags: dict[str, OutputOrText] = setting(
        "Tags for all resources that can carry them.",
        must_be="an object of up to 10 names and values, as many as an S3 object can have",
        default={},
        accepts_outputs=True,
        max_length=10,
    )
    cloudfront: CloudFrontSettings | None = setting(
        "CloudFront before the bucket. Needs ``public``.",
        default=None,
        default_text="no CloudFront",
    )
    github_oidc_provider_arn: Reference | None = setting(
        "The account's identity provider for GitHub, of which an account can have one.",
        must_be="the ARN of the identity provider for GitHub",
        default=None,
        default_text="one is made if a writer needs it",
        accepts_outputs=True,
        pattern=r"^arn:aws:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com$",
    )
    signing_key_store: Literal["", "secrets-manager", "parameter-store"] = setting(
        "The service from which the workflows of OIDC writers fetch their signing keys.",
        default="",
    )
    monitoring: AwsMonitoringSettings | None = setting(
        "An alarm and a budget.", default=None, default_text="neither"
    )
    access_logs: AwsAccessLogsSettings | None = setting(
        "Server access logs of the bucket, for ``nix-cache stats --traffic``. They have the IP "
        "addresses of readers. A private bucket takes them, named as this one with ``-logs`` at "
        "the end.",
        default=None,
        default_text="no logs",
    )

    def _check_cloudfront(self, cache: CacheSettings) -> Iterator[Problem]:
        cdn = self.cloudfront
        if cdn is None:
            if cache.public and self.kms_key_arn is not None:
                yield Problem(
                    "aws.kmsKeyArn",
                    "",
                    "cannot be used with public: anonymous clients cannot decrypt objects",
                    "remove it, put CloudFront before the bucket, or make the cache private",
                )
            return
        if not cache.public:
            yield Problem(
                "aws.cloudfront",
                "",
                "serves anonymous clients, but public is false",
                "set public: true, or remove it",
            )
        is_provable = cdn.certificate_arn is not None or cdn.hosted_zone_id is not None
        if cdn.domain_name is not None and not is_provable:
            yield Problem(
                "aws.cloudfront.domainName",
                shown_unless_output(cdn.domain_name),
                "needs a certificate, or a zone in which one can be validated",
                "set certificateArn, or hostedZoneId, or both",
            )
        if cdn.domain_name is None and is_provable:
            yield Problem(
                "aws.cloudfront.domainName",
                "",
                "is required with certificateArn or hostedZoneId",
                "set it to the host name of the cache",
            )

    def _check_lengths_of_names(self, cache: CacheSettings) -> Iterator[Problem]:
        for name in [*(writer.name for writer in cache.writers), *cache.reader_names]:
            full = f"{cache.bucket}-{name}"
            if len(full) > _IAM_NAME_LENGTH:
                yield Problem(
                    "bucket, writers, readers",
                    repr(full),
                    f"is longer than the {_IAM_NAME_LENGTH} characters of a name in IAM",
                    "use a shorter name for the bucket, or for the writer or reader",
                )

    def _check_log_bucket(self, cache: CacheSettings) -> Iterator[Problem]:
        name = log_bucket_name(cache.bucket)
        if self.access_logs is not None and len(name) > _BUCKET_NAME_LENGTH:
            yield Problem(
                "bucket",
                repr(cache.bucket),
                f"is too long with aws.accessLogs: {name!r}, the bucket of the logs, would have "
                f"more than {_BUCKET_NAME_LENGTH} characters",
                "use a shorter name for the bucket, or remove aws.accessLogs",
            )

    def _check_budget(self, _cache: CacheSettings) -> Iterator[Problem]:
        watched = self.monitoring
        if watched and (watched.monthly_budget_usd is None) != (not watched.budget_emails):
            yield Problem(
                "aws.monitoring",
                "",
                "has only one of monthlyBudgetUsd and budgetEmails",
                "set monthlyBudgetUsd and budgetEmails, or neither",
            )

    checks: ClassVar[tuple[BackendCheck, ...]] = (
        (("public",), _check_cloudfront),
        (("bucket", "writers", "readers", "public"), _check_lengths_of_names),
        (("bucket",), _check_log_bucket),
        ((), _check_budget),
    )

"""What each storage service has to be told: its settings, and what is allowed in them. Pure."""

from typing import Literal

from pydantic import Field

from nix_cache.setting_types import Endpoint, SettingsModel


class MinioSettings(SettingsModel):
    """Where a MinIO server is, as the machines that use the cache see it."""

    endpoint: Endpoint = Field(
        description="a URL of scheme, host and port, such as https://minio.example.org:9000"
    )
    region: str = Field(
        "us-east-1",
        pattern=r"^[a-z0-9-]+$",
        description="the server's region; MinIO's own default is us-east-1",
    )
    user_prefix: str | None = Field(
        None,
        pattern=r"^[a-z0-9-]{0,32}$",
        description="at most 32 lower-case letters, digits and hyphens, put before every user's "
        "name (default: none for the bucket nix-cache, else the bucket's name and a hyphen)",
    )


class CloudFrontSettings(SettingsModel):
    """A content delivery network before a bucket that is itself closed."""

    domain_name: str | None = Field(
        None,
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
        description="a host name of yours, such as cache.example.org (default: CloudFront's own)",
    )
    certificate_arn: str | None = Field(
        None,
        pattern=r"^arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]+$",
        description="the ARN of a certificate for the domainName in us-east-1, where CloudFront "
        "looks for it",
    )
    hosted_zone_id: str | None = Field(
        None,
        pattern=r"^[A-Z0-9]{1,32}$",
        description="the id of the Route 53 zone of the domainName; the certificate, if none is "
        "given, and the records are made there",
    )
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = Field(
        "PriceClass_100", description="one of: PriceClass_100, PriceClass_200, PriceClass_All"
    )


class AwsMonitoringSettings(SettingsModel):
    """What is watched, and who is told."""

    alarm_topic_arn: str | None = Field(
        None,
        pattern=r"^arn:aws:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$",
        description="the ARN of an SNS topic that is told when requests fail with 5xx; for "
        "CloudFront, one in us-east-1",
    )
    monthly_budget_usd: int | None = Field(
        None, ge=1, description="a whole number of US dollars per month"
    )
    budget_emails: tuple[str, ...] = Field(
        (), max_length=10, description="a list of up to 10 addresses that the budget warns"
    )


class AwsSettings(SettingsModel):
    """A bucket on AWS S3, as a company would run it."""

    region: str = Field(
        pattern=r"^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d$",
        description="a region of AWS's own partition, such as eu-central-1; set it with "
        "`pulumi config set aws:region eu-central-1`",
    )
    account_id: str | None = Field(
        None,
        pattern=r"^\d{12}$",
        description="the 12 digits of the account that is meant; any other is refused",
    )
    endpoint: Endpoint | None = Field(
        None,
        description="a URL of scheme, host and port, where clients do not use AWS's own, such as "
        "that of a VPC endpoint",
    )
    kms_key_arn: str | None = Field(
        None,
        pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-f-]+$",
        description="the ARN of a KMS key (default: encryption with keys that S3 keeps)",
    )
    versioning: bool = Field(
        False, description="true or false: whether replaced and deleted objects are kept for a time"
    )
    noncurrent_days: int = Field(
        30, ge=1, le=3650, description="a whole number of days for which versioning keeps them"
    )
    nar_storage_class: Literal["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING"] = Field(
        "STANDARD",
        description="one of: STANDARD, STANDARD_IA, INTELLIGENT_TIERING; for NARs above 128 KiB",
    )
    tags: dict[str, str] = Field(
        {},
        max_length=10,
        description="an object of up to 10 tag names and values, as many as an object can have",
    )
    cloudfront: CloudFrontSettings | None = Field(
        None, description="an object, which may be empty: {} puts CloudFront before the bucket"
    )
    github_oidc_provider_arn: str | None = Field(
        None,
        pattern=r"^arn:aws:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com$",
        description="the ARN of the account's identity provider for GitHub, of which there can be "
        "one (default: it is made)",
    )
    signing_key_store: Literal["", "secrets-manager", "parameter-store"] = Field(
        "",
        description="one of: secrets-manager, parameter-store; where the workflows of keyless "
        "writers find their signing keys (default: nowhere)",
    )
    monitoring: AwsMonitoringSettings | None = Field(
        None, description="an object with alarmTopicArn, monthlyBudgetUsd and budgetEmails"
    )


class SpacesCdnSettings(SettingsModel):
    """DigitalOcean's delivery network before a Space."""

    domain_name: str | None = Field(
        None,
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
        description="a host name of yours, such as cache.example.org (default: the CDN's own)",
    )
    certificate_name: str | None = Field(
        None, min_length=1, description="the name of a certificate at DigitalOcean for domainName"
    )
    ttl_seconds: Literal[60, 600, 3600, 86400, 604800] = Field(
        3600, description="one of: 60, 600, 3600, 86400, 604800"
    )


class SpacesSettings(SettingsModel):
    """A bucket on DigitalOcean Spaces, in one of the regions that the provider 4.84 knows."""

    region: Literal[
        "ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1"
    ] = Field(
        description="one of: ams3, atl1, blr1, fra1, lon1, nyc3, sfo2, sfo3, sgp1, syd1, tor1"
    )
    endpoint: Endpoint | None = Field(
        None, description="a URL of scheme, host and port, where it is not DigitalOcean's own"
    )
    cdn: SpacesCdnSettings | None = Field(
        None, description="an object, which may be empty: {} puts the CDN before the bucket"
    )


class B2Settings(SettingsModel):
    """A bucket on Backblaze B2."""

    region: str = Field(
        pattern=r"^[a-z]{2}-[a-z]+-\d{3}$",
        description="the account's region, as in its S3 endpoint, such as us-west-004",
    )
    endpoint: Endpoint | None = Field(
        None, description="a URL of scheme, host and port, where it is not Backblaze's own"
    )

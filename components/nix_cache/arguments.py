"""The component's arguments, as Python programs write them and other languages see them.

The component analyzer reads these classes at run time and knows neither unions nor deferred
annotations, so this module must not import annotations from __future__.
"""

from typing import NotRequired, TypedDict

import pulumi


class WriterArgs(TypedDict):
    """Somebody who pushes."""

    name: str
    """Their name: 3 to 32 lower-case letters, digits and inner hyphens."""
    generation: NotRequired[int]
    """The generation of their signing key. Raise it to rotate the key. Default: 1."""
    trusted_generations: NotRequired[list[int]]
    """Earlier generations whose signatures stay trusted. Default: all."""
    signing_key: NotRequired[pulumi.Input[str]]
    """An existing secret key for the current generation, ``NAME:BASE64``; it keeps its name."""
    github_repository: NotRequired[str]
    """``OWNER/NAME`` of a repository whose workflows push without a stored key. On AWS."""
    github_branch: NotRequired[str]
    """The one branch of it whose workflows may push. Either a branch or an environment."""
    github_environment: NotRequired[str]
    """The one environment of it whose jobs may push."""


class MinioArgs(TypedDict):
    """Where a MinIO server is. Its administrator comes through the MinIO provider."""

    endpoint: str
    """The URL under which clients reach it, such as ``https://minio.example.org:9000``."""
    region: NotRequired[str]
    """The server's region. Default: ``us-east-1``."""
    user_prefix: NotRequired[str]
    """Put before every user's name, as users belong to the whole server. Default: nothing for the
    bucket ``nix-cache``, else the bucket's name and a hyphen."""


class CloudFrontArgs(TypedDict):
    """CloudFront before a bucket that is itself closed."""

    domain_name: NotRequired[str]
    """A host name of yours. Default: CloudFront's own."""
    certificate_arn: NotRequired[str]
    """A certificate for it in us-east-1. Default: one is made, proved in the zone."""
    hosted_zone_id: NotRequired[str]
    """The Route 53 zone in which its records are made."""
    price_class: NotRequired[str]
    """Where it is served from: ``PriceClass_100`` (the default), ``_200`` or ``_All``."""


class AwsMonitoringArgs(TypedDict):
    """What is watched, and who is told."""

    alarm_topic_arn: NotRequired[str]
    """An SNS topic that is told when requests fail with 5xx. Behind CloudFront, in us-east-1."""
    monthly_budget_usd: NotRequired[int]
    """US dollars per month for S3 and CloudFront in the whole account."""
    budget_emails: NotRequired[list[str]]
    """Whom the budget warns, at 80 % and when more than all of it is forecast."""


class AwsArgs(TypedDict):
    """A bucket on AWS S3. The credentials that make it come through the AWS provider."""

    region: str
    """Where the bucket is, such as ``eu-central-1``."""
    account_id: NotRequired[str]
    """The account that is meant; any other is refused. Default: whichever the credentials have."""
    endpoint: NotRequired[str]
    """The URL that clients use instead of AWS's own, such as a VPC endpoint's."""
    kms_key_arn: NotRequired[str]
    """A KMS key. Default: encryption with keys that S3 keeps."""
    versioning: NotRequired[bool]
    """Whether replaced and deleted objects are kept for a time. Default: false."""
    noncurrent_days: NotRequired[int]
    """For how many days versioning keeps them. Default: 30."""
    nar_storage_class: NotRequired[str]
    """For NARs above 128 KiB: ``STANDARD`` (the default), ``STANDARD_IA`` after 30 days, or
    ``INTELLIGENT_TIERING`` at once."""
    tags: NotRequired[dict[str, str]]
    """For all that can carry them."""
    cloudfront: NotRequired[CloudFrontArgs]
    """CloudFront before the bucket. Needs ``public``."""
    github_oidc_provider_arn: NotRequired[str]
    """The account's identity provider for GitHub. Default: it is made."""
    signing_key_store: NotRequired[str]
    """Where the workflows of keyless writers find their signing keys: ``secrets-manager`` or
    ``parameter-store``. Default: nowhere."""
    monitoring: NotRequired[AwsMonitoringArgs]
    """An alarm and a budget. Default: neither."""


class SpacesCdnArgs(TypedDict):
    """DigitalOcean's delivery network before a Space."""

    domain_name: NotRequired[str]
    """A host name of yours. Default: the network's own."""
    certificate_name: NotRequired[str]
    """A certificate at DigitalOcean for it."""
    ttl_seconds: NotRequired[int]
    """How long it keeps what it fetched. Default: 3600."""


class SpacesArgs(TypedDict):
    """A bucket on DigitalOcean Spaces. The account comes through the DigitalOcean provider."""

    region: str
    """Where the bucket is, such as ``fra1``."""
    endpoint: NotRequired[str]
    """The URL that clients use instead of DigitalOcean's own."""
    cdn: NotRequired[SpacesCdnArgs]
    """The delivery network before the bucket. Default: none."""


class B2Args(TypedDict):
    """A bucket on Backblaze B2. The account comes from the stack's configuration."""

    region: str
    """The account's region, as in its S3 endpoint, such as ``us-west-004``."""
    endpoint: NotRequired[str]
    """The URL that clients use instead of Backblaze's own."""


class BinaryCacheArgs(TypedDict):
    """A binary cache."""

    domain: str
    """A name that is yours; keys are called ``<domain>-<writer>-<generation>``."""
    backend: NotRequired[str]
    """The storage service: ``minio`` (the default), ``aws``, ``spaces`` or ``b2``."""
    bucket: NotRequired[str]
    """The bucket's name. Default: ``nix-cache``."""
    public: NotRequired[bool]
    """Whether anybody may read objects by name. Nobody may list them. Default: false."""
    writers: NotRequired[list[WriterArgs]]
    """Who pushes. Default: ``nixbuilder``."""
    readers: NotRequired[list[str]]
    """Who reads a private cache. Default: ``nixreader`` if the cache is private, else nobody."""
    retired_public_keys: NotRequired[list[str]]
    """Public keys of former writers that stay trusted, ``NAME:BASE64``."""
    priority: NotRequired[int]
    """Clients ask caches of a smaller number first; cache.nixos.org has 40. Default: 40."""
    want_mass_query: NotRequired[bool]
    """Whether clients may ask for many paths at once. Default: true."""
    store_dir: NotRequired[str]
    """The store of the machines that use the cache. Default: ``/nix/store``."""
    expire_after_days: NotRequired[int]
    """Days after which entries go; NARs go 30 days later. Default: 0, nothing expires."""
    landing_page: NotRequired[bool]
    """Whether the bucket has a page for people, ``index.html``. Default: what public is."""
    descriptor: NotRequired[bool]
    """Whether the bucket has a description for clients, ``nix-cache.json``. Default: what public
    is."""
    protect: NotRequired[bool]
    """Whether the bucket and the keys refuse to be deleted. Default: true."""
    adopt: NotRequired[bool]
    """Whether what exists under the cache's names is taken over. Default: false, it is refused."""
    minio: NotRequired[MinioArgs]
    """Settings of the backend ``minio``."""
    aws: NotRequired[AwsArgs]
    """Settings of the backend ``aws``."""
    spaces: NotRequired[SpacesArgs]
    """Settings of the backend ``spaces``."""
    b2: NotRequired[B2Args]
    """Settings of the backend ``b2``."""

"""The arguments as Python types. Written by `make schema` from `arguments.py`; do not edit."""

from enum import IntEnum, StrEnum
from typing import NotRequired, TypedDict

import pulumi

__all__ = [
    "AwsAccessLogsArgs",
    "AwsArgs",
    "AwsMonitoringArgs",
    "AwsNarStorageClass",
    "AwsSigningKeyStore",
    "B2Args",
    "Backend",
    "BinaryCacheArgs",
    "CloudFrontArgs",
    "CloudFrontPriceClass",
    "MinioArgs",
    "S3AccessKeyArgs",
    "S3AddressingStyle",
    "S3Args",
    "SpacesArgs",
    "SpacesCdnArgs",
    "SpacesCdnTtlSeconds",
    "SpacesRegion",
    "WriterArgs",
]


class Backend(StrEnum):
    """The storage service."""

    MINIO = "minio"
    AWS = "aws"
    SPACES = "spaces"
    B2 = "b2"
    S3 = "s3"


class AwsNarStorageClass(StrEnum):
    """The storage class of NARs above 128 KiB."""

    STANDARD = "STANDARD"
    STANDARD_IA = "STANDARD_IA"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"


class AwsSigningKeyStore(StrEnum):
    """The service from which the workflows of OIDC writers fetch their signing keys."""

    SECRETS_MANAGER = "secrets-manager"
    PARAMETER_STORE = "parameter-store"


class SpacesRegion(StrEnum):
    """The bucket's region."""

    AMS3 = "ams3"
    ATL1 = "atl1"
    BLR1 = "blr1"
    FRA1 = "fra1"
    LON1 = "lon1"
    NYC3 = "nyc3"
    SFO2 = "sfo2"
    SFO3 = "sfo3"
    SGP1 = "sgp1"
    SYD1 = "syd1"
    TOR1 = "tor1"


class S3AddressingStyle(StrEnum):
    """Where URLs of objects have the bucket's name."""

    PATH = "path"
    VIRTUAL = "virtual"


class CloudFrontPriceClass(StrEnum):
    """The locations that serve the cache."""

    PRICE_CLASS_100 = "PriceClass_100"
    PRICE_CLASS_200 = "PriceClass_200"
    PRICE_CLASS_ALL = "PriceClass_All"


class SpacesCdnTtlSeconds(IntEnum):
    """Seconds for which the CDN keeps what it fetched."""

    SECONDS_60 = 60
    SECONDS_600 = 600
    SECONDS_3600 = 3600
    SECONDS_86400 = 86400
    SECONDS_604800 = 604800


class S3AccessKeyArgs(TypedDict):
    """The key pair of a writer, a reader or the janitor, as the service has it already."""

    user: str
    """The writer or the reader, or ``janitor``. Required. Must be 3 to 32 lower-case letters,
    digits and inner hyphens."""
    access_key_id: pulumi.Input[str]
    """The public half of the key pair. Required. Must be an access key id."""
    secret_access_key: pulumi.Input[str]
    """The secret half of the key pair. Secret. Required. Must be a secret access key."""


class SpacesCdnArgs(TypedDict):
    """DigitalOcean's CDN before a Space.

    ``{}`` is enough to have it.
    """

    domain_name: NotRequired[pulumi.Input[str]]
    """A host name that you own. Needs ``certificate_name``. Default: the CDN's own. Must be a host
    name, such as ``cache.example.org``."""
    certificate_name: NotRequired[pulumi.Input[str]]
    """A certificate at DigitalOcean for ``domain_name``. Default: none. Must be the name of a
    certificate."""
    ttl_seconds: NotRequired[SpacesCdnTtlSeconds | int]
    """Seconds for which the CDN keeps what it fetched. Default: ``3600``. Must be one of ``60``,
    ``600``, ``3600``, ``86400``, ``604800``."""


class AwsAccessLogsArgs(TypedDict):
    """Server access logs of the bucket.

    ``{}`` is enough to have them.
    """

    expire_after_days: NotRequired[int]
    """Days after which logs expire. Default: ``30``. Must be a whole number from 1 to 3650."""


class AwsMonitoringArgs(TypedDict):
    """An alarm and a budget."""

    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """The SNS topic of an alarm on requests that fail with 5xx; behind CloudFront, one in
    us-east-1. Default: no alarm. Must be the ARN of an SNS topic."""
    monthly_budget_usd: NotRequired[int]
    """US dollars per month for S3 and CloudFront in the whole account. Needs ``budget_emails``.
    Default: no budget. Must be a whole number of at least 1."""
    budget_emails: NotRequired[list[str]]
    """The addresses that the budget warns, at 80 % and when more than 100 % is forecast. Default:
    none. Must be a list of up to 10 addresses."""


class CloudFrontArgs(TypedDict):
    """CloudFront before a bucket that is itself closed.

    ``{}`` is enough to have it.
    """

    domain_name: NotRequired[pulumi.Input[str]]
    """A host name that you own. Needs ``certificate_arn`` or ``hosted_zone_id``. Default:
    CloudFront's own. Must be a host name, such as ``cache.example.org``."""
    certificate_arn: NotRequired[pulumi.Input[str]]
    """A certificate for ``domain_name`` in us-east-1, where CloudFront looks for it. Default: one
    is made and validated in the zone. Must be the ARN of a certificate in us-east-1."""
    hosted_zone_id: NotRequired[pulumi.Input[str]]
    """The Route 53 zone of ``domain_name``, for its records. Default: none. Must be the id of a
    Route 53 zone."""
    price_class: NotRequired[CloudFrontPriceClass | str]
    """The locations that serve the cache. Default: ``PriceClass_100``. Must be one of
    ``PriceClass_100``, ``PriceClass_200``, ``PriceClass_All``."""


class S3Args(TypedDict):
    """A bucket of a service with an S3 API.

    Its administrator comes from the configuration.
    """

    endpoint: pulumi.Input[str]
    """The URL of the service, without the bucket. Required. Must be a URL of scheme, host and
    port."""
    region: NotRequired[str]
    """The region that requests are signed for. Default: ``us-east-1``. Must be the region that the
    service expects, such as ``us-east-1`` or ``auto``."""
    addressing_style: NotRequired[S3AddressingStyle | str]
    """Where URLs of objects have the bucket's name: in the path, or before the host. Default:
    ``path``. Must be one of ``path``, ``virtual``."""
    create_bucket: NotRequired[bool]
    """Whether the stack makes the bucket. Otherwise it uses one that exists, and never deletes it.
    Default: ``true``."""
    public_url: NotRequired[pulumi.Input[str]]
    """The URL by which the service, or a CDN before it, lets anonymous clients read objects. Needs
    ``public``. Default: the bucket at ``endpoint``, which a bucket policy opens. Must be a URL of
    the bucket, such as ``https://cache.example.org``."""
    lifecycle: NotRequired[bool]
    """Whether the stack sets the bucket's lifecycle: unfinished uploads are removed, and
    ``expire_after_days`` works. Set it to false where the service has no lifecycle. Default:
    ``true``."""
    versioning: NotRequired[bool]
    """Whether the bucket keeps replaced and deleted objects for ``noncurrent_days``. Default: the
    stack does not set it."""
    noncurrent_days: NotRequired[int]
    """Days for which versioning keeps replaced and deleted objects. Default: ``30``. Must be a
    whole number from 1 to 3650."""
    iam_endpoint: NotRequired[pulumi.Input[str]]
    """The URL of the service's AWS IAM API, by which the stack makes writers and readers. Default:
    none: ``access_keys`` has a key pair for each writer and reader, and for the janitor. Must be a
    URL of scheme, host and port."""
    access_keys: NotRequired[list[S3AccessKeyArgs]]
    """The key pairs of writers, readers and the janitor, where there is no ``iam_endpoint``.
    Default: none. Must be a list of objects with ``user``, ``access_key_id`` and
    ``secret_access_key``."""


class B2Args(TypedDict):
    """A bucket on Backblaze B2.

    The account comes from the stack's configuration.
    """

    region: str
    """The account's region, as in its S3 endpoint. Required. Must be a region of Backblaze, such as
    ``us-west-004``."""
    endpoint: NotRequired[pulumi.Input[str]]
    """The URL that clients use. Default: Backblaze's own. Must be a URL of scheme, host and
    port."""


class SpacesArgs(TypedDict):
    """A bucket on DigitalOcean Spaces.

    The account comes through the DigitalOcean provider.
    """

    region: SpacesRegion | str
    """The bucket's region. Required. Must be one of ``ams3``, ``atl1``, ``blr1``, ``fra1``,
    ``lon1``, ``nyc3``, ``sfo2``, ``sfo3``, ``sgp1``, ``syd1``, ``tor1``."""
    endpoint: NotRequired[pulumi.Input[str]]
    """The URL that clients use. Default: DigitalOcean's own. Must be a URL of scheme, host and
    port."""
    cdn: NotRequired[SpacesCdnArgs]
    """The CDN before the bucket. Needs ``public``. Default: no CDN."""


class AwsArgs(TypedDict):
    """A bucket on AWS S3.

    Its credentials come through the AWS provider.
    """

    region: str
    """The bucket's region. Required. Must be a region of AWS's own partition, such as
    ``eu-central-1``; in a stack of this repository, ``pulumi config set aws:region eu-central-1``
    sets it."""
    account_id: NotRequired[pulumi.Input[str]]
    """The account. Credentials of any other account are refused. Default: the account of the
    credentials. Must be the 12 digits of an account."""
    endpoint: NotRequired[pulumi.Input[str]]
    """The URL that clients use, such as that of a VPC endpoint. Default: AWS's own. Must be a URL
    of scheme, host and port."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The KMS key that encrypts the bucket, for a private cache or behind CloudFront. Default:
    encryption with keys that S3 keeps. Must be the ARN of a KMS key."""
    versioning: NotRequired[bool]
    """Whether replaced and deleted objects are kept for ``noncurrent_days``. Default: ``false``."""
    noncurrent_days: NotRequired[int]
    """Days for which versioning keeps replaced and deleted objects. Default: ``30``. Must be a
    whole number from 1 to 3650."""
    nar_storage_class: NotRequired[AwsNarStorageClass | str]
    """The storage class of NARs above 128 KiB: ``STANDARD_IA`` after 30 days,
    ``INTELLIGENT_TIERING`` at once. Default: ``STANDARD``. Must be one of ``STANDARD``,
    ``STANDARD_IA``, ``INTELLIGENT_TIERING``."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags for all resources that can carry them. Default: none. Must be an object of up to 10
    names and values, as many as an S3 object can have."""
    cloudfront: NotRequired[CloudFrontArgs]
    """CloudFront before the bucket. Needs ``public``. Default: no CloudFront."""
    github_oidc_provider_arn: NotRequired[pulumi.Input[str]]
    """The account's identity provider for GitHub, of which an account can have one. Default: one is
    made if a writer needs it. Must be the ARN of the identity provider for GitHub."""
    signing_key_store: NotRequired[AwsSigningKeyStore | str]
    """The service from which the workflows of OIDC writers fetch their signing keys. Default: none.
    Must be one of ``secrets-manager``, ``parameter-store``."""
    monitoring: NotRequired[AwsMonitoringArgs]
    """An alarm and a budget. Default: neither."""
    access_logs: NotRequired[AwsAccessLogsArgs]
    """Server access logs of the bucket, for ``nix-cache stats --traffic``. They have the IP
    addresses of readers. A private bucket takes them, named as this one with ``-logs`` at the end.
    Default: no logs."""


class MinioArgs(TypedDict):
    """A MinIO server.

    Its administrator comes through the MinIO provider.
    """

    endpoint: pulumi.Input[str]
    """The URL under which clients reach the server. Required. Must be a URL of scheme, host and
    port, such as ``https://minio.example.org:9000``."""
    region: NotRequired[str]
    """The server's region. Default: ``us-east-1``. Must be lower-case letters, digits and
    hyphens."""
    user_prefix: NotRequired[str]
    """The first part of every user's name, as users belong to the whole server. Default: nothing
    for the bucket ``nix-cache``, else the bucket's name and a hyphen. Must be at most 32 lower-case
    letters, digits and hyphens."""


class WriterArgs(TypedDict):
    """A writer.

    Each has its own credential and its own signing key. One with a ``githubRepository`` has no
    stored credential: its workflows prove who they are.
    """

    name: str
    """The writer's name. Required. Must be 3 to 32 lower-case letters, digits and inner hyphens."""
    generation: NotRequired[int]
    """The generation of the writer's signing key. Raise it to rotate the key. Default: ``1``. Must
    be a whole number from 1 to 9999."""
    trusted_generations: NotRequired[list[int]]
    """Earlier generations whose signatures stay trusted. Default: all. Must be a list of earlier
    generations."""
    signing_key: NotRequired[pulumi.Input[str]]
    """An imported key for the current generation; it keeps its name. Secret. Default: a new key is
    generated. Must be a secret key, ``NAME:BASE64``, as ``nix key generate-secret`` prints it."""
    github_repository: NotRequired[pulumi.Input[str]]
    """A repository whose workflows push without a stored credential. Needs a backend that accepts
    GitHub's OIDC tokens, such as ``aws``. Default: none. Must be ``OWNER/NAME`` of one
    repository."""
    github_branch: NotRequired[pulumi.Input[str]]
    """The one branch of ``github_repository`` whose workflows may push. Set either
    ``github_branch`` or ``github_environment``. Default: none. Must be the name of one branch, such
    as ``main``, without wildcards."""
    github_environment: NotRequired[pulumi.Input[str]]
    """The one environment of ``github_repository`` whose jobs may push. Default: none. Must be the
    name of one environment, such as ``production``, without wildcards."""


class BinaryCacheArgs(TypedDict):
    """A binary cache."""

    domain: str
    """The first part of the names of all keys: ``<domain>-<writer>-<generation>``. Required. Must
    be a name that you own, such as ``cache.example.org``."""
    backend: NotRequired[Backend | str]
    """The storage service. Default: ``minio``. Must be one of ``minio``, ``aws``, ``spaces``,
    ``b2``, ``s3``."""
    bucket: NotRequired[str]
    """The bucket's name. Policies and users are named after it. Default: ``nix-cache``. Must be 3
    to 63 lower-case letters, digits and inner hyphens; on MinIO and S3-compatible services also
    single dots between letters and digits."""
    public: NotRequired[bool]
    """Whether anonymous clients can read objects by name. Listing stays denied. Default:
    ``false``."""
    writers: NotRequired[list[WriterArgs]]
    """The writers. Each has its own credential and its own signing key. Default: one writer,
    ``nixbuilder``. Must be a list of objects with ``name`` and, where wanted, ``generation``,
    ``trusted_generations`` or ``signing_key``; in YAML also of names."""
    readers: NotRequired[list[str]]
    """The readers of a private cache, each with its own credential. Default: one reader,
    ``nixreader``, if the cache is private. Must be a list of names of 3 to 32 lower-case letters,
    digits and inner hyphens."""
    janitor: NotRequired[bool]
    """Whether the cache has a janitor: a credential that lists and deletes its contents, for
    ``nix-cache gc``. Its name is ``janitor`` in outputs, and ``gc_janitor`` on the storage.
    Default: ``false``."""
    retired_public_keys: NotRequired[list[str]]
    """Public keys of former writers that stay trusted. Default: none. Must be a list of public
    keys, ``NAME:BASE64``."""
    upstreams: NotRequired[dict[str, list[str]]]
    """Upstream caches that the machines use too, each with its public keys. ``nix-cache push``
    leaves paths to them that they signed. ``{}`` means that everything is pushed. Default:
    cache.nixos.org with its key; none if ``store_dir`` is not ``/nix/store``. Must be an object of
    lists of public keys, by the URL of the cache."""
    priority: NotRequired[int]
    """Clients ask caches with a smaller number first; cache.nixos.org has 40. Default: ``40``. Must
    be a whole number from 0 to 1000."""
    part_size_mib: NotRequired[int]
    """Writers upload larger files in parts of this size, in MiB. Set it if a proxy in front of the
    storage limits the size of requests. 0 lets the client choose: 16 MiB, or more for a file above
    156 GiB. Default: ``0``. Must be a whole number from 5 to 5120, or 0."""
    want_mass_query: NotRequired[bool]
    """Whether clients may ask for many paths at once. Default: ``true``."""
    store_dir: NotRequired[str]
    """The store directory of the machines that use the cache. Default: ``/nix/store``. Must be an
    absolute path, such as ``/nix/store``."""
    expire_after_days: NotRequired[int]
    """Days after which the storage expires narinfos; NARs expire 30 days later. 0 keeps everything.
    Default: ``0``. Must be a whole number of days up to 3650, or 0 to keep everything."""
    landing_page: NotRequired[bool]
    """Whether the bucket has a page for people, ``index.html``. Default: the value of
    ``public``."""
    manifest: NotRequired[bool]
    """Whether the bucket has the manifest, ``nix-cache.json``, which ``nix-cache use URL`` reads.
    Default: the value of ``public``."""
    descriptor: NotRequired[bool]
    """Deprecated: use ``manifest``, which means the same."""
    protect: NotRequired[bool]
    """Whether Pulumi refuses to delete the bucket and the signing keys. Default: ``true``."""
    adopt: NotRequired[bool]
    """Whether the cache adopts a bucket, users and policies that exist under its names. Otherwise
    existing ones are an error. Default: ``false``."""
    minio: NotRequired[MinioArgs]
    """Settings of the backend ``minio``."""
    aws: NotRequired[AwsArgs]
    """Settings of the backend ``aws``."""
    spaces: NotRequired[SpacesArgs]
    """Settings of the backend ``spaces``."""
    b2: NotRequired[B2Args]
    """Settings of the backend ``b2``."""
    s3: NotRequired[S3Args]
    """Settings of the backend ``s3``."""

"""Policy documents: what each privilege may do on the bucket. Pure functions, one per privilege.

The key patterns are those that Nix itself writes. None of them matches the cache's
metadata, such as ``nix-cache-info``, so neither a writer nor the janitor can replace or remove
that. Only the janitor lists and deletes.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from nix_cache.formats.own_objects import COLLECTION_PREFIX, PINS_PREFIX, ROOTS_PREFIX

PolicyDocument = dict[str, Any]

_HASH = "?" * 32
"""A store path's hash: 32 characters. ``?`` stands for exactly one."""

WRITABLE_KEYS = (
    f"{_HASH}.narinfo",
    f"{_HASH}.ls",
    "nar/*",
    "log/*",
    "debuginfo/*",
    "realisations/*",
    "build-trace-v2/*",
)
"""The keys that ``nix copy`` writes, as patterns of IAM."""

ROOT_RECORD_KEYS = f"{ROOTS_PREFIX}*"
"""The keys of root records, as a pattern of IAM. A record is small and is put in one piece."""

PIN_KEYS = f"{PINS_PREFIX}*"
"""The keys of pins, likewise. Revisions have keys that cannot be guessed."""


COLLECTION_KEYS = f"{COLLECTION_PREFIX}*"
"""The keys that a collection writes, as a pattern of IAM."""

DELETABLE_KEYS = (*WRITABLE_KEYS, ROOT_RECORD_KEYS, PIN_KEYS, COLLECTION_KEYS)
"""The contents of a cache, as patterns of IAM: everything but its metadata."""

JANITOR = "janitor"
"""The janitor in outputs and in the manifest. No writer or reader of a cache with one has it."""

JANITOR_IDENTITY = "gc_janitor"
"""The janitor in the names of resources, and of users and keys on the storage.

Names of writers and readers have no underscore. So a writer called ``janitor`` that makes room for
the janitor in one deployment never hands its user and key pair over to it.
"""


class Privilege(StrEnum):
    """What a credential is for. The value ends the name of its policy."""

    WRITE = "write"
    READ = "read"
    JANITOR = "janitor"


def policy_for(privilege: Privilege, bucket: str, *, versioned: bool = False) -> PolicyDocument:
    """Return the policy to attach to a user who holds the privilege.

    Args:
        privilege: what the user is for.
        bucket: the cache's bucket.
        versioned: whether the bucket keeps earlier versions of objects.
    """
    match privilege:
        case Privilege.WRITE:
            return writer_policy(bucket)
        case Privilege.READ:
            return reader_policy(bucket)
        case Privilege.JANITOR:
            return janitor_policy(bucket, versioned=versioned)


def writer_policy(bucket: str) -> PolicyDocument:
    """Read every object; put root records and pins; put, and abort uploads of, what Nix writes."""
    return _document(
        _read_objects(bucket),
        {
            "Sid": "WriteWhatNixWrites",
            "Effect": "Allow",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            "Resource": [_object_arn(bucket, pattern) for pattern in WRITABLE_KEYS],
        },
        {
            "Sid": "WriteRootRecords",
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": [_object_arn(bucket, keys) for keys in (ROOT_RECORD_KEYS, PIN_KEYS)],
        },
    )


def reader_policy(bucket: str) -> PolicyDocument:
    """Read every object, and nothing else."""
    return _document(_read_objects(bucket))


def janitor_policy(bucket: str, *, versioned: bool) -> PolicyDocument:
    """List and read everything; delete contents; put what a collection writes.

    Args:
        bucket: the cache's bucket.
        versioned: whether the bucket keeps earlier versions, which the janitor then reads, lists
            and deletes too: to restore what a collection deleted, or to remove it for good.
    """

    def also(action: str) -> list[str]:
        return [action] if versioned else []

    return _document(
        {
            "Sid": "ListBucket",
            "Effect": "Allow",
            "Action": ["s3:GetBucketVersioning", "s3:ListBucket", *also("s3:ListBucketVersions")],
            "Resource": [f"arn:aws:s3:::{bucket}"],
        },
        {
            **_read_objects(bucket),
            "Action": ["s3:GetObject", *also("s3:GetObjectVersion")],
        },
        {
            "Sid": "DeleteContents",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", *also("s3:DeleteObjectVersion")],
            "Resource": [_object_arn(bucket, pattern) for pattern in DELETABLE_KEYS],
        },
        {
            "Sid": "WriteCollectionRecords",
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": [_object_arn(bucket, COLLECTION_KEYS)],
        },
    )


def without_administration(document: PolicyDocument) -> PolicyDocument:
    """Return the policy for MinIO, where every user may administer themselves unless denied.

    Without the denial, one holder of a team's credential could change its secret, which locks all
    others out unnoticed by the provider, and could create further credentials.
    """
    denial = {"Sid": "AdministerNothing", "Effect": "Deny", "Action": ["admin:*"]}
    return _document(*document["Statement"], denial)


def without_actions(document: PolicyDocument, actions: Collection[str]) -> PolicyDocument:
    """Return the policy without some actions, for services that do not accept these."""
    return _document(
        *(
            {**statement, "Action": [one for one in statement["Action"] if one not in actions]}
            for statement in document["Statement"]
        )
    )


def anonymous_read_policy(bucket: str) -> PolicyDocument:
    """Return a bucket policy with which anonymous requests can get objects by name, not list."""
    statement = _read_objects(bucket)
    return _document({**statement, "Sid": "AnybodyReadsObjects", "Principal": {"AWS": ["*"]}})


def cloudfront_read_policy(bucket: str, distribution_arn: str) -> PolicyDocument:
    """Return a bucket policy with which one CloudFront distribution can get objects, not list."""
    return _document(
        {
            **_read_objects(bucket),
            "Sid": "CloudFrontReadsObjects",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Condition": {"StringEquals": {"AWS:SourceArn": distribution_arn}},
        }
    )


def log_delivery_policy(
    log_bucket: str, prefix: str, bucket: str, account_id: str
) -> PolicyDocument:
    """Return a bucket policy with which S3 can deliver the access logs of one bucket, and only it.

    Args:
        log_bucket: the bucket that takes the logs.
        prefix: what the keys of the logs begin with.
        bucket: the bucket whose requests are logged.
        account_id: the account of both.
    """
    return _document(
        {
            "Sid": "S3DeliversAccessLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": ["s3:PutObject"],
            "Resource": _object_arn(log_bucket, f"{prefix}*"),
            "Condition": {
                "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
                "StringEquals": {"aws:SourceAccount": account_id},
            },
        }
    )


def tls_only_policy(bucket: str) -> PolicyDocument:
    """Return a bucket policy that also denies requests without TLS."""
    return _document(
        {
            "Sid": "OnlyOverTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{bucket}", _object_arn(bucket, "*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


def kms_policy(privilege: Privilege, key_arn: str, region: str) -> PolicyDocument:
    """Return the additional rights for a bucket whose objects a KMS key encrypts."""
    to_write = [] if privilege is Privilege.READ else ["kms:GenerateDataKey"]
    return _document(
        {
            "Sid": "UseTheBucketsKey",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", *to_write],
            "Resource": [key_arn],
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
        }
    )


def read_secret_policy(action: str, arn: str) -> PolicyDocument:
    """Read one secret by one action, and nothing else."""
    return _document(
        {"Sid": "ReadOwnSigningKey", "Effect": "Allow", "Action": [action], "Resource": [arn]}
    )


GITHUB_ISSUER = "token.actions.githubusercontent.com"
"""Who vouches for GitHub's workflows, and the name of what their tokens claim."""

GITHUB_AUDIENCE = "sts.amazonaws.com"
"""For whom the tokens are that AWS accepts."""


def github_subject(repository: str, *, branch: str | None, environment: str | None) -> str:
    """Whom GitHub's token names: the workflows of one branch, or the jobs of one environment."""
    of_what = f"environment:{environment}" if environment else f"ref:refs/heads/{branch}"
    return f"repo:{repository}:{of_what}"


def github_trust_policy(provider_arn: str, subject: str) -> PolicyDocument:
    """Who may assume a role: exactly one subject of GitHub's, with a token made for AWS."""
    return _document(
        {
            "Sid": "OneSubjectOfGitHubs",
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{GITHUB_ISSUER}:aud": GITHUB_AUDIENCE,
                    f"{GITHUB_ISSUER}:sub": subject,
                }
            },
        }
    )


def merged(*documents: PolicyDocument) -> PolicyDocument:
    """One document that says what all of them say."""
    return _document(*(statement for document in documents for statement in document["Statement"]))


def _read_objects(bucket: str) -> PolicyDocument:
    return {
        "Sid": "ReadObjects",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": [_object_arn(bucket, "*")],
    }


def _document(*statements: PolicyDocument) -> PolicyDocument:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _object_arn(bucket: str, pattern: str) -> str:
    return f"arn:aws:s3:::{bucket}/{pattern}"

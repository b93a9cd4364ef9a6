"""A bucket by S3's API: what it is set to, and the small objects in it.

Every call may be repeated after its response was lost, and every error is one sentence and its fix.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from nix_cache.backends.s3.connection import (
    NotOfferedError,
    S3Service,
    code_of,
    explained,
    s3_client,
)
from nix_cache.backends.s3.login import S3Login, S3ServiceError
from nix_cache.iam.policy_changes import same

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GONE = frozenset({"NoSuchBucket", "404", "NotFound", "NoSuchKey"})
_OWN = frozenset({"BucketAlreadyOwnedByYou"})
_BATCH = 1000
"""How many objects one request deletes."""

_CHOICES = {
    "policy": "set the bucket policy",
    "lifecycle": "set the lifecycle of a bucket",
    "versioning": "keep versions of objects",
}
"""By setting of a bucket, what setting it is called in messages."""

_FIXES = {
    "policy": "Set s3.publicUrl to a URL by which the service lets readers read, or set public to "
    "false.",
    "lifecycle": "Set s3.lifecycle to false. Then set expireAfterDays to 0, and remove unfinished "
    "uploads and old paths with `nix-cache gc --owner PROFILE --older-than 90`.",
    "versioning": "Set s3.versioning to false.",
}
"""By setting of a bucket, what to do where the service does not have it."""


@dataclass(frozen=True)
class S3BucketSettings:
    """What a bucket is set to. None stands for what the stack does not set.

    Attributes:
        policy: the bucket policy as JSON.
        lifecycle: the lifecycle rules, in the words of S3's API.
        versioning: whether the bucket keeps versions.
    """

    policy: str | None
    lifecycle: Sequence[Mapping[str, Any]] | None
    versioning: bool | None


class ServiceBucket:
    """A bucket of a service, with the rights of its administrator.

    Args:
        service: where it is.
        login: the administrator's key pair.
        name: the bucket's name.

    Every method raises S3ServiceError if the service refuses, or does not answer.
    """

    def __init__(self, service: S3Service, login: S3Login, name: str) -> None:
        self._service = service
        self._login = login
        self.name = name

    @property
    def exists(self) -> bool:
        """Whether the administrator has a bucket of this name.

        Raises:
            S3ServiceError: another account has it.
        """
        with self._explained(f"use the bucket {self.name!r}"):
            try:
                self._client.head_bucket(Bucket=self.name)
            except ClientError as refusal:
                if code_of(refusal) in _GONE:
                    return False
                raise
        return True

    def create(self) -> bool:
        """Create the bucket; returns whether it is new."""
        place = (
            {}
            if self._service.region in ("us-east-1", "auto", "")
            else {"CreateBucketConfiguration": {"LocationConstraint": self._service.region}}
        )
        with self._explained(f"create the bucket {self.name!r}"):
            try:
                self._client.create_bucket(Bucket=self.name, **place)  # type: ignore[arg-type]
            except ClientError as refusal:
                if code_of(refusal) in _OWN:
                    return False
                if code_of(refusal) == "BucketAlreadyExists":
                    raise S3ServiceError(
                        f"The bucket {self.name!r} exists in another account, and the service has "
                        "one set of names. Choose another bucket."
                    ) from None
                raise
        return True

    def delete(self) -> None:
        """Delete the bucket, which must be empty. One that is gone already is as good."""
        with self._explained(f"delete the bucket {self.name!r}"):
            try:
                self._client.delete_bucket(Bucket=self.name)
            except ClientError as refusal:
                if code_of(refusal) == "BucketNotEmpty":
                    raise S3ServiceError(
                        f"The bucket {self.name!r} has objects, so it is not deleted. Set "
                        "nix-cache:protect to false, run `pulumi up`, then the same command again; "
                        "or empty the bucket yourself."
                    ) from None
                if code_of(refusal) not in _GONE:
                    raise

    def empty(self) -> None:
        """Remove every version of every object, and every unfinished upload. Final."""
        with self._explained(f"empty the bucket {self.name!r}"):
            try:
                for key, upload in self._uploads():
                    self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
                for batch in self._batches():
                    self._delete(batch)
            except ClientError as refusal:
                if code_of(refusal) not in _GONE:
                    raise

    def settings(self) -> S3BucketSettings:
        """Return what the bucket is set to. What the service does not have is None."""
        return S3BucketSettings(self._policy(), self._lifecycle(), self._versioning())

    def set(self, wanted: S3BucketSettings) -> None:
        """Set the bucket to what is wanted, and leave what is None as it is.

        Raises:
            NotOfferedError: the service does not have something of it; the message has the fix.
        """
        if wanted.versioning is not None:
            self._set("versioning", self._set_versioning, wanted.versioning)
        if wanted.lifecycle is not None:
            self._set("lifecycle", self._set_lifecycle, wanted.lifecycle)
        if wanted.policy is not None:
            self._set("policy", self._set_policy, wanted.policy)

    def lacking(self, parts: Sequence[str]) -> Iterator[str]:
        """Yield what the service is known not to have, each as a problem and its fix.

        Args:
            parts: of ``policy``, ``lifecycle`` and ``versioning``, those that are wanted.
        """
        questions = {
            "policy": self._policy,
            "lifecycle": self._lifecycle,
            "versioning": self._versioning,
        }
        for part in parts:
            if questions[part]() is None:
                yield _lacks(self._service, part)

    def text(self, key: str) -> tuple[str, str] | None:
        """Return a small object and its media type; None if it, or the bucket, is gone."""
        with self._explained(f"read the object {key!r}"):
            try:
                found = self._client.get_object(Bucket=self.name, Key=key)
            except ClientError as refusal:
                if code_of(refusal) in _GONE:
                    return None
                raise
            return found["Body"].read().decode(errors="replace"), found.get("ContentType", "")

    def put_text(self, key: str, text: str, content_type: str) -> None:
        """Write a small object."""
        with self._explained(f"write the object {key!r}"):
            self._client.put_object(
                Bucket=self.name, Key=key, Body=text.encode(), ContentType=content_type
            )

    def delete_text(self, key: str) -> None:
        """Delete an object. One that is gone already is as good."""
        with self._explained(f"delete the object {key!r}"):
            try:
                self._client.delete_object(Bucket=self.name, Key=key)
            except ClientError as refusal:
                if code_of(refusal) not in _GONE:
                    raise

    @property
    def _client(self) -> "S3Client":
        return s3_client(self._service, self._login)

    def _explained(self, action: str) -> AbstractContextManager[None]:
        return explained(self._service.endpoint, self._login, action)

    def _policy(self) -> str | None:
        with self._explained(_CHOICES["policy"]):
            found: str | None = self._answer(
                "get_bucket_policy", "Policy", "", "NoSuchBucketPolicy"
            )
        return found

    def _lifecycle(self) -> Sequence[Mapping[str, Any]] | None:
        with self._explained(_CHOICES["lifecycle"]):
            found: Sequence[Mapping[str, Any]] | None = self._answer(
                "get_bucket_lifecycle_configuration", "Rules", [], "NoSuchLifecycleConfiguration"
            )
        return found

    def _versioning(self) -> bool | None:
        with self._explained(_CHOICES["versioning"]):
            status = self._answer("get_bucket_versioning", "Status", "", "NoSuchBucket")
        return None if status is None else status == "Enabled"

    def _answer(self, question: str, part: str, absent: Any, absent_code: str) -> Any:
        """Return a part of an answer; None if the service does not have the question."""
        try:
            with self._explained(question):
                try:
                    answer = getattr(self._client, question)(Bucket=self.name)
                except ClientError as refusal:
                    if code_of(refusal) in {absent_code, *_GONE}:
                        return absent
                    raise
        except NotOfferedError:
            return None
        return answer.get(part, absent)

    def _set(self, part: str, call: Any, value: Any) -> None:
        try:
            with self._explained(_CHOICES[part]):
                call(value)
        except NotOfferedError:
            raise NotOfferedError(_lacks(self._service, part)) from None

    def _set_versioning(self, enabled: bool) -> None:
        if enabled or self._versioning():
            self._client.put_bucket_versioning(
                Bucket=self.name,
                VersioningConfiguration={"Status": "Enabled" if enabled else "Suspended"},
            )

    def _set_lifecycle(self, rules: Sequence[Mapping[str, Any]]) -> None:
        if rules:
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self.name,
                LifecycleConfiguration={"Rules": list(rules)},  # type: ignore[arg-type]
            )
        else:
            self._client.delete_bucket_lifecycle(Bucket=self.name)

    def _set_policy(self, policy: str) -> None:
        if policy:
            self._client.put_bucket_policy(Bucket=self.name, Policy=policy)
        elif self._policy():
            self._client.delete_bucket_policy(Bucket=self.name)

    def _uploads(self) -> Iterator[tuple[str, str]]:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name)
        for page in pages:
            for upload in page.get("Uploads", []):
                yield upload["Key"], upload["UploadId"]

    def _batches(self) -> Iterator[list[dict[str, str]]]:
        """Yield versions of objects, or objects where the service does not list versions."""
        try:
            with self._explained("list versions"):
                pages = self._client.get_paginator("list_object_versions").paginate(
                    Bucket=self.name, PaginationConfig={"PageSize": _BATCH}
                )
                for page in pages:
                    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                    if found:
                        yield [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        except NotOfferedError:
            for listed in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
                if objects := listed.get("Contents"):
                    yield [{"Key": one["Key"]} for one in objects]

    def _delete(self, batch: list[dict[str, str]]) -> None:
        answer = self._client.delete_objects(
            Bucket=self.name,
            Delete={"Objects": batch, "Quiet": True},  # type: ignore[typeddict-item]
        )
        if errors := answer.get("Errors"):
            raise S3ServiceError(
                f"The object {errors[0].get('Key')!r} could not be deleted "
                f"({errors[0].get('Code')}). Delete it yourself, then run the same command again."
            )


def same_policy(first: str, second: str) -> bool:
    """Return whether two bucket policies mean the same; an empty text means none."""
    return first == second or (bool(first and second) and same(first, second))


def same_rules(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether two lists of lifecycle rules mean the same, in any order."""
    return sorted(map(_rule, first)) == sorted(map(_rule, second))


def _rule(rule: Mapping[str, Any]) -> tuple[str, str, str, float, float, float]:
    """Return what a rule does. Services that still use the former form have a bare ``Prefix``."""
    prefix = rule.get("Filter", {}).get("Prefix", rule.get("Prefix", ""))
    return (
        str(prefix),
        str(rule.get("ID", "")),
        str(rule.get("Status", "")),
        float(rule.get("Expiration", {}).get("Days", 0)),
        float(rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 0)),
        float(rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation", 0)),
    )


def _lacks(service: S3Service, part: str) -> str:
    return f"The S3 service at {service.endpoint} cannot {_CHOICES[part]}. {_FIXES[part]}"

"""A bucket by S3's API: whether it is there, what is in it, and the small objects in it.

Every call may be repeated after its response was lost, and every error is one sentence and its fix.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from nix_cache.backends.s3.connection import (
    NotOfferedError,
    S3Service,
    code_of,
    explained,
    s3_client,
)
from nix_cache.backends.s3.login import S3Login, S3ServiceError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NO_BUCKET = "NoSuchBucket"
_GONE = frozenset({_NO_BUCKET, "NoSuchKey"})
"""Codes of what is gone. A status alone can be that of a proxy without a service behind it."""

_BATCH = 1000
"""How many objects one request deletes."""


class ServiceBucket:
    """A bucket of a service, with the rights of its administrator.

    Args:
        service: where it is.
        login: the administrator's key pair.
        name: the bucket's name.

    Every method raises S3ServiceError if the service refuses, or does not answer.
    """

    def __init__(self, service: S3Service, login: S3Login, name: str) -> None:
        self.service = service
        self._login = login
        self.name = name

    @property
    def client(self) -> "S3Client":
        """A client of the service."""
        return s3_client(self.service, self._login)

    def explained(self, action: str) -> AbstractContextManager[None]:
        """Turn every error of the client into one sentence and its fix."""
        return explained(self.service.endpoint, self._login, action)

    @property
    def exists(self) -> bool:
        """Whether the administrator has a bucket of this name.

        Asked by a list: a web page has status 200 too, and a missing service 404.

        Raises:
            S3ServiceError: another account has it.
        """
        return self._listed(1) is not None

    @property
    def is_cache(self) -> bool:
        """Whether the bucket is a binary cache already."""
        return self.text("nix-cache-info") is not None

    def create(self) -> bool:
        """Create the bucket; returns whether it is new."""
        place = (
            {}
            if self.service.region in ("us-east-1", "auto")
            else {"CreateBucketConfiguration": {"LocationConstraint": self.service.region}}
        )
        with self.explained(f"create the bucket {self.name!r}"):
            try:
                self.client.create_bucket(Bucket=self.name, **place)  # type: ignore[arg-type]
            except ClientError as refusal:
                if code_of(refusal) == "BucketAlreadyOwnedByYou":
                    return False
                if code_of(refusal) == "BucketAlreadyExists":
                    raise S3ServiceError(
                        f"The bucket {self.name!r} exists in another account, and the service has "
                        "one set of names. Choose another bucket."
                    ) from None
                raise
        return True

    def delete(self) -> None:
        """Delete the bucket if it is empty. One that is gone already is as good.

        Some services delete a bucket with all that is in it, so it is asked first.
        """
        if self._listed(1) or next(self._batches(), []):
            raise S3ServiceError(
                f"The bucket {self.name!r} has objects, so it is not deleted. Set "
                "nix-cache:protect to false, run `pulumi up`, then the same command again; or "
                "empty the bucket yourself."
            )
        with self.explained(f"delete the bucket {self.name!r}"):
            try:
                self.client.delete_bucket(Bucket=self.name)
            except ClientError as refusal:
                if code_of(refusal) not in _GONE:
                    raise

    def empty(self) -> None:
        """Remove every version of every object, and every unfinished upload. Final."""
        if not self.exists:
            return
        for key, upload in self._uploads():
            with self.explained(f"abort the upload of {key!r}"):
                self.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
        for batch in self._batches():
            self._delete(batch)

    def text(self, key: str) -> tuple[str, str] | None:
        """Return a small object and its media type; None if it, or the bucket, is gone."""
        with self.explained(f"read the object {key!r}"):
            try:
                found = self.client.get_object(Bucket=self.name, Key=key)
            except ClientError as refusal:
                if code_of(refusal) in _GONE:
                    return None
                raise
            return found["Body"].read().decode(errors="replace"), found.get("ContentType", "")

    def put_text(self, key: str, text: str, content_type: str) -> None:
        """Write a small object."""
        with self.explained(f"write the object {key!r}"):
            self.client.put_object(
                Bucket=self.name, Key=key, Body=text.encode(), ContentType=content_type
            )

    def delete_text(self, key: str) -> None:
        """Delete an object. One that is gone already is as good."""
        with self.explained(f"delete the object {key!r}"):
            try:
                self.client.delete_object(Bucket=self.name, Key=key)
            except ClientError as refusal:
                if code_of(refusal) not in _GONE:
                    raise

    def _listed(self, most: int) -> list[str] | None:
        """Return the first keys of the bucket; None if there is no bucket."""
        with self.explained(f"use the bucket {self.name!r}"):
            try:
                answer = self.client.list_objects_v2(Bucket=self.name, MaxKeys=most)
            except ClientError as refusal:
                if code_of(refusal) == _NO_BUCKET:
                    return None
                raise
        if answer.get("Name") != self.name:
            raise S3ServiceError(
                f"{self.service.endpoint} answers, but not as an S3 service does. Correct "
                "s3.endpoint."
            )
        return [one["Key"] for one in answer.get("Contents", [])]

    def _uploads(self) -> Iterator[tuple[str, str]]:
        """Yield unfinished uploads; none where the service does not list them."""
        try:
            with self.explained("list unfinished uploads"):
                paginator = self.client.get_paginator("list_multipart_uploads")
                for page in paginator.paginate(Bucket=self.name):
                    for upload in page.get("Uploads", []):
                        yield upload["Key"], upload["UploadId"]
        except NotOfferedError:
            return

    def _batches(self) -> Iterator[list[dict[str, str]]]:
        """Yield versions of objects, or objects where the service does not list versions."""
        try:
            with self.explained("list versions"):
                pages = self.client.get_paginator("list_object_versions").paginate(
                    Bucket=self.name, PaginationConfig={"PageSize": _BATCH}
                )
                for page in pages:
                    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                    if found:
                        yield [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
        except NotOfferedError:
            yield from self._batches_without_versions()
        except S3ServiceError:
            if self.exists:
                raise

    def _batches_without_versions(self) -> Iterator[list[dict[str, str]]]:
        with self.explained("list objects"):
            for listed in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
                if objects := listed.get("Contents"):
                    yield [{"Key": one["Key"]} for one in objects]

    def _delete(self, batch: list[dict[str, str]]) -> None:
        with self.explained("delete objects"):
            answer = self.client.delete_objects(
                Bucket=self.name,
                Delete={"Objects": batch, "Quiet": True},  # type: ignore[typeddict-item]
            )
        if errors := answer.get("Errors"):
            raise S3ServiceError(
                f"The object {errors[0].get('Key')!r} could not be deleted "
                f"({errors[0].get('Code')}). Delete it yourself, then run the same command again."
            )

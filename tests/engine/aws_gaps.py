"""What else moto's S3 leaves out: the tags that a bucket is created with."""

from typing import Any

import flask
import xmltodict
from moto.s3.models import FakeBucket, S3Backend


def fill() -> None:
    """Let this process's moto keep the tags of a request that creates a bucket."""
    create_bucket = S3Backend.create_bucket

    def create(backend: Any, *arguments: Any, **options: Any) -> FakeBucket:
        bucket = create_bucket(backend, *arguments, **options)
        if tags := tags_at_creation(flask.request.get_data()):
            backend.put_bucket_tagging(bucket.name, tags)
        return bucket

    S3Backend.create_bucket = create


def tags_at_creation(body: bytes) -> dict[str, str]:
    """The tags in the body of a CreateBucket request."""
    if not body:
        return {}
    asked = xmltodict.parse(body, force_list=("Tag",))["CreateBucketConfiguration"] or {}
    return {tag["Key"]: tag["Value"] or "" for tag in (asked.get("Tags") or {}).get("Tag", [])}

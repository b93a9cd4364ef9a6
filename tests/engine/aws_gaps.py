"""What else moto's S3 leaves out: the tags that a bucket is created with."""

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import flask
from moto.s3.models import FakeBucket, S3Backend


def fill() -> None:
    """Let this process's moto keep the tags of a request that creates a bucket."""
    create_bucket = S3Backend.create_bucket

    def create(backend: Any, *arguments: Any, **options: Any) -> FakeBucket:
        bucket = create_bucket(backend, *arguments, **options)
        if tags := tags_at_creation(flask.request.get_data()):
            backend.put_bucket_tagging(bucket.name, tags)
        return bucket

    replace(S3Backend, "create_bucket", create)


def tags_at_creation(body: bytes) -> dict[str, str]:
    """The tags in the body of a CreateBucket request."""
    tags = ElementTree.fromstring(body).iterfind(".//{*}Tag") if body else ()
    return {tag.findtext("{*}Key", ""): tag.findtext("{*}Value", "") for tag in tags}


def replace(owner: type, method: str, by: Callable[..., Any]) -> None:
    """Put another function in the place of a method, or add one, as long as the process lasts."""
    setattr(owner, method, by)

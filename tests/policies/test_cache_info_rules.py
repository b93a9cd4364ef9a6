"""Rules on nix-cache-info, on every backend."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.formats.cache_info import nix_cache_info
from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.model import Resource
from nix_cache.policy.rules.cache_info import ONE_CACHE_INFO, VALID_CACHE_INFO
from tests.policies.stacks import (
    AWS_BUCKET,
    AWS_OBJECT,
    B2_BUCKET,
    B2_OBJECT,
    CACHE,
    MINIO_BUCKET,
    MINIO_OBJECT,
    SPACES_BUCKET,
    SPACES_OBJECT,
    found,
    resource,
    unknown,
)

OBJECTS = {
    MINIO_OBJECT: ("bucketName", "objectName", "content"),
    AWS_OBJECT: ("bucket", "key", "content"),
    "aws:s3/bucketObject:BucketObject": ("bucket", "key", "content"),
    SPACES_OBJECT: ("bucket", "key", "content"),
    B2_OBJECT: ("bucket_id", "key", "text"),
}
BUCKETS = {
    MINIO_BUCKET: ("bucket", MINIO_OBJECT),
    AWS_BUCKET: ("bucket", AWS_OBJECT),
    SPACES_BUCKET: ("name", SPACES_OBJECT),
    B2_BUCKET: ("id", B2_OBJECT),
}
GOOD = nix_cache_info("/nix/store", True, 40)
ROOT = resource(CACHE, name="nix-cache")


def thing(type_token: str, text: Any, key: Any = "nix-cache-info", **more: Any) -> Resource:
    """Return an object in the bucket ``b``."""
    in_bucket, at, content = OBJECTS[type_token]
    return resource(type_token, {in_bucket: "b", at: key, content: text}, **more)


def cache_bucket(type_token: str, **more: Any) -> Resource:
    """Return a bucket ``b`` of a cache."""
    return resource(type_token, {BUCKETS[type_token][0]: "b"}, parent="nix-cache", **more)


@pytest.mark.parametrize("type_token", OBJECTS)
@given(
    store=st.sampled_from(["/nix/store", "/gnu/store"]),
    mass_query=st.booleans(),
    priority=st.integers(0, 1000),
)
def test_what_the_component_writes_is_valid(
    type_token: str, store: str, mass_query: bool, priority: int
) -> None:
    """Whatever the settings."""
    subject = thing(type_token, nix_cache_info(store, mass_query, priority))

    assert not found(VALID_CACHE_INFO, subject)


@pytest.mark.parametrize("type_token", OBJECTS)
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "StoreDir None"),
        (None, "StoreDir None"),
        ("StoreDir: nix/store\n", "StoreDir 'nix/store'"),
        ("StoreDir:/nix/store\n", "no 'Name: value'"),
        ("StoreDir: /nix/store\nWantMassQuery: yes\n", "WantMassQuery 'yes'"),
        ("StoreDir: /nix/store\nPriority: -1\n", "Priority '-1'"),
        ("StoreDir: /nix/store\nPriority: ٤\n", "Priority '٤'"),
        ("StoreDir: /nix/store\nPriority: \n", "Priority ''"),
        ("StoreDir: /nix/store\n\nPriority: 1\n", "the line ''"),
        ("StoreDir: /nix/store\nPriority: 1\nPriority: 2\n", "Priority twice"),
        ("<html>", "the line '<html>'"),
    ],
)
def test_what_nix_cannot_read_is_wrong(type_token: str, text: str | None, what: str) -> None:
    """Each line says what is wrong with it."""
    assert what in found(VALID_CACHE_INFO, thing(type_token, text))


@pytest.mark.parametrize("type_token", OBJECTS)
def test_other_objects_may_say_anything(type_token: str) -> None:
    """The landing page, for one."""
    assert not found(VALID_CACHE_INFO, thing(type_token, "<html>", "index.html"))


@pytest.mark.parametrize("type_token", OBJECTS)
def test_a_content_or_a_key_that_is_not_known_yet_is_reported(type_token: str) -> None:
    """The key too: it may turn out to be this one."""
    assert "is not known yet" in unknown(VALID_CACHE_INFO, thing(type_token, UNKNOWN))
    assert "is not known yet" in unknown(VALID_CACHE_INFO, thing(type_token, GOOD, UNKNOWN))


def test_a_content_may_be_encoded() -> None:
    """As providers offer it for what is not text."""
    key = {"bucket": "b", "key": "nix-cache-info"}
    encoded = base64.b64encode(GOOD.encode()).decode()

    assert not found(VALID_CACHE_INFO, resource(AWS_OBJECT, {**key, "contentBase64": encoded}))
    assert found(VALID_CACHE_INFO, resource(AWS_OBJECT, {**key, "contentBase64": "PGh0bWw+"}))
    assert found(VALID_CACHE_INFO, resource(AWS_OBJECT, {**key, "contentBase64": "?"}))


def test_a_content_in_a_file_is_not_taken_for_valid() -> None:
    """No user has looked into it."""
    subject = resource(AWS_OBJECT, {"bucket": "b", "key": "nix-cache-info", "source": "file"})

    assert "in a file" in found(VALID_CACHE_INFO, subject)


@pytest.mark.parametrize("type_token", BUCKETS)
def test_the_bucket_of_a_cache_has_exactly_one(type_token: str) -> None:
    """None is wrong, and so are two."""
    bucket, kind = cache_bucket(type_token), BUCKETS[type_token][1]
    info, other = thing(kind, GOOD, name="info"), thing(kind, "", "index.html", name="page")
    second = thing(kind, GOOD, name="second")

    assert not found(ONE_CACHE_INFO, bucket, ROOT, info, other)
    assert "has no nix-cache-info" in found(ONE_CACHE_INFO, bucket, ROOT, other)
    assert "2 times: info, second" in found(ONE_CACHE_INFO, bucket, ROOT, info, second)


@pytest.mark.parametrize("type_token", BUCKETS)
def test_the_bucket_that_an_object_is_in_may_be_known_only_as_a_resource(type_token: str) -> None:
    """Its name is drawn when it is made."""
    place, kind = BUCKETS[type_token]
    bucket = resource(type_token, {place: UNKNOWN}, parent="nix-cache", urn="bucket")
    in_bucket, at, content = OBJECTS[kind]
    values = {in_bucket: UNKNOWN, at: "nix-cache-info", content: GOOD}
    mine = resource(kind, values, dependencies={in_bucket: ["bucket"]})
    somebodys = resource(kind, values)

    assert not found(ONE_CACHE_INFO, bucket, ROOT, mine)
    assert "is not known yet" in unknown(ONE_CACHE_INFO, bucket, ROOT, somebodys)


def test_a_bucket_without_a_cache_needs_none() -> None:
    """Some programs have other buckets too; but one that has two is a mistake anywhere."""
    bucket = resource(MINIO_BUCKET, {"bucket": "b"})
    info, second = thing(MINIO_OBJECT, GOOD, name="info"), thing(MINIO_OBJECT, GOOD, name="second")

    assert not found(ONE_CACHE_INFO, bucket)
    assert not found(ONE_CACHE_INFO, bucket, info)
    assert found(ONE_CACHE_INFO, bucket, info, second)


def test_a_bucket_below_a_part_of_a_cache_is_a_part_of_it() -> None:
    """However deep."""
    inner = resource("team:index:Part", name="inner", parent="nix-cache")
    bucket = resource(MINIO_BUCKET, {"bucket": "b"}, parent="inner")

    assert "has no nix-cache-info" in found(ONE_CACHE_INFO, bucket, ROOT, inner)

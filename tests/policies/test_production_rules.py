"""Rules that hold outside development, on every backend."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.rules.production import (
    DELETION_PROTECTION,
    TLS_FOR_CLIENTS,
    TLS_TO_STORAGE,
)
from tests.policies.stacks import (
    AWS_BUCKET,
    B2_BUCKET,
    CACHE,
    MINIO_BUCKET,
    SIGNING_KEY,
    SPACES_BUCKET,
    found,
    resource,
    unknown,
)

BUCKETS = [MINIO_BUCKET, AWS_BUCKET, SPACES_BUCKET, B2_BUCKET]
FORCE = {B2_BUCKET: "force_destroy"}
"""How a bucket says that it may be deleted with all that is in it, if not by ``forceDestroy``."""

MINIO, AWS, SPACES = (f"pulumi:providers:{name}" for name in ("minio", "aws", "digitalocean"))
DISTRIBUTION = "aws:cloudfront/distribution:Distribution"


@pytest.mark.parametrize("type_token", [*BUCKETS, SIGNING_KEY])
def test_what_lasts_is_protected(type_token: str) -> None:
    """Buckets and signing keys."""
    assert not found(DELETION_PROTECTION, resource(type_token, protect=True))
    assert "is not protected" in found(DELETION_PROTECTION, resource(type_token))


@pytest.mark.parametrize("type_token", BUCKETS)
def test_a_bucket_is_not_deleted_with_all_that_is_in_it(type_token: str) -> None:
    """Even a protected one is some day not protected any more."""
    place = FORCE.get(type_token, "forceDestroy")

    assert not found(DELETION_PROTECTION, resource(type_token, {place: False}, protect=True))
    violations = found(DELETION_PROTECTION, resource(type_token, {place: True}, protect=True))
    assert "with all that is in it" in violations
    assert "is not protected" not in violations
    undecided = resource(type_token, {place: UNKNOWN}, protect=True)
    assert unknown(DELETION_PROTECTION, undecided) == f"{place} is not known yet"


def test_other_resources_need_no_protection() -> None:
    """A user comes back with an up."""
    assert not found(DELETION_PROTECTION, resource("minio:index/iamUser:IamUser"))


@pytest.mark.parametrize("stack", ["dev", "test", "dev-alice", "team-dev"])
def test_development_stacks_are_left_alone(stack: str) -> None:
    """By their names."""
    assert not found(DELETION_PROTECTION, resource(MINIO_BUCKET), stack=stack)
    assert not found(TLS_TO_STORAGE, resource(MINIO), stack=stack)
    plain = resource(CACHE, {"read_url": "http://127.0.0.1:9000/b"})
    assert not found(TLS_FOR_CLIENTS, plain, stack=stack)


@pytest.mark.parametrize("stack", ["prod", "staging", "development", "device", "latest", "DEV"])
def test_all_other_stacks_are_taken_for_production(stack: str) -> None:
    """Also one whose name only looks like it."""
    assert found(DELETION_PROTECTION, resource(MINIO_BUCKET), stack=stack)


def test_the_names_of_development_stacks_are_a_setting() -> None:
    """Those given replace the others."""
    names = {"developmentStacks": ["sandbox-*"]}

    assert not found(DELETION_PROTECTION, resource(MINIO_BUCKET), stack="sandbox-1", **names)
    assert found(DELETION_PROTECTION, resource(MINIO_BUCKET), stack="dev", **names)


@pytest.mark.parametrize(
    ("ssl", "environment", "is_safe"),
    [
        (True, {}, True),
        ("true", {}, True),
        (False, {}, False),
        ("false", {"MINIO_ENABLE_HTTPS": "true"}, False),
        (None, {}, False),
        (None, {"MINIO_ENABLE_HTTPS": "true"}, True),
        (None, {"MINIO_ENABLE_HTTPS": "0"}, False),
    ],
)
def test_minio_is_reached_over_tls(ssl: Any, environment: dict[str, str], is_safe: bool) -> None:
    """By the provider's setting, or by the variable where there is none."""
    violations = found(TLS_TO_STORAGE, resource(MINIO, {"minioSsl": ssl}), environment=environment)

    assert ("without TLS" in violations) is not is_safe


def test_a_certificate_is_looked_at() -> None:
    """TLS without verification does not count."""
    minio = resource(MINIO, {"minioSsl": "true", "minioInsecure": "true"})

    assert "any certificate" in found(TLS_TO_STORAGE, minio)
    assert "any certificate" in found(TLS_TO_STORAGE, resource(AWS, {"insecure": "true"}))


@pytest.mark.parametrize(
    ("type_token", "properties", "is_safe"),
    [
        (AWS, {"region": "eu-central-1"}, True),
        (AWS, {"endpoints": '[{"s3": "http://127.0.0.1:5000"}]'}, False),
        (AWS, {"endpoints": [{"s3": "https://s3.example.org", "iam": "http://iam"}]}, False),
        (AWS, {"endpoints": '[{"s3": "https://s3.example.org"}]'}, True),
        (AWS, {"endpoints": "[http://"}, True),
        (AWS, {"httpProxy": "http://proxy.example.org"}, True),
        (SPACES, {"spacesEndpoint": "https://{{.Region}}.digitaloceanspaces.com"}, True),
        (SPACES, {"spacesEndpoint": "http://127.0.0.1:9000"}, False),
        (SPACES, {"apiEndpoint": "http://127.0.0.1:9001"}, False),
        (SPACES, {}, True),
        ("pulumi:providers:random", {"endpoints": None}, True),
    ],
)
def test_other_storage_is_reached_over_tls(
    type_token: str, properties: dict[str, Any], is_safe: bool
) -> None:
    """Unless an endpoint says otherwise; lists come to providers as JSON."""
    violations = found(TLS_TO_STORAGE, resource(type_token, properties))

    assert ("without TLS" in violations) is not is_safe


def test_an_endpoint_in_the_environment_counts() -> None:
    """The SDK of AWS takes it from there."""
    plain = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:5000"}

    assert "AWS_ENDPOINT_URL_S3" in found(TLS_TO_STORAGE, resource(AWS), environment=plain)
    assert not found(TLS_TO_STORAGE, resource(SPACES), environment=plain)


@pytest.mark.parametrize(
    ("type_token", "place"),
    [(MINIO, "minioSsl"), (AWS, "endpoints"), (SPACES, "spacesEndpoint")],
)
def test_a_provider_that_is_not_known_yet_is_reported(type_token: str, place: str) -> None:
    """As one for a server that the same program makes."""
    assert unknown(TLS_TO_STORAGE, resource(type_token, {place: UNKNOWN}))


@pytest.mark.parametrize(
    ("read_url", "push_url", "is_safe"),
    [
        ("https://cache.example.org/b", "s3://b?profile=p&region=eu-central-1", True),
        ("http://cache.example.org/b", "s3://b?profile=p", False),
        ("https://c/b", "s3://b?profile=p&endpoint=http%3A%2F%2F127.0.0.1%3A9000", False),
        ("https://c/b", "s3://b?profile=p&endpoint=https%3A%2F%2Fc", True),
        ("s3://b?endpoint=http://c&profile=p", "s3://b", False),
    ],
)
def test_clients_get_urls_with_tls(read_url: str, push_url: str, is_safe: bool) -> None:
    """For reading, and for pushing, where the server is a part of the query; in any language."""
    for names in (("read_url", "push_urls"), ("readUrl", "pushUrls")):
        cache = resource(CACHE, dict(zip(names, (read_url, {"w": push_url}), strict=True)))
        assert bool(found(TLS_FOR_CLIENTS, cache)) is not is_safe


def test_urls_that_are_not_known_yet_are_reported() -> None:
    """A delivery network draws its name when it is made."""
    cache = resource(CACHE, {"read_url": UNKNOWN, "push_urls": {}})

    assert unknown(TLS_FOR_CLIENTS, cache) == "read_url is not known yet"
    assert not found(TLS_FOR_CLIENTS, resource(CACHE))


@pytest.mark.parametrize("place", ["defaultCacheBehavior", "orderedCacheBehaviors"])
def test_a_delivery_network_answers_over_tls(place: str) -> None:
    """For every path."""

    def distribution(policy: Any) -> Any:
        behavior = {"viewerProtocolPolicy": policy}
        several = place.endswith("s")
        return resource(DISTRIBUTION, {place: [behavior] if several else behavior})

    assert not found(TLS_FOR_CLIENTS, distribution("redirect-to-https"))
    assert "without TLS" in found(TLS_FOR_CLIENTS, distribution("allow-all"))
    assert unknown(TLS_FOR_CLIENTS, distribution(UNKNOWN))


@given(st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=5))
def test_endpoints_of_any_shape_are_read(value: Any) -> None:
    """Another user wrote the program."""
    found(TLS_TO_STORAGE, resource(AWS, {"endpoints": value}))

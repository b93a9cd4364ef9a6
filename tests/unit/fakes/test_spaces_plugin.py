"""The fake DigitalOcean plugin without an engine: as strict as the official one, or more."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from tests.fakes.spaces_plugin import FAKE
from tests.fakes.spaces_plugin.wire import UNKNOWN, received, sent

pytestmark = pytest.mark.offline

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the SDK's other modules
    from tests.fakes.spaces_plugin.service import KINDS, UNSUPPORTED, SpacesProvider

BUCKET = {"name": "c", "region": "fra1", "acl": "private", "forceDestroy": False}
OBJECT = {
    "bucket": "c",
    "key": "k",
    "region": "fra1",
    "content": "x",
    "acl": "private",
    "forceDestroy": False,
}
KEY = {"name": "k", "grants": [{"bucket": "c", "permission": "read"}]}
POLICY = {"bucket": "c", "region": "fra1", "policy": '{"a": ["x"], "b": [1, 2]}'}
CDN = {"origin": "c.fra1.digitaloceanspaces.com", "ttl": 600}


@pytest.fixture
def stub() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """Provide a connection to a plugin that serves on a free port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(SpacesProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(grace=None)


def urn(kind: str) -> str:
    """Return the name of a resource of a type."""
    (token,) = [token for token in KINDS if token.endswith(f":{kind}")]
    return f"urn:pulumi:test::p::nix-cache:index:BinaryCache${token}::r"


@pytest.mark.parametrize(
    ("kind", "inputs", "failures"),
    [
        ("SpacesBucket", BUCKET, []),
        ("SpacesBucket", {"name": "c"}, []),
        ("SpacesBucket", {}, ["name is missing"]),
        ("SpacesBucket", {**BUCKET, "region": "nyc1"}, ["region 'nyc1' is none of"]),
        ("SpacesBucket", {**BUCKET, "forceDestroy": "no"}, ["forceDestroy is not true or false"]),
        ("SpacesBucket", {**BUCKET, "nmae": "c"}, ["nmae is an unknown argument"]),
        ("SpacesBucket", {**BUCKET, "versioning": {}}, ["versioning is not supported by"]),
        (
            "SpacesBucket",
            {**BUCKET, "lifecycleRules": [{"id": "r", "expiration": {"days": "7"}, "filter": 1}]},
            [
                "lifecycleRules[0].enabled is required",
                "lifecycleRules[0].expiration.days is not a whole number",
                "lifecycleRules[0].filter is an unknown argument",
            ],
        ),
        (
            "SpacesBucket",
            {**BUCKET, "lifecycleRules": [{"enabled": True, "expiration": {"date": "2030-01-01"}}]},
            ["lifecycleRules[0] expires in a way", "lifecycleRules[0].id is missing"],
        ),
        ("SpacesBucketObject", OBJECT, []),
        ("SpacesBucketObject", {"key": "k", "region": "fra1"}, ["bucket is required"]),
        ("SpacesBucketObject", {**OBJECT, "acl": "open"}, ["acl is neither private nor"]),
        ("SpacesBucketObject", {**OBJECT, "source": "/f"}, ["source is not supported by"]),
        ("SpacesBucketPolicy", POLICY, []),
        ("SpacesBucketPolicy", {**POLICY, "policy": "{"}, ["policy is no JSON object"]),
        ("SpacesBucketPolicy", {**POLICY, "policy": {}}, ["policy is not text"]),
        ("SpacesKey", KEY, []),
        ("SpacesKey", {**KEY, "grants": [{"bucket": "c"}]}, ["grants[0].permission is required"]),
        (
            "SpacesKey",
            {**KEY, "grants": [{"bucket": "c", "permission": "write"}]},
            ["grants[0].permission is none of read, readwrite, fullaccess"],
        ),
        ("Cdn", CDN, []),
        ("Cdn", {"ttl": True}, ["origin is required", "ttl is not a whole number"]),
        ("Cdn", {**CDN, "certificateId": "1"}, ["certificateId is not supported by"]),
    ],
)
def test_inputs_are_checked_against_the_types_of_the_sdk(
    stub: provider_pb2_grpc.ResourceProviderStub,
    kind: str,
    inputs: dict[str, Any],
    failures: list[str],
) -> None:
    """And, where this plugin knows less than the official one, refused by its name."""
    answer = stub.Check(provider_pb2.CheckRequest(urn=urn(kind), news=sent(inputs)))

    found = sorted(failure.reason for failure in answer.failures)
    assert len(found) == len(failures), found
    for reason, expected in zip(found, failures, strict=True):
        assert reason.startswith(expected)


def test_defaults_are_added_to_inputs(stub: provider_pb2_grpc.ResourceProviderStub) -> None:
    """Those that the official plugin adds."""
    answer = stub.Check(
        provider_pb2.CheckRequest(urn=urn("SpacesBucket"), news=sent({"name": "c"}))
    )

    assert received(answer.inputs) == {"name": "c", "acl": "private", "region": "nyc3"}


RULE = {"id": "r", "enabled": True, "prefix": "a", "expiration": {"days": 7}}


@pytest.mark.parametrize(
    ("kind", "there", "wanted", "changed", "replaced"),
    [
        ("SpacesBucket", BUCKET, BUCKET, [], []),
        ("SpacesBucket", BUCKET, {**BUCKET, "region": "ams3"}, ["region"], ["region"]),
        ("SpacesBucket", BUCKET, {**BUCKET, "name": "d"}, ["name"], []),
        ("SpacesBucket", {**BUCKET, "versioning": {"enabled": False}}, BUCKET, [], []),
        ("SpacesBucket", {**BUCKET, "lifecycleRules": []}, BUCKET, [], []),
        ("SpacesBucket", {**BUCKET, "lifecycleRules": [RULE]}, BUCKET, ["lifecycleRules"], []),
        (
            "SpacesBucket",
            {**BUCKET, "lifecycleRules": [{**RULE, "abortIncompleteMultipartUploadDays": 0}]},
            {**BUCKET, "lifecycleRules": [RULE]},
            [],
            [],
        ),
        ("SpacesBucketObject", {**OBJECT, "etag": "1", "contentType": "t"}, OBJECT, [], []),
        ("SpacesBucketObject", {**OBJECT, "metadata": {}}, OBJECT, [], []),
        ("SpacesBucketObject", {**OBJECT, "cacheControl": "x"}, OBJECT, ["cacheControl"], []),
        ("SpacesBucketObject", {**OBJECT, "etag": "1"}, {**OBJECT, "etag": "2"}, ["etag"], []),
        ("SpacesBucketObject", OBJECT, {**OBJECT, "key": "l"}, ["key"], ["key"]),
        ("SpacesBucketPolicy", POLICY, {**POLICY, "policy": '{"b":[2,1],"a":"x"}'}, [], []),
        ("SpacesBucketPolicy", POLICY, {**POLICY, "policy": '{"a":"y"}'}, ["policy"], []),
        ("SpacesBucketPolicy", {**POLICY, "policy": ""}, POLICY, ["policy"], []),
        ("SpacesKey", {**KEY, "accessKey": "DO00"}, KEY, [], []),
        ("SpacesKey", KEY, {**KEY, "name": "other", "grants": []}, ["grants", "name"], []),
        ("Cdn", CDN, {"origin": CDN["origin"]}, [], []),
        ("Cdn", CDN, {**CDN, "origin": "d"}, ["origin"], ["origin"]),
        ("Cdn", {**CDN, "customDomain": "nix.example.org"}, CDN, ["customDomain"], []),
        ("Cdn", CDN, {**CDN, "origin": UNKNOWN}, ["origin"], ["origin"]),
    ],
)
def test_what_differs_is_changed_or_replaced_as_officially(
    stub: provider_pb2_grpc.ResourceProviderStub,
    kind: str,
    there: dict[str, Any],
    wanted: dict[str, Any],
    changed: list[str],
    replaced: list[str],
) -> None:
    """By what is there, not by what was asked for last."""
    answer = stub.Diff(provider_pb2.DiffRequest(urn=urn(kind), olds=sent(there), news=sent(wanted)))

    assert (list(answer.diffs), list(answer.replaces)) == (changed, replaced)
    assert set(answer.detailedDiff) == set(changed)
    some = provider_pb2.DiffResponse.DIFF_SOME
    assert (answer.changes == some) is bool(changed)


def test_a_preview_makes_no_request_and_leaves_open_what_the_service_decides(
    stub: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    """No account was given to this provider."""
    answer = stub.Create(
        provider_pb2.CreateRequest(urn=urn("SpacesKey"), properties=sent(KEY), preview=True)
    )

    assert received(answer.properties) == {
        **KEY,
        **dict.fromkeys(("accessKey", "createdAt", "secretKey"), UNKNOWN),
    }


@pytest.mark.parametrize("call", UNSUPPORTED)
def test_an_unsupported_call_is_refused_by_name(
    stub: provider_pb2_grpc.ResourceProviderStub, call: str
) -> None:
    """So that no user takes the fake for the official plugin."""
    descriptor = provider_pb2.DESCRIPTOR.services_by_name["ResourceProvider"].methods_by_name[call]
    request = getattr(provider_pb2, descriptor.input_type.name, Struct)()

    with pytest.raises(grpc.RpcError) as refusal:
        next(iter(getattr(stub, call)(request)))

    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert f"{call} is not supported by {FAKE}" in str(refusal.value.details())


@pytest.mark.parametrize(
    ("token", "id_", "reported"),
    [
        ("digitalocean:index/droplet:Droplet", "1", f"{FAKE} has no type digitalocean:index"),
        ("digitalocean:index/spacesBucketObject:SpacesBucketObject", "k", "cannot be imported"),
        ("digitalocean:index/spacesBucket:SpacesBucket", "c", "requires the format: <region>,"),
    ],
)
def test_what_cannot_be_read_is_refused(
    stub: provider_pb2_grpc.ResourceProviderStub, token: str, id_: str, reported: str
) -> None:
    """Types that it has not, and imports that officially are none."""
    with pytest.raises(grpc.RpcError) as refusal:
        stub.Read(provider_pb2.ReadRequest(urn=f"urn:pulumi:test::p::{token}::r", id=id_))

    assert reported in str(refusal.value.details())


def test_unknown_settings_of_the_provider_are_refused_and_the_token_is_a_secret(
    stub: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    """As in every program's configuration."""
    news = sent({"token": "t", "spacesKey": "k"})
    answer = stub.CheckConfig(provider_pb2.CheckRequest(urn="urn:p", news=news))

    assert [failure.property for failure in answer.failures] == ["spacesKey"]
    assert answer.inputs["token"][rpc._special_sig_key] == rpc._special_secret_sig


def test_values_travel_unchanged() -> None:
    """Whole numbers stay whole, secrets are opened, what is unknown stays so."""
    value = {"a": [1, 2.5, {"b": UNKNOWN}], "c": True, "d": "", "e": {}}

    assert received(sent({**value, "f": "s", "g": None}, secret=frozenset({"f"}))) == {
        **value,
        "f": "s",
    }

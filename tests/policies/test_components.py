"""What the component itself makes is right by every rule, on every backend."""

from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockResourceArgs

from nix_cache import BinaryCache, BinaryCacheArgs
from nix_cache.policy.model import Resource, Scope
from nix_cache.policy.rules import all_rules
from nix_cache.policy.storage_types import CACHE, canonical
from tests.fakes.aws_answers import FREE
from tests.policies.stacks import found
from tests.unit.mocks import Recorder, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_digitalocean")

MINIO: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "bucket": "our-cache",
    "expire_after_days": 90,
    "minio": {"endpoint": "https://minio.example.org"},
}
AWS: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "backend": "aws",
    "bucket": "our-cache",
    "expire_after_days": 90,
    "aws": {"region": "eu-central-1", "versioning": True, "nar_storage_class": "STANDARD_IA"},
}
BEHIND_CLOUDFRONT: BinaryCacheArgs = {
    **AWS,
    "public": True,
    "aws": {"region": "eu-central-1", "cloudfront": {}},
}
KEYLESS: BinaryCacheArgs = {
    **AWS,
    "writers": [
        {"name": "ci-runner", "github_repository": "team/cache", "github_branch": "main"},
        {"name": "cd-runner", "github_repository": "team/cache", "github_environment": "prod"},
    ],
}
SPACES: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "backend": "spaces",
    "bucket": "our-cache",
    "expire_after_days": 90,
    "spaces": {"region": "fra1"},
}
B2: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "backend": "b2",
    "bucket": "our-cache",
    "b2": {"region": "eu-central-003"},
}


class AnyBackend(Recorder):
    """The mocks, with what each provider computes."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Register a resource; nothing is taken, and keys are drawn."""
        id_, state = super().new_resource(args)
        drawn = ("accessKey", "secretKey", "secret_access_key", "bucketDomainName", "endpoint")
        return id_, {"problem": "", **{name: f"{name}.example" for name in drawn}, **state}


def made(args: BinaryCacheArgs) -> list[Resource]:
    """The stack that a program with this cache has, as the engine would show it."""
    urls: dict[str, Any] = {}

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", args)
        return pulumi.Output.all(read_url=cache.read_url, push_urls=cache.push_urls).apply(
            urls.update
        )

    recorder = run(program, AnyBackend(answers=dict(FREE)))
    return [
        Resource(
            type=canonical(one.type),
            name=one.name,
            urn=one.name,
            properties=urls if one.type == CACHE else {**one.inputs, "id": f"{one.name}-id"},
            protect=one.protect,
            secrets=one.secret_inputs,
            parent=one.parent,
        )
        for one in recorder.resources
    ]


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(MINIO, id="minio, private"),
        pytest.param({**MINIO, "public": True}, id="minio, public"),
        pytest.param(AWS, id="aws, private"),
        pytest.param({**AWS, "public": True}, id="aws, public"),
        pytest.param(BEHIND_CLOUDFRONT, id="aws, behind cloudfront"),
        pytest.param(KEYLESS, id="aws, keyless"),
        pytest.param(SPACES, id="spaces, private"),
        pytest.param({**SPACES, "public": True}, id="spaces, public"),
        pytest.param(B2, id="b2, private"),
        pytest.param({**B2, "public": True}, id="b2, public"),
    ],
)
def test_a_cache_is_right_by_every_rule(args: BinaryCacheArgs) -> None:
    """In production. Each rule that stops is asked of each resource."""
    resources = made(args)

    violations = [
        found(rule, one, *(resources if rule.scope is Scope.STACK else ()))
        for rule in all_rules()
        for one in resources
        if not rule.is_advisory
    ]
    assert not any(violations), "\n".join(filter(None, violations))
    assert {one.type.rpartition(":")[2] for one in resources} >= {"BinaryCache", "SigningKey"}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (MINIO, set()),
        (AWS, set()),
        (SPACES, set()),
        ({**SPACES, "public": True}, {"c-nixbuilder"}),
        (B2, set()),
    ],
    ids=["minio", "aws", "spaces, private", "spaces, public", "b2"],
)
def test_what_is_only_told_is_a_public_spaces_writer(args: BinaryCacheArgs, told: set[str]) -> None:
    """A backend that has no narrower key."""
    advisory = [rule for rule in all_rules() if rule.is_advisory]
    resources = made(args)

    assert {one.name for rule in advisory for one in resources if found(rule, one)} == told


@pytest.mark.parametrize("args", [MINIO, AWS, SPACES, B2], ids=["minio", "aws", "spaces", "b2"])
def test_a_cache_that_is_not_protected_is_wrong_in_production(args: BinaryCacheArgs) -> None:
    """The rules do look at what the component makes: its bucket and its key."""
    [rule] = [rule for rule in all_rules() if rule.id == "deletion-protection"]
    resources = made({**args, "protect": False})

    violations = "\n".join(found(rule, one) for one in resources)
    assert "c-bucket is not protected" in violations
    assert "c-bucket may be deleted with all that is in it" in violations
    assert "c-nixbuilder-key-1 is not protected" in violations


@pytest.mark.parametrize("args", [MINIO, AWS, SPACES, B2], ids=["minio", "aws", "spaces", "b2"])
def test_a_cache_without_its_info_is_wrong(args: BinaryCacheArgs) -> None:
    """The rules know the bucket and the object of each backend."""
    [rule] = [rule for rule in all_rules() if rule.id == "one-cache-info"]
    resources = made(args)
    [bucket] = [one for one in resources if one.name == "c-bucket"]
    others = [one for one in resources if one.name != "c-nix-cache-info"]

    assert len(others) == len(resources) - 1
    assert not found(rule, bucket, *resources)
    assert "has no nix-cache-info" in found(rule, bucket, *others)

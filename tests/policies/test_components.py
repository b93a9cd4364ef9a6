"""What the component itself makes is right by every rule, on every backend."""

from dataclasses import replace
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockResourceArgs

from nix_cache import BinaryCache, BinaryCacheArgs, WriterArgs
from nix_cache.backends.comparison import EXPIRY_RULES
from nix_cache.backends.registry import BACKENDS
from nix_cache.policy.model import Resource, RuleScope
from nix_cache.policy.rules import all_rules
from nix_cache.policy.rules.access import WRITERS_ONLY_WRITE
from nix_cache.policy.storage_types import CACHE, canonical
from tests.fakes.aws_answers import FREE
from tests.policies.stacks import allow, deny, document, found
from tests.samples import SAMPLES
from tests.unit.mocks import Recorder, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_digitalocean")

BEHIND_CLOUDFRONT: BinaryCacheArgs = {
    **SAMPLES["aws"],
    "public": True,
    "aws": {"region": "eu-central-1", "cloudfront": {}},
}
IN_ANOTHER_STORAGE_CLASS: BinaryCacheArgs = {
    **SAMPLES["aws"],
    "aws": {"region": "eu-central-1", "versioning": True, "nar_storage_class": "STANDARD_IA"},
}
EXPIRING: dict[str, BinaryCacheArgs] = {
    name: {**args, "expire_after_days": 90}
    if (BACKENDS[name].lifecycle_rules or EXPIRY_RULES) >= EXPIRY_RULES
    else args
    for name, args in SAMPLES.items()
}
"""By backend, with expiry where a bucket can have enough rules for it."""

WITH_JANITOR: dict[str, BinaryCacheArgs] = {
    **{name: {**args, "janitor": True} for name, args in SAMPLES.items()},
    "aws, with versions": {
        **SAMPLES["aws"],
        "janitor": True,
        "aws": {"region": "eu-central-1", "versioning": True},
    },
}

WITH_ACCESS_LOGS: BinaryCacheArgs = {
    **SAMPLES["aws"],
    "public": True,
    "aws": {"region": "eu-central-1", "access_logs": {}},
}

OIDC_WRITERS: BinaryCacheArgs = {
    **SAMPLES["aws"],
    "writers": [
        {"name": "ci-runner", "github_repository": "team/cache", "github_branch": "main"},
        {"name": "cd-runner", "github_repository": "team/cache", "github_environment": "prod"},
    ],
}


CACHE_URN = f"urn:pulumi:prod::team::{CACHE}::c"

CLEANING = document(
    allow("s3:DeleteObject"), deny("s3:DeleteObject", "arn:aws:s3:::b/nix-cache-info")
)
DELETING: dict[str, Any] = {
    "policy": CLEANING,
    "inlinePolicies": [{"policy": CLEANING}],
    "capabilities": ["deleteFiles"],
}
"""The properties by which a credential can delete, of every type of resource."""


class AnyBackend(Recorder):
    """The mocks, with what each provider computes."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Register a resource; nothing is taken, and keys are drawn."""
        id_, state = super().new_resource(args)
        drawn = ("accessKey", "secretKey", "secret_access_key", "bucketDomainName", "endpoint")
        return id_, {"problem": "", **{name: f"{name}.example" for name in drawn}, **state}


def made(args: BinaryCacheArgs) -> list[Resource]:
    """Return the stack that a program with this cache has, as the engine would show it."""
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
            urn=CACHE_URN if one.type == CACHE else one.name,
            properties=urls if one.type == CACHE else {**one.inputs, "id": f"{one.name}-id"},
            protect=one.protect,
            secrets=one.secret_inputs,
            parent=CACHE_URN if one.parent == "c" else one.parent,
        )
        for one in recorder.resources
    ]


@pytest.mark.parametrize(
    "args",
    [
        *(
            pytest.param({**EXPIRING[name], "public": public}, id=f"{name}, {word}")
            for name in EXPIRING
            for public, word in ((False, "private"), (True, "public"))
        ),
        pytest.param(IN_ANOTHER_STORAGE_CLASS, id="aws, in another storage class"),
        pytest.param(BEHIND_CLOUDFRONT, id="aws, behind cloudfront"),
        pytest.param(OIDC_WRITERS, id="aws, OIDC writers"),
        pytest.param(WITH_ACCESS_LOGS, id="aws, with access logs"),
        *(pytest.param(args, id=f"{name}, with a janitor") for name, args in WITH_JANITOR.items()),
    ],
)
def test_a_cache_is_right_by_every_rule(args: BinaryCacheArgs) -> None:
    """In production. Each rule that stops is asked of each resource."""
    resources = made(args)

    violations = [
        found(rule, one, *(resources if rule.scope is RuleScope.STACK else ()))
        for rule in all_rules()
        for one in resources
        if not rule.is_advisory
    ]
    assert not any(violations), "\n".join(filter(None, violations))
    assert {one.type.rpartition(":")[2] for one in resources} >= {"BinaryCache", "SigningKey"}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("public", [False, True])
def test_the_only_advisory_violation_is_the_writer_of_a_public_space(
    name: str, public: bool
) -> None:
    """A backend that has no narrower key."""
    advisory = [rule for rule in all_rules() if rule.is_advisory]
    resources = made({**SAMPLES[name], "public": public})

    violations = {one.name for rule in advisory for one in resources if found(rule, one)}
    assert violations == ({"c-nixbuilder"} if name == "spaces" and public else set())


@pytest.mark.parametrize("args", SAMPLES.values(), ids=SAMPLES)
def test_a_cache_that_is_not_protected_is_wrong_in_production(args: BinaryCacheArgs) -> None:
    """The rules do look at what the component makes: its bucket and its key."""
    [rule] = [rule for rule in all_rules() if rule.id == "deletion-protection"]
    resources = made({**args, "protect": False})

    violations = "\n".join(found(rule, one) for one in resources)
    assert "c-bucket is not protected" in violations
    assert "c-bucket may be deleted with all that is in it" in violations
    assert "c-nixbuilder-key-1 is not protected" in violations


@pytest.mark.parametrize("args", SAMPLES.values(), ids=SAMPLES)
def test_a_cache_without_its_info_is_wrong(args: BinaryCacheArgs) -> None:
    """The rules know the bucket and the object of each backend."""
    [rule] = [rule for rule in all_rules() if rule.id == "one-cache-info"]
    resources = made(args)
    [bucket] = [one for one in resources if one.name == "c-bucket"]
    others = [one for one in resources if one.name != "c-nix-cache-info"]

    assert len(others) == len(resources) - 1
    assert not found(rule, bucket, *resources)
    assert "has no nix-cache-info" in found(rule, bucket, *others)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("former", ["writers", "readers"])
def test_a_janitor_takes_no_resource_and_no_user_over(name: str, former: str) -> None:
    """From a writer or a reader that had its name until then."""

    def names(args: BinaryCacheArgs) -> set[tuple[str, str]]:
        named = {(one.type, one.name) for one in made(args)}
        users = {
            (one.type, str(one.properties.get(key)))
            for one in made(args)
            for key in ("name", "user_name", "key_name")
        }
        return named | users

    base: BinaryCacheArgs = {**SAMPLES[name], "writers": [{"name": "nixbuilder"}]}
    plain = names({**base, "readers": ["laptop"]})
    users: BinaryCacheArgs = (
        {**base, "writers": [{"name": "nixbuilder"}, {"name": "janitor"}], "readers": ["laptop"]}
        if former == "writers"
        else {**base, "readers": ["laptop", "janitor"]}
    )
    of_user = names(users) - plain
    of_janitor = names({**base, "readers": ["laptop"], "janitor": True}) - plain

    assert len(of_janitor) >= 2
    assert len(of_user) >= 2
    assert not of_user & of_janitor


@pytest.mark.parametrize("name", WITH_JANITOR)
def test_only_the_janitor_of_a_cache_may_delete(name: str) -> None:
    """Whatever writers and readers are called, of all whom the rule stops without exemptions."""
    writers: list[WriterArgs] = [{"name": "x-janitor"}, {"name": "janitor-policy"}]
    if name == "aws":
        writers.append({**OIDC_WRITERS["writers"][0], "name": "ci-janitor"})
    args: BinaryCacheArgs = {
        **WITH_JANITOR[name],
        "writers": writers,
        "readers": ["gc-janitor", "x-gc-janitor"],
    }
    deleting = [replace(one, properties=DELETING) for one in made(args) if one.type != CACHE]

    stopped = {one.name for one in deleting if found(WRITERS_ONLY_WRITE, one, janitors=[])}
    exempted = stopped - {one.name for one in deleting if found(WRITERS_ONLY_WRITE, one)}
    assert exempted <= {"c-gc_janitor", "c-gc_janitor-janitor", "c-janitor-policy"}
    assert len(exempted) == (0 if name == "spaces" else 1)
    assert ("c-ci-janitor" in stopped) == (name == "aws")

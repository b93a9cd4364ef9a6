"""The component under mocks: exact inputs, absent keys, secrets, options."""

import json
from typing import Any

import pulumi
import pulumi_minio
import pytest

from nix_cache import BinaryCache, BinaryCacheArgs
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nixos_cache import NIXOS_CACHE
from nix_cache.iam.access import (
    anonymous_read_policy,
    reader_policy,
    without_administration,
    writer_policy,
)
from nix_cache.iam.lifecycle import expiry_rules
from nix_cache.render import landing_page, nix_conf
from tests.unit.mocks import Recorder, run

PUBLIC: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "public": True,
    "minio": {"endpoint": "https://minio.example.org:9000"},
}
PRIVATE: BinaryCacheArgs = {**PUBLIC, "public": False}
KEY = signing.generate("cache.example.org-1")


def made(args: BinaryCacheArgs, name: str = "c", recorder: Recorder | None = None) -> Recorder:
    """Return what a component with these arguments registers."""
    return run(lambda: BinaryCache(name, args).manifest, recorder)


def outputs_of(args: BinaryCacheArgs) -> tuple[dict[str, Any], set[str]]:
    """Return the component's outputs, and the names of those that are secrets."""
    values: dict[str, Any] = {}
    secret: set[str] = set()

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", args)
        outputs = {name: getattr(cache, name) for name in BinaryCache.__annotations__}

        async def look() -> None:
            for name, output in outputs.items():
                values[name] = await output.future()
                if await output.is_secret():
                    secret.add(name)

        return pulumi.Output.from_input(look())

    run(program)
    return values, secret


def test_a_program_reaches_the_resources_of_a_cache() -> None:
    """By name and in their own class, to add what the component does not have."""
    found: dict[str, type] = {}
    names: list[str] = []

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", PUBLIC)
        found.update({name: type(resource) for name, resource in cache.resources.items()})
        return cache.bucket_name.apply(names.append)

    recorder = run(program)

    children = {r.name.removeprefix("c-") for r in recorder.resources if r.parent == "c"}
    assert found.keys() == children
    assert found["bucket"] is pulumi_minio.S3Bucket
    assert names == ["nix-cache"]


def test_a_program_reaches_resources_that_share_a_name() -> None:
    """A writer may have the name of something else in the cache."""
    found: dict[str, type] = {}

    def program() -> pulumi.Output[Any]:
        cache = BinaryCache("c", {**PUBLIC, "writers": [{"name": "bucket"}]})
        found.update({name: type(resource) for name, resource in cache.resources.items()})
        return cache.manifest

    recorder = run(program)

    assert len(found) == len([r for r in recorder.resources if r.parent == "c"])
    assert "bucket" not in found
    assert found["bucket:S3Bucket"] is pulumi_minio.S3Bucket
    assert found["bucket:IamUser"] is pulumi_minio.IamUser


def test_a_public_cache_registers_exactly_these_resources() -> None:
    """Nothing more than it needs, each under the component's name."""
    recorder = made(PUBLIC)

    assert sorted((r.type.rpartition(":")[2], r.name) for r in recorder.resources) == [
        ("BinaryCache", "c"),
        ("IamPolicy", "c-write-policy"),
        ("IamUser", "c-nixbuilder"),
        ("IamUserPolicyAttachment", "c-nixbuilder-write"),
        ("NameReservation", "c-names"),
        ("S3Bucket", "c-bucket"),
        ("S3BucketPolicy", "c-anonymous-read"),
        ("S3Object", "c-index.html"),
        ("S3Object", "c-nix-cache-info"),
        ("S3Object", "c-nix-cache.json"),
        ("SigningKey", "c-nixbuilder-key-1"),
    ]


def test_the_bucket_is_private_protected_and_not_forced_away() -> None:
    """The canned ACL for reading would allow anonymous listing of every bucket."""
    bucket = made(PUBLIC).one(":S3Bucket", "c-bucket")

    assert bucket.inputs == {"bucket": "nix-cache", "acl": "private", "forceDestroy": False}
    assert bucket.protect


def test_a_development_cache_can_be_removed_with_all_that_is_in_it() -> None:
    """Only without protection."""
    recorder = made({**PUBLIC, "protect": False})
    bucket = recorder.one(":S3Bucket", "c-bucket")

    assert bucket.inputs["forceDestroy"] is True
    assert not any(resource.protect for resource in recorder.resources)


def test_the_bucket_and_the_keys_are_protected_and_nothing_else() -> None:
    """A protected policy could not be corrected by replacing it."""
    recorder = made({**PRIVATE, "writers": [{"name": "nixbuilder", "generation": 2}]})

    assert {r.name for r in recorder.resources if r.protect} == {
        "c-bucket",
        "c-nixbuilder-key-1",
        "c-nixbuilder-key-2",
    }


def test_anonymous_read_is_a_separate_policy_and_absent_from_a_private_cache() -> None:
    """GetObject for anonymous requests, or nothing at all."""
    policy = made(PUBLIC).one(":S3BucketPolicy", "c-anonymous-read")

    assert set(policy.inputs) == {"bucket", "policy"}
    assert json.loads(policy.inputs["policy"]) == anonymous_read_policy("nix-cache")
    assert made(PRIVATE).names(":S3BucketPolicy") == []


def test_nix_cache_info_is_an_object_with_its_own_content_type() -> None:
    """Exactly these inputs, so that nothing else of it can differ."""
    args: BinaryCacheArgs = {**PUBLIC, "priority": 30, "want_mass_query": False}

    assert made(args).one(":S3Object", "c-nix-cache-info").inputs == {
        "bucketName": "nix-cache",
        "objectName": "nix-cache-info",
        "content": "StoreDir: /nix/store\nWantMassQuery: 0\nPriority: 30\n",
        "contentType": "text/x-nix-cache-info",
    }


def test_a_public_cache_has_a_page_for_people_and_a_manifest_for_clients() -> None:
    """Both have the part of the output that is for readers."""
    recorder = made(PUBLIC)
    values, _ = outputs_of(PUBLIC)
    manifest = Manifest.model_validate(values["manifest"])
    published = {
        **values["manifest"],
        "pushUrls": {},
        "profiles": {},
        "keyNames": {},
        "readers": [],
    }

    assert recorder.one(":S3Object", "c-index.html").inputs == {
        "bucketName": "nix-cache",
        "objectName": "index.html",
        "content": landing_page.render("cache.example.org", manifest),
        "contentType": "text/html; charset=utf-8",
    }
    assert recorder.one(":S3Object", "c-nix-cache.json").inputs == {
        "bucketName": "nix-cache",
        "objectName": "nix-cache.json",
        "content": json.dumps(published, indent=2, sort_keys=True) + "\n",
        "contentType": "application/json",
    }


@pytest.mark.parametrize(
    ("args", "objects"),
    [
        (PRIVATE, []),
        ({**PRIVATE, "landing_page": True}, ["c-index.html"]),
        ({**PRIVATE, "manifest": True}, ["c-nix-cache.json"]),
        ({**PUBLIC, "landing_page": False}, ["c-nix-cache.json"]),
        ({**PUBLIC, "landing_page": False, "manifest": False}, []),
    ],
)
def test_a_page_and_a_manifest_are_there_as_asked_for(
    args: BinaryCacheArgs, objects: list[str]
) -> None:
    """By default in public caches alone; and the structured output says which there are."""
    values, _ = outputs_of(args)

    assert set(made(args).names(":S3Object")) - {"c-nix-cache-info"} == set(objects)
    assert values["manifest"]["landingPage"] == ("c-index.html" in objects)
    assert values["manifest"]["descriptor"] == ("c-nix-cache.json" in objects)


def test_no_object_in_the_bucket_holds_a_secret() -> None:
    """They are public, also when keys and credentials are many."""
    args: Any = {
        **PUBLIC,
        "readers": ["ops-team"],
        "writers": [{"name": "abc", "generation": 2}, {"name": "def"}],
    }
    objects = [r for r in made(args).resources if r.type.endswith(":S3Object")]

    assert len(objects) == 3
    for kept in objects:
        assert "content" not in kept.secret_inputs
        assert "SECRET" not in kept.inputs["content"]
        assert "secret-of" not in kept.inputs["content"]


def test_every_writer_and_reader_is_a_user_with_one_policy() -> None:
    """The secret is drawn by the provider: no input of ours could leak it."""
    recorder = made({**PRIVATE, "writers": [{"name": "ci-x"}, {"name": "ops"}]})

    assert recorder.names(":IamUser") == ["c-ci-x", "c-nixreader", "c-ops"]
    assert recorder.one(":IamUser", "c-ci-x").inputs == {"name": "ci-x"}
    assert recorder.one(":IamUserPolicyAttachment", "c-ci-x-write").inputs == {
        "userName": "ci-x",
        "policyName": "nix-cache-write",
    }
    assert recorder.one(":IamUserPolicyAttachment", "c-nixreader-read").inputs == {
        "userName": "nixreader",
        "policyName": "nix-cache-read",
    }
    assert recorder.names(":IamUserPolicyAttachment") == [
        "c-ci-x-write",
        "c-nixreader-read",
        "c-ops-write",
    ]


def test_there_is_one_policy_for_each_privilege_that_a_user_has() -> None:
    """Writers share theirs, and a cache without readers has none for them."""
    private = made({**PRIVATE, "writers": [{"name": "ci-x"}, {"name": "ops"}]})

    assert private.names(":IamPolicy") == ["c-read-policy", "c-write-policy"]
    write = private.one(":IamPolicy", "c-write-policy").inputs
    read = private.one(":IamPolicy", "c-read-policy").inputs
    assert (write["name"], json.loads(write["policy"])) == (
        "nix-cache-write",
        without_administration(writer_policy("nix-cache")),
    )
    assert (read["name"], json.loads(read["policy"])) == (
        "nix-cache-read",
        without_administration(reader_policy("nix-cache")),
    )
    assert made(PUBLIC).names(":IamPolicy") == ["c-write-policy"]


@pytest.mark.parametrize(
    ("bucket", "prefix", "user"),
    [
        ("nix-cache", None, "nixbuilder"),
        ("team-a", None, "team-a-nixbuilder"),
        ("team-a", "", "nixbuilder"),
        ("nix-cache", "x-", "x-nixbuilder"),
    ],
)
def test_users_of_further_caches_on_a_server_are_distinguished(
    bucket: str, prefix: str | None, user: str
) -> None:
    """The recipe's bucket has the recipe's user; its profile is the user's name."""
    minio = {**PUBLIC["minio"], **({} if prefix is None else {"user_prefix": prefix})}
    args: Any = {**PUBLIC, "bucket": bucket, "minio": minio}
    recorder = made(args)
    values, _ = outputs_of(args)

    assert recorder.one(":IamUser", "c-nixbuilder").inputs["name"] == user
    assert f"profile={user}&" in values["push_urls"]["nixbuilder"]
    assert recorder.one(":IamPolicy", "c-write-policy").inputs["name"] == f"{bucket}-write"


def test_the_lifecycle_has_every_rule_and_is_absent_unless_asked_for() -> None:
    """Rules by id, prefix and days, and no other keys."""
    rules = made({**PUBLIC, "expire_after_days": 90}).one(":IlmPolicy", "c-expiry").inputs["rules"]

    assert rules == [
        {"id": rule.id, "filter": rule.prefix, "expiration": f"{rule.days}d"}
        for rule in expiry_rules(90)
    ]
    assert made(PUBLIC).names(":IlmPolicy") == []


def test_every_generation_that_is_kept_has_a_key() -> None:
    """A retired one has none any more."""
    writers: Any = [{"name": "nixbuilder", "generation": 3, "trusted_generations": [1]}]
    recorder = made({**PUBLIC, "writers": writers})

    assert recorder.names(":SigningKey") == ["c-nixbuilder-key-1", "c-nixbuilder-key-3"]
    key = recorder.one(":SigningKey", "c-nixbuilder-key-3")
    assert key.inputs == {"key_name": "cache.example.org-nixbuilder-3"}
    assert key.secret_outputs == {"secret_key"}


def test_a_key_that_is_brought_in_goes_to_the_current_generation_as_a_secret() -> None:
    """Also when it was handed over as plain text."""
    writers: Any = [{"name": "nixbuilder", "generation": 2, "signing_key": KEY.secret_text}]
    recorder = made({**PUBLIC, "writers": writers})

    current = recorder.one(":SigningKey", "c-nixbuilder-key-2")
    assert current.inputs["brought_in"] == KEY.secret_text
    assert current.secret_inputs == {"brought_in"}
    assert "brought_in" not in recorder.one(":SigningKey", "c-nixbuilder-key-1").inputs


def test_what_bears_a_name_depends_on_the_reservation() -> None:
    """So that an interrupted destroy never leaves a user whose name is not reserved."""
    recorder = made({**PUBLIC, "expire_after_days": 9})

    for resource in (
        recorder.one(":S3Bucket", "c-bucket"),
        recorder.one(":IamPolicy", "c-write-policy"),
        recorder.one(":IamUser", "c-nixbuilder"),
    ):
        assert resource.depends_on == {"c-names"}


def test_a_further_writer_adds_three_small_resources() -> None:
    """A user, the attachment of the policy and a signing key, as a plain program declares them.

    The state is written whole at each step, so what a writer adds to it counts squared. A resource
    with the SDK's trace of the call stack would have 2 kB more.
    """
    few, many = (
        made({**PUBLIC, "writers": [{"name": f"writer-{number}"} for number in range(count)]})
        for count in (1, 11)
    )

    assert len(many.resources) - len(few.resources) == 3 * 10
    few_bytes, many_bytes = (sum(r.size_bytes for r in made.resources) for made in (few, many))
    assert many_bytes - few_bytes <= 2_500 * 10


def test_no_resource_depends_on_more_with_every_writer() -> None:
    """The state is written at every step, and would grow with the square of the writers."""
    recorder = made({**PUBLIC, "writers": [{"name": f"writer-{number}"} for number in range(30)]})
    on_server = [r for r in recorder.resources if r.type.startswith("minio:")]

    assert len(on_server) > 60
    texts = (":S3Object", "c-index.html"), (":S3Object", "c-nix-cache.json")
    about_all = [recorder.one(*text).name for text in texts]  # they name all keys
    for resource in on_server:
        assert resource.name in about_all or len(resource.depends_on) <= 4, resource.depends_on


def test_settings_of_the_bucket_are_made_one_after_the_other() -> None:
    """MinIO rewrites them in one file without a lock, and may lose one of two."""
    recorder = made({**PUBLIC, "expire_after_days": 9})

    assert "c-anonymous-read" in recorder.one(":IlmPolicy", "c-expiry").depends_on
    private = made({**PRIVATE, "expire_after_days": 9}).one(":IlmPolicy", "c-expiry")
    assert "c-anonymous-read" not in private.depends_on


def test_a_name_that_is_taken_is_one_error_and_nothing_on_the_server_is_made() -> None:
    """All of them in one message."""
    recorder = Recorder(taken={"nixbuilder": "the user is there", "nix-cache": "the bucket is"})

    with pytest.raises(pulumi.RunError) as refusal:
        made(PUBLIC, recorder=recorder)

    assert "the user is there" in str(refusal.value)
    assert "the bucket is" in str(refusal.value)
    assert [r.name for r in recorder.resources if r.type.startswith("minio:")] == []


def test_all_children_belong_to_the_component() -> None:
    """And none to each other."""
    recorder = made({**PRIVATE, "expire_after_days": 9})

    assert {r.parent for r in recorder.resources if r.name != "c"} == {"c"}


def test_signing_keys_and_credentials_are_secrets_and_the_rest_is_not() -> None:
    """What a client has to be reported can be printed."""
    values, secret = outputs_of(PRIVATE)

    assert secret == {"signing_keys", "credentials"}
    assert values["signing_keys"] == {"nixbuilder": "cache.example.org-nixbuilder-1:SECRET"}
    assert values["credentials"] == {
        "nixbuilder": {
            "accessKeyId": "nixbuilder",
            "secretAccessKey": "secret-of-nixbuilder",
        },
        "nixreader": {"accessKeyId": "nixreader", "secretAccessKey": "secret-of-nixreader"},
    }


def test_public_keys_are_those_in_use_first_and_then_the_retired() -> None:
    """Clients trust all of them."""
    args: Any = {
        **PUBLIC,
        "writers": [{"name": "abc", "generation": 2}, {"name": "def"}],
        "retired_public_keys": [KEY.public_text],
    }
    values, _ = outputs_of(args)

    assert values["public_keys"] == [
        "cache.example.org-abc-2:PUBLIC",
        "cache.example.org-abc-1:PUBLIC",
        "cache.example.org-def-1:PUBLIC",
        KEY.public_text,
    ]


def test_a_public_cache_is_read_by_https_and_a_private_one_by_a_readers_profile() -> None:
    """Anonymous reading through s3:// is slow, and a private cache needs a signature."""
    public, _ = outputs_of(PUBLIC)
    private, _ = outputs_of(PRIVATE)

    assert public["read_url"] == "https://minio.example.org:9000/nix-cache"
    assert private["read_url"].startswith("s3://nix-cache?profile=nixreader&")
    assert f"extra-substituters = {private['read_url']}\n" in private["nix_conf"]
    assert private["read_url"] in private["nixos_module"]


def test_the_structured_output_is_complete_and_holds_no_secret() -> None:
    """A client reads this instead of parsing text."""
    args: Any = {
        **PRIVATE,
        "bucket": "team-a",
        "writers": [{"name": "abc", "generation": 2}, {"name": "def"}],
        "expire_after_days": 90,
    }
    values, _ = outputs_of(args)

    assert values["manifest"] == {
        "version": 1,
        "backend": "minio",
        "bucket": "team-a",
        "endpoint": "https://minio.example.org:9000",
        "region": "us-east-1",
        "public": False,
        "storeDir": "/nix/store",
        "priority": 40,
        "wantMassQuery": True,
        "readUrl": values["read_url"],
        "pushUrls": values["push_urls"],
        "profiles": {"abc": "team-a-abc", "def": "team-a-def", "nixreader": "team-a-nixreader"},
        "publicKeys": values["public_keys"],
        "keyNames": {"abc": "cache.example.org-abc-2", "def": "cache.example.org-def-1"},
        "readers": ["nixreader"],
        "upstreams": {url: list(keys) for url, keys in NIXOS_CACHE.items()},
        "partSizeMib": 0,
        "accessLogs": None,
        "expireAfterDays": 90,
        "landingPage": False,
        "descriptor": False,
    }


def test_the_manifest_is_also_the_output_of_its_former_name() -> None:
    """Programs of 0.1.0 read `cache`. Neither is a secret."""
    values, secret = outputs_of(PRIVATE)

    assert values["cache"] == values["manifest"]
    assert not {"cache", "manifest"} & secret


def test_an_argument_under_its_former_name_gives_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In Python's spelling, and only if it is used."""
    args: Any = {**PRIVATE, "descriptor": True}

    assert "c-nix-cache.json" in made(args).names(":S3Object")
    assert caplog.messages == ["descriptor is deprecated. Rename it to manifest."]
    caplog.clear()
    made({**PRIVATE, "manifest": True})
    assert caplog.messages == []


def test_the_flake_config_has_the_read_url_and_every_key() -> None:
    """As nix.conf and the NixOS module do."""
    values, _ = outputs_of({**PUBLIC, "retired_public_keys": [KEY.public_text]})

    assert values["flake_config"] == nix_conf.flake_config(
        values["read_url"], values["public_keys"]
    )


def test_wrong_arguments_are_reported_all_at_once_before_anything_is_registered() -> None:
    """In the spelling of Python arguments, with the component's name."""
    recorder = Recorder()

    with pytest.raises(pulumi.RunError) as refusal:
        made({**PUBLIC, "priority": -1, "bucket": "X"}, recorder=recorder)

    assert recorder.resources == []
    assert str(refusal.value).startswith("c: 2 mistakes")
    with pytest.raises(pulumi.RunError, match="expire_after_days = -1 is below 0"):
        made({**PUBLIC, "expire_after_days": -1})

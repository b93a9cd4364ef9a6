"""The backend Spaces under mocks: exact inputs, public and private, with a CDN and without."""

import hashlib
import json
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockResourceArgs

from nix_cache import BinaryCache, BinaryCacheArgs
from nix_cache.iam.access import anonymous_read_policy
from nix_cache.iam.lifecycle import expiry_rules
from tests.unit.mocks import Recorder, run

pytestmark = pytest.mark.filterwarnings("ignore:digitalocean:DeprecationWarning")

PRIVATE: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "backend": "spaces",
    "bucket": "our-cache",
    "spaces": {"region": "fra1"},
}
PUBLIC: BinaryCacheArgs = {**PRIVATE, "public": True}
WITH_CDN: BinaryCacheArgs = {**PUBLIC, "spaces": {"region": "fra1", "cdn": {}}}
OWN_DOMAIN = {"domain_name": "nix.example.org", "certificate_name": "nix-example-org"}


class Spaces(Recorder):
    """The mocks, with what DigitalOcean computes."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Register a resource; what DigitalOcean would compute is added to its inputs."""
        id_, state = super().new_resource(args)
        name = args.inputs.get("name", args.name)
        computed: dict[str, Any] = {}
        if args.typ.endswith(":SpacesKey"):
            computed = {"accessKey": f"id-of-{name}", "secretKey": f"secret-of-{name}"}
        elif args.typ.endswith(":SpacesBucket"):
            computed = {"bucketDomainName": f"{name}.fra1.digitaloceanspaces.com"}
        elif args.typ.endswith(":Cdn"):
            computed = {"endpoint": args.inputs["origin"].replace(".fra1.", ".fra1.cdn.")}
        return id_, {**state, **computed}


def made(args: BinaryCacheArgs) -> Recorder:
    """Return what a component with these arguments registers."""
    return run(lambda: BinaryCache("c", args).manifest, Spaces())


def output_of(args: BinaryCacheArgs, name: str) -> tuple[Any, bool]:
    """One of the component's outputs, and whether it is a secret."""
    found: list[Any] = []

    def program() -> pulumi.Output[Any]:
        output = getattr(BinaryCache("c", args), name)

        async def look() -> None:
            found.extend((await output.future(), await output.is_secret()))

        return pulumi.Output.from_input(look())

    run(program, Spaces())
    return found[0], found[1]


def test_a_private_cache_registers_exactly_these_resources() -> None:
    """A key for all users, and no policy beside them."""
    assert sorted((r.type.rpartition(":")[2], r.name) for r in made(PRIVATE).resources) == [
        ("BinaryCache", "c"),
        ("NameReservation", "c-names"),
        ("SigningKey", "c-nixbuilder-key-1"),
        ("SpacesBucket", "c-bucket"),
        ("SpacesBucketObject", "c-nix-cache-info"),
        ("SpacesKey", "c-nixbuilder"),
        ("SpacesKey", "c-nixreader"),
    ]


def test_a_public_cache_registers_exactly_these_resources() -> None:
    """A policy, and no key but the writer's."""
    assert sorted((r.type.rpartition(":")[2], r.name) for r in made(PUBLIC).resources) == [
        ("BinaryCache", "c"),
        ("NameReservation", "c-names"),
        ("SigningKey", "c-nixbuilder-key-1"),
        ("SpacesBucket", "c-bucket"),
        ("SpacesBucketObject", "c-index.html"),
        ("SpacesBucketObject", "c-nix-cache-info"),
        ("SpacesBucketObject", "c-nix-cache.json"),
        ("SpacesBucketPolicy", "c-anonymous-read"),
        ("SpacesKey", "c-nixbuilder"),
    ]


def test_the_bucket_is_private_protected_and_clears_up_unfinished_uploads() -> None:
    """No ACL allows anonymous requests, and nothing expires by default."""
    bucket = made(PUBLIC).one(":SpacesBucket", "c-bucket")

    assert bucket.inputs == {
        "name": "our-cache",
        "region": "fra1",
        "acl": "private",
        "forceDestroy": False,
        "lifecycleRules": [
            {
                "id": "abort-unfinished-uploads",
                "enabled": True,
                "abortIncompleteMultipartUploadDays": 7,
            }
        ],
    }
    assert bucket.protect


def test_nothing_is_protected_where_the_cache_is_not() -> None:
    """And the bucket goes with what is in it."""
    recorder = made({**PRIVATE, "protect": False})

    assert recorder.one(":SpacesBucket", "c-bucket").inputs["forceDestroy"] is True
    assert not any(resource.protect for resource in recorder.resources)


def test_expiry_is_a_part_of_the_bucket_in_the_order_of_ids() -> None:
    """Spaces gives rules out sorted by id; another order would be a difference for ever."""
    bucket = made({**PUBLIC, "expire_after_days": 90}).one(":SpacesBucket", "c-bucket")
    _, *expiry = bucket.inputs["lifecycleRules"]

    ids = [rule["id"] for rule in bucket.inputs["lifecycleRules"]]
    assert ids == sorted(ids)
    assert {
        (rule["id"], rule["prefix"], rule["expiration"]["days"], rule["enabled"]) for rule in expiry
    } == {(rule.id, rule.prefix, rule.days, True) for rule in expiry_rules(90)}
    assert {frozenset(rule) for rule in expiry} == {
        frozenset({"id", "enabled", "prefix", "expiration"})
    }


@pytest.mark.parametrize(
    ("user", "permission"), [("nixbuilder", "readwrite"), ("nixreader", "read")]
)
def test_a_private_caches_keys_are_limited_to_its_bucket(user: str, permission: str) -> None:
    """Each under the bucket's name, as keys belong to the whole account."""
    assert made(PRIVATE).one(":SpacesKey", f"c-{user}").inputs == {
        "name": f"our-cache-{user}",
        "grants": [{"bucket": "our-cache", "permission": permission}],
    }


def test_a_public_caches_writer_has_a_key_to_everything() -> None:
    """Spaces takes no limited key beside a bucket policy."""
    assert made(PUBLIC).one(":SpacesKey", "c-nixbuilder").inputs == {
        "name": "our-cache-nixbuilder",
        "grants": [{"bucket": "", "permission": "fullaccess"}],
    }


def test_how_wide_a_writers_key_is_gets_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning where it opens the account, a word where it opens the bucket."""
    reported: list[tuple[str, str]] = []
    for level in ("info", "warn"):
        monkeypatch.setattr(
            f"pulumi.log.{level}", lambda text, *_, level=level: reported.append((level, text))
        )

    made(PUBLIC)
    made(PRIVATE)

    (warned, everything), (noted, bucket) = reported
    assert (warned, noted) == ("warn", "info")
    assert "'nixbuilder' opens all Spaces of the account" in everything
    assert "'nixbuilder' can do anything in the bucket 'our-cache'" in bucket


def test_anonymous_requests_read_objects_of_a_public_cache_and_nothing_else() -> None:
    """Spaces wants the principal as an object."""
    policy = made(PUBLIC).one(":SpacesBucketPolicy", "c-anonymous-read")

    assert set(policy.inputs) == {"bucket", "region", "policy"}
    assert json.loads(policy.inputs["policy"]) == anonymous_read_policy("our-cache")
    assert json.loads(policy.inputs["policy"])["Statement"][0]["Principal"] == {"AWS": ["*"]}


def test_nix_cache_info_declares_its_checksum() -> None:
    """Without it, the provider would not see that a user replaced the content."""
    content = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"

    assert made(PRIVATE).one(":SpacesBucketObject", "c-nix-cache-info").inputs == {
        "bucket": "our-cache",
        "region": "fra1",
        "key": "nix-cache-info",
        "content": content,
        "contentType": "text/x-nix-cache-info",
        "etag": hashlib.md5(content.encode()).hexdigest(),
    }


def test_the_urls_name_the_regions_endpoint_without_the_bucket() -> None:
    """Nix puts the bucket into the path; people read a public bucket under its own host."""
    endpoint = "endpoint=https%3A%2F%2Ffra1.digitaloceanspaces.com&region=fra1"

    assert output_of(PRIVATE, "read_url")[0] == (
        f"s3://our-cache?profile=our-cache-nixreader&{endpoint}"
    )
    assert output_of(PRIVATE, "push_urls")[0] == {
        "nixbuilder": f"s3://our-cache?profile=our-cache-nixbuilder&{endpoint}"
        "&compression=zstd&parallel-compression=true&multipart-upload=true"
    }
    assert output_of(PUBLIC, "read_url")[0] == "https://our-cache.fra1.digitaloceanspaces.com"


def test_another_endpoint_is_used_in_all_urls() -> None:
    """With the bucket in the path: who knows whether its hosts are known by name."""
    args: BinaryCacheArgs = {
        **PUBLIC,
        "spaces": {"region": "fra1", "endpoint": "https://s3.example.org"},
    }

    assert output_of(args, "read_url")[0] == "https://s3.example.org/our-cache"
    assert "endpoint=https%3A%2F%2Fs3.example.org&" in output_of(args, "push_urls")[0]["nixbuilder"]


def test_a_cdn_is_what_readers_read() -> None:
    """And writers go on pushing to the bucket."""
    assert made(WITH_CDN).one(":Cdn", "c-cdn").inputs == {
        "origin": "our-cache.fra1.digitaloceanspaces.com",
        "ttl": 3600,
    }
    assert output_of(WITH_CDN, "read_url")[0] == (
        "https://our-cache.fra1.cdn.digitaloceanspaces.com"
    )
    assert "fra1.digitaloceanspaces.com" in output_of(WITH_CDN, "push_urls")[0]["nixbuilder"]


def test_a_cdn_has_a_host_name_of_ones_own_where_one_is_set() -> None:
    """With the certificate that is named."""
    args: BinaryCacheArgs = {
        **PUBLIC,
        "spaces": {"region": "fra1", "cdn": {**OWN_DOMAIN, "ttl_seconds": 600}},  # type: ignore[typeddict-item]
    }

    assert made(args).one(":Cdn", "c-cdn").inputs == {
        "origin": "our-cache.fra1.digitaloceanspaces.com",
        "ttl": 600,
        "customDomain": "nix.example.org",
        "certificateName": "nix-example-org",
    }
    assert output_of(args, "read_url")[0] == "https://nix.example.org"


def test_credentials_are_the_keys_and_secret() -> None:
    """By the name of the writer or reader."""
    assert output_of(PRIVATE, "credentials") == (
        {
            user: {
                "accessKeyId": f"id-of-our-cache-{user}",
                "secretAccessKey": f"secret-of-our-cache-{user}",
            }
            for user in ("nixbuilder", "nixreader")
        },
        True,
    )


def test_everything_waits_for_the_reservation() -> None:
    """Nothing is made where the bucket cannot be had."""
    for args in (PRIVATE, WITH_CDN):
        for resource in made(args).resources:
            if resource.type.startswith("digitalocean:"):
                assert "c-names" in resource.depends_on, resource.name


def test_the_reservation_has_the_caches_own_keys() -> None:
    """They are not in the way of a policy, as they go before it comes."""
    reserved = made(PRIVATE).one(":NameReservation", "c-names")

    assert {name: reserved.inputs[name] for name in ("bucket", "region", "public", "keys")} == {
        "bucket": "our-cache",
        "region": "fra1",
        "public": False,
        "keys": ["our-cache-nixbuilder", "our-cache-nixreader"],
    }


def test_a_refused_reservation_is_one_error_and_nothing_is_made() -> None:
    """In the account's words."""
    recorder = Spaces(taken={"our-cache": "the bucket 'our-cache' exists already"})

    with pytest.raises(pulumi.RunError, match="exists already\nNothing was changed"):
        run(lambda: BinaryCache("c", PRIVATE).manifest, recorder)

    assert recorder.names(":SpacesBucket") == []
    assert recorder.names(":SpacesKey") == []

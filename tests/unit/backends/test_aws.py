"""A cache on AWS under mocks: exact inputs of each kind of cache, and what is asked beforehand."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from nix_cache import BinaryCache, BinaryCacheArgs
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.iam import access
from nix_cache.iam.lifecycle import expiry_rules
from tests.fakes.aws_answers import ACCOUNT, FREE, GET_ACCOUNT, GET_BUCKET, GET_GITHUB
from tests.unit.mocks import Recorder, run

GITHUB_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
KMS_KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0f"

PRIVATE: BinaryCacheArgs = {
    "domain": "cache.example.org",
    "backend": "aws",
    "bucket": "team-cache",
    "aws": {"region": "eu-central-1"},
}
PUBLIC: BinaryCacheArgs = {**PRIVATE, "public": True}
BEHIND_CLOUDFRONT: BinaryCacheArgs = {
    **PUBLIC,
    "aws": {"region": "eu-central-1", "cloudfront": {}},
}
OIDC_WRITER: BinaryCacheArgs = {
    **PRIVATE,
    "writers": [
        {"name": "gha", "github_repository": "example/nixpkgs", "github_branch": "main"},
    ],
}


def made(args: BinaryCacheArgs, **answers: dict[str, Any] | str) -> Recorder:
    """Return what a component with these arguments registers in an empty account."""
    return made_where({**FREE, **answers}, args)


def made_where(answers: Mapping[str, dict[str, Any] | str], args: BinaryCacheArgs) -> Recorder:
    """Return what a component with these arguments registers where AWS gives these answers."""
    return run(lambda: BinaryCache("c", args).manifest, Recorder(answers=dict(answers)))


def output(args: BinaryCacheArgs, name: str) -> Any:
    """One of the component's outputs."""
    found: dict[str, Any] = {}

    def program() -> pulumi.Output[Any]:
        value: pulumi.Output[Any] = getattr(BinaryCache("c", args), name)
        return value.apply(lambda known: found.update(value=known))

    run(program, Recorder(answers=dict(FREE)))
    return found["value"]


def document(recorder: Recorder, kind: str, name: str, field: str = "policy") -> Any:
    """Return the policy document of a resource."""
    return json.loads(recorder.one(kind, name).inputs[field])


def test_a_private_cache_registers_exactly_these_resources() -> None:
    """The bucket with its separate settings, a user per writer and reader, and the reservation."""
    recorder = made(PRIVATE)

    assert sorted((r.type.rpartition(":")[2], r.name) for r in recorder.resources) == [
        ("AccessKey", "c-nixbuilder-key"),
        ("AccessKey", "c-nixreader-key"),
        ("BinaryCache", "c"),
        ("Bucket", "c-bucket"),
        ("BucketLifecycleConfiguration", "c-lifecycle"),
        ("BucketObjectv2", "c-nix-cache-info"),
        ("BucketOwnershipControls", "c-ownership"),
        ("BucketPolicy", "c-bucket-policy"),
        ("BucketPublicAccessBlock", "c-public-access-block"),
        ("BucketServerSideEncryptionConfiguration", "c-encryption"),
        ("NameReservation", "c-names"),
        ("SigningKey", "c-nixbuilder-key-1"),
        ("User", "c-nixbuilder"),
        ("User", "c-nixreader"),
        ("UserPolicy", "c-nixbuilder-write"),
        ("UserPolicy", "c-nixreader-read"),
    ]


def test_the_bucket_is_protected_owned_and_encrypted() -> None:
    """Without ACLs, with keys that S3 keeps, and never emptied by a destroy."""
    recorder = made(PRIVATE)
    bucket = recorder.one(":Bucket", "c-bucket")

    assert bucket.inputs == {
        "bucket": "team-cache",
        "region": "eu-central-1",
        "forceDestroy": False,
    }
    assert bucket.protect
    assert recorder.one(":BucketOwnershipControls", "c-ownership").inputs["rule"] == {
        "objectOwnership": "BucketOwnerEnforced"
    }
    encryption = recorder.one(":BucketServerSideEncryptionConfiguration", "c-encryption")
    assert encryption.inputs["rules"] == [
        {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    ]


def test_everything_waits_for_the_reservation() -> None:
    """But keys, which have no name on AWS."""
    for resource in made(PRIVATE).resources:
        if resource.type.startswith("aws:"):
            assert "c-names" in resource.depends_on, resource.name


@pytest.mark.parametrize(
    ("args", "opens_policy"), [(PRIVATE, False), (PUBLIC, True), (BEHIND_CLOUDFRONT, False)]
)
def test_the_public_access_block_is_open_only_for_anonymous_reads_of_the_bucket_itself(
    args: BinaryCacheArgs, opens_policy: bool
) -> None:
    """ACLs open nothing in any case. The policy comes after, or S3 would refuse it."""
    recorder = made(args)
    block = recorder.one(":BucketPublicAccessBlock", "c-public-access-block")

    assert block.inputs == {
        "bucket": "team-cache",
        "region": "eu-central-1",
        "blockPublicAcls": True,
        "ignorePublicAcls": True,
        "blockPublicPolicy": not opens_policy,
        "restrictPublicBuckets": not opens_policy,
    }
    policy = recorder.one(":BucketPolicy", "c-bucket-policy")
    assert "c-public-access-block" in policy.depends_on


def test_a_bucket_is_reached_over_tls_alone_and_only_by_its_users() -> None:
    """A private one has that single statement."""
    assert document(made(PRIVATE), ":BucketPolicy", "c-bucket-policy") == access.tls_only_policy(
        "team-cache"
    )


def test_anonymous_requests_read_a_public_bucket_over_tls() -> None:
    """The same right as on MinIO, beside the denial."""
    assert document(made(PUBLIC), ":BucketPolicy", "c-bucket-policy") == access.merged(
        access.tls_only_policy("team-cache"), access.anonymous_read_policy("team-cache")
    )


def test_writers_and_readers_are_users_with_one_inline_policy_and_a_secret_pair() -> None:
    """Their names carry the bucket's: names of users belong to the whole account."""
    recorder = made(PRIVATE)

    assert recorder.one(":User", "c-nixbuilder").inputs == {
        "name": "team-cache-nixbuilder",
        "forceDestroy": True,
    }
    assert document(recorder, ":UserPolicy", "c-nixbuilder-write") == access.writer_policy(
        "team-cache"
    )
    assert document(recorder, ":UserPolicy", "c-nixreader-read") == access.reader_policy(
        "team-cache"
    )
    assert output(PRIVATE, "credentials")["nixreader"] == {
        "accessKeyId": "c-nixreader-key-id",
        "secretAccessKey": "secret-of-team-cache-nixreader",
    }


@pytest.mark.parametrize(
    ("args", "read_url"),
    [
        (PRIVATE, "s3://team-cache?profile=team-cache-nixreader&region=eu-central-1"),
        (PUBLIC, "https://team-cache.s3.eu-central-1.amazonaws.com"),
        (BEHIND_CLOUDFRONT, "https://d1.cloudfront.net"),
        (
            {
                **PUBLIC,
                "aws": {
                    "region": "eu-central-1",
                    "cloudfront": {"domain_name": "c.example.org", "hosted_zone_id": "Z1"},
                },
            },
            "https://c.example.org",
        ),
        (
            {**PUBLIC, "aws": {"region": "eu-central-1", "endpoint": "https://s3.example.org"}},
            "https://s3.example.org/team-cache",
        ),
    ],
)
def test_it_is_read_where_it_is_delivered(args: BinaryCacheArgs, read_url: str) -> None:
    """By the bucket's own host, by an endpoint that is given, or by CloudFront."""
    assert output(args, "read_url") == read_url


def test_a_push_url_has_the_region_and_needs_no_endpoint() -> None:
    """Nix finds AWS by itself."""
    assert output(PRIVATE, "push_urls") == {
        "nixbuilder": "s3://team-cache?profile=team-cache-nixbuilder&region=eu-central-1"
        "&compression=zstd&parallel-compression=true&multipart-upload=true"
    }


def test_unfinished_uploads_go_and_nothing_else_unless_it_is_asked() -> None:
    """They cost, and no list shows them."""
    rules = made(PRIVATE).one(":BucketLifecycleConfiguration", "c-lifecycle").inputs["rules"]

    assert rules == [
        {
            "id": "unfinished-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
        }
    ]


def test_expiry_is_the_same_set_of_rules_as_on_every_backend() -> None:
    """Beside the cleaning up."""
    args: BinaryCacheArgs = {**PRIVATE, "expire_after_days": 90}
    rules = made(args).one(":BucketLifecycleConfiguration", "c-lifecycle").inputs["rules"]

    assert [
        (rule["id"], rule["filter"]["prefix"], rule["expiration"]["days"])
        for rule in rules
        if "days" in rule.get("expiration", {})
    ] == [(rule.id, rule.prefix, rule.days) for rule in expiry_rules(90)]


def test_versions_are_kept_for_a_time_and_cold_nars_get_cheaper() -> None:
    """Both only if they are wanted. S3 itself never moves a small object."""
    args: BinaryCacheArgs = {
        **PRIVATE,
        "aws": {
            "region": "eu-central-1",
            "versioning": True,
            "noncurrent_days": 14,
            "nar_storage_class": "STANDARD_IA",
        },
    }
    recorder = made(args)
    _, versions, cold = recorder.one(":BucketLifecycleConfiguration", "c-lifecycle").inputs["rules"]

    assert recorder.one(":BucketVersioning", "c-versioning").inputs["versioningConfiguration"] == {
        "status": "Enabled"
    }
    assert versions["noncurrentVersionExpiration"] == {"noncurrentDays": 14}
    assert versions["expiration"] == {"expiredObjectDeleteMarker": True}
    assert cold["filter"] == {"prefix": "nar/"}
    assert cold["transitions"] == [{"days": 30, "storageClass": "STANDARD_IA"}]


def test_a_kms_key_encrypts_and_all_users_who_need_it_may_use_it() -> None:
    """A writer makes data keys, a reader does not."""
    args: BinaryCacheArgs = {
        **PRIVATE,
        "aws": {"region": "eu-central-1", "kms_key_arn": KMS_KEY},
    }
    recorder = made(args)
    (rule,) = recorder.one(":BucketServerSideEncryptionConfiguration", "c-encryption").inputs[
        "rules"
    ]

    assert rule == {
        "applyServerSideEncryptionByDefault": {
            "sseAlgorithm": "aws:kms",
            "kmsMasterKeyId": KMS_KEY,
        },
        "bucketKeyEnabled": True,
    }
    for privilege, name in (("write", "c-nixbuilder-write"), ("read", "c-nixreader-read")):
        statement = document(recorder, ":UserPolicy", name)["Statement"][-1]
        assert statement["Resource"] == [KMS_KEY]
        assert ("kms:GenerateDataKey" in statement["Action"]) == (privilege == "write")
    assert "etag" not in recorder.one(":BucketObjectv2", "c-nix-cache-info").inputs


def with_outputs(**aws: Any) -> BinaryCacheArgs:
    """Return a private cache whose settings of AWS are, in part, Outputs."""
    return {**PRIVATE, "aws": {"region": "eu-central-1", **aws}}  # type: ignore[typeddict-item]


def test_settings_that_name_other_resources_may_be_outputs_of_these() -> None:
    """They reach every resource as plain values do."""

    def program() -> pulumi.Output[Any]:
        key = pulumi.Output.from_input(KMS_KEY)
        team = pulumi.Output.secret("nix")
        return BinaryCache("c", with_outputs(kms_key_arn=key, tags={"team": team})).manifest

    recorder = run(program, Recorder(answers=dict(FREE)))

    plain = made(with_outputs(kms_key_arn=KMS_KEY, tags={"team": "nix"}))
    assert {(r.type, r.name): r.inputs for r in recorder.resources} == {
        (r.type, r.name): r.inputs for r in plain.resources
    }


@pytest.mark.parametrize(
    ("value", "mistake"), [("alias/hidden", "has an invalid format"), (None, "has no value")]
)
def test_a_wrong_output_stops_the_cache_before_any_storage_is_made(
    value: str | None, mistake: str
) -> None:
    """As soon as its value is known; the value may be a secret and is not shown."""
    recorder = Recorder(answers=dict(FREE))

    def program() -> pulumi.Output[Any]:
        key = pulumi.Output.secret(value)
        return BinaryCache("c", with_outputs(kms_key_arn=key)).manifest

    with pytest.raises(pulumi.RunError) as refusal:
        run(program, recorder)

    assert f"aws.kms_key_arn {mistake}\n  fix: set it to the ARN of a KMS key" in str(refusal.value)
    assert "hidden" not in str(refusal.value)
    assert {r.type.rpartition(":")[2] for r in recorder.resources} <= {
        "BinaryCache",
        "NameReservation",
        "SigningKey",
    }


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"domain": pulumi.Output.from_input("cache.example.org")}, "domain"),
        ({"public": pulumi.Output.from_input(True)}, "public"),
        ({"priority": pulumi.Output.from_input(40)}, "priority"),
        ({"writers": pulumi.Output.from_input([{"name": "ci-x"}])}, "writers"),
        ({"readers": [pulumi.Output.from_input("ops-team")]}, "readers[0]"),
        ({"aws": pulumi.Output.from_input({"region": "eu-central-1"})}, "aws"),
        ({"aws": {"region": pulumi.Output.from_input("eu-central-1")}}, "aws.region"),
        ({"aws": {"region": "eu-central-1", "tags": pulumi.Output.from_input({})}}, "aws.tags"),
        (
            {"aws": {"region": "eu-central-1", "monitoring": pulumi.Output.from_input({})}},
            "aws.monitoring",
        ),
    ],
)
def test_an_output_that_decides_what_is_made_is_refused(settings: dict[str, Any], key: str) -> None:
    """Also one in place of a whole list or object, of which nothing would be left."""
    with pytest.raises(SettingsError) as refusal:
        check({**PRIVATE, **settings})

    assert [(p.key, p.value) for p in refusal.value.problems] == [(key, "")]
    assert "is a secret or an output of a resource" in refusal.value.problems[0].mistake


def test_tags_are_on_all_that_can_carry_them() -> None:
    """By the types that the AWS package says have tags."""
    args: BinaryCacheArgs = {
        **BEHIND_CLOUDFRONT,
        **OIDC_WRITER,
        "public": True,
        "aws": {
            "region": "eu-central-1",
            "tags": {"team": "build"},
            "cloudfront": {"domain_name": "c.example.org", "hosted_zone_id": "Z1"},
            "signing_key_store": "secrets-manager",
            "monitoring": {"monthly_budget_usd": 5, "budget_emails": ["ops@example.org"]},
        },
    }
    without = {
        "BucketLifecycleConfiguration",
        "BucketMetric",
        "BucketOwnershipControls",
        "BucketPolicy",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "CertificateValidation",
        "OriginAccessControl",
        "Record",
        "RolePolicy",
        "SecretVersion",
        "UserPolicy",
    }
    for resource in made(args).resources:
        kind = resource.type.rpartition(":")[2]
        if resource.type.startswith("aws:") and kind not in without:
            assert resource.inputs["tags"] == {"team": "build"}, resource.type


def test_cloudfront_alone_reads_a_closed_bucket() -> None:
    """Its own distribution, and no other that a user makes."""
    recorder = made(BEHIND_CLOUDFRONT)
    arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"

    assert document(recorder, ":BucketPolicy", "c-bucket-policy") == access.merged(
        access.tls_only_policy("team-cache"), access.cloudfront_read_policy("team-cache", arn)
    )
    control = recorder.one(":OriginAccessControl", "c-origin-access").inputs
    assert (control["signingBehavior"], control["signingProtocol"]) == ("always", "sigv4")


def test_cloudfront_keeps_nars_for_long_and_misses_for_seconds() -> None:
    """What is missing may be pushed the next moment, and a bucket without a list says 403 of it."""
    inputs = made(BEHIND_CLOUDFRONT).one(":Distribution", "c-distribution").inputs
    (nars,) = inputs["orderedCacheBehaviors"]

    assert nars["pathPattern"] == "nar/*"
    assert nars["defaultTtl"] == 365 * 24 * 3600
    assert inputs["customErrorResponses"] == [
        {
            "errorCode": code,
            "responseCode": 404,
            "responsePagePath": "/error.txt",
            "errorCachingMinTtl": 10,
        }
        for code in (403, 404)
    ]
    assert inputs["defaultRootObject"] == "index.html"
    for behavior in (inputs["defaultCacheBehavior"], nars):
        assert behavior["allowedMethods"] == ["GET", "HEAD"]
        assert behavior["compress"] is False
        assert behavior["viewerProtocolPolicy"] == "redirect-to-https"
    assert inputs["viewerCertificate"] == {"cloudfrontDefaultCertificate": True}


def test_no_expiry_rule_meets_the_object_that_says_that_nothing_is_there() -> None:
    """It would be gone with the narinfos."""
    recorder = made(BEHIND_CLOUDFRONT)

    assert recorder.one(":BucketObjectv2", "c-error.txt").inputs["key"] == "error.txt"
    assert not any("error.txt".startswith(rule.prefix) for rule in expiry_rules(1))


def test_a_host_name_of_ones_own_has_a_certificate_in_us_east_1_and_records() -> None:
    """Proved in the zone, and used only once it is."""
    args: BinaryCacheArgs = {
        **PUBLIC,
        "aws": {
            "region": "eu-central-1",
            "cloudfront": {"domain_name": "c.example.org", "hosted_zone_id": "Z1"},
        },
    }
    recorder = made(args)

    certificate = recorder.one(":Certificate", "c-certificate").inputs
    assert (certificate["domainName"], certificate["region"]) == ("c.example.org", "us-east-1")
    assert recorder.one(":Record", "c-certificate-proof").inputs["records"] == [
        "_value.acm-validations.aws"
    ]
    distribution = recorder.one(":Distribution", "c-distribution").inputs
    assert distribution["aliases"] == ["c.example.org"]
    assert distribution["viewerCertificate"] == {
        "acmCertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/made",
        "sslSupportMethod": "sni-only",
        "minimumProtocolVersion": "TLSv1.2_2021",
    }
    for kind in ("A", "AAAA"):
        record = recorder.one(":Record", f"c-{kind.lower()}-record").inputs
        assert record["type"] == kind
        assert record["aliases"][0]["name"] == "d1.cloudfront.net"


def test_a_certificate_that_is_given_is_used_and_none_is_made() -> None:
    """Nor are records where no zone is given."""
    arn = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/0f"
    cloudfront: Any = {"domain_name": "c.example.org", "certificate_arn": arn}
    recorder = made({**PUBLIC, "aws": {"region": "eu-central-1", "cloudfront": cloudfront}})

    assert recorder.names(":Certificate") == recorder.names(":Record") == []
    viewer = recorder.one(":Distribution", "c-distribution").inputs["viewerCertificate"]
    assert viewer["acmCertificateArn"] == arn


def test_an_oidc_writer_is_a_role_of_one_branch_of_one_repository() -> None:
    """The audience and the subject are pinned, and there is no stored credential."""
    recorder = made(OIDC_WRITER)

    assert document(recorder, ":Role", "c-gha", "assumeRolePolicy") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OneSubjectOfGitHubs",
                "Effect": "Allow",
                "Principal": {"Federated": GITHUB_ARN},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                        "token.actions.githubusercontent.com:sub": (
                            "repo:example/nixpkgs:ref:refs/heads/main"
                        ),
                    }
                },
            }
        ],
    }
    assert document(recorder, ":RolePolicy", "c-gha-write") == access.writer_policy("team-cache")
    assert recorder.names(":User") == ["c-nixreader"]
    assert list(output(OIDC_WRITER, "credentials")) == ["nixreader"]
    assert "profile" not in output(OIDC_WRITER, "push_urls")["gha"]


def test_an_environment_is_pinned_as_a_branch_is() -> None:
    """GitHub names it in the subject instead of the branch."""
    args: BinaryCacheArgs = {
        **PRIVATE,
        "writers": [{"name": "gha", "github_repository": "o/r", "github_environment": "prod"}],
    }
    trust = document(made(args), ":Role", "c-gha", "assumeRolePolicy")
    (condition,) = trust["Statement"][0]["Condition"].values()

    assert condition["token.actions.githubusercontent.com:sub"] == "repo:o/r:environment:prod"


def test_the_accounts_identity_provider_is_made_once_or_taken_as_it_is() -> None:
    """An account can have one, whatever the number of writers and caches."""
    two: BinaryCacheArgs = {
        **PRIVATE,
        "writers": [
            {"name": name, "github_repository": "o/r", "github_branch": name}
            for name in ("main", "next")
        ],
    }
    assert made(two).names(":OpenIdConnectProvider") == ["c-github"]

    aws: Any = {"region": "eu-central-1", "github_oidc_provider_arn": GITHUB_ARN}
    given = made({**two, "aws": aws})
    assert given.names(":OpenIdConnectProvider") == []
    trust = document(given, ":Role", "c-main", "assumeRolePolicy")
    assert trust["Statement"][0]["Principal"] == {"Federated": GITHUB_ARN}


@pytest.mark.parametrize(
    ("store", "kind", "action", "command"),
    [
        (
            "secrets-manager",
            ":SecretVersion",
            "secretsmanager:GetSecretValue",
            "aws secretsmanager get-secret-value --region eu-central-1 "
            "--secret-id nix-cache/team-cache/gha --query SecretString --output text",
        ),
        (
            "parameter-store",
            ":Parameter",
            "ssm:GetParameter",
            "aws ssm get-parameter --region eu-central-1 --name /nix-cache/team-cache/gha "
            "--with-decryption --query Parameter.Value --output text",
        ),
    ],
)
def test_a_kept_signing_key_is_a_secret_that_its_writers_role_alone_may_read(
    store: str, kind: str, action: str, command: str
) -> None:
    """And the workflow's snippet says by which command."""
    args: BinaryCacheArgs = {
        **OIDC_WRITER,
        "aws": {"region": "eu-central-1", "signing_key_store": store},
    }
    recorder = made(args)
    (kept,) = [r for r in recorder.resources if r.type.endswith(kind)]
    statement = document(recorder, ":RolePolicy", "c-gha-write")["Statement"][-1]

    value = "secretString" if "secretString" in kept.inputs else "value"
    assert kept.inputs[value] == "cache.example.org-gha-1:SECRET"
    assert value in kept.secret_inputs
    assert statement["Action"] == [action]
    assert [arn.rpartition("team-cache/gha")[1] for arn in statement["Resource"]] == [
        "team-cache/gha"
    ]
    assert command in output(args, "github_actions")["gha"]


def test_a_snippet_without_a_store_takes_the_key_from_the_repositorys_secret() -> None:
    """Through the environment, never through the shell's text."""
    snippet = output(OIDC_WRITER, "github_actions")["gha"]

    assert f"role-to-assume: arn:aws:iam::{ACCOUNT}:role/team-cache-gha" in snippet
    assert "SIGNING_KEY: ${{ secrets.NIX_CACHE_SIGNING_KEY }}" in snippet
    assert """signing_key=$(printf '%s' "$SIGNING_KEY")""" in snippet


def test_a_snippet_of_a_private_cache_needs_no_readers_credential() -> None:
    """That of a public one uses the cache for reading too."""
    public = output({**PUBLIC, "writers": OIDC_WRITER["writers"]}, "github_actions")["gha"]
    private = output(OIDC_WRITER, "github_actions")["gha"]

    assert "--as gha --yes" in public
    assert "--as gha --push-only --yes" in private
    assert all("nix-cache push ./result" in snippet for snippet in (public, private))


def test_requests_that_fail_and_costs_are_watched_if_they_are_to_be() -> None:
    """The bucket's own metric, or CloudFront's where that is before it."""
    monitoring: Any = {
        "alarm_topic_arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:ops",
        "monthly_budget_usd": 20,
        "budget_emails": ["ops@example.org"],
    }
    direct = made({**PUBLIC, "aws": {"region": "eu-central-1", "monitoring": monitoring}})
    alarm = direct.one(":MetricAlarm", "c-failing-requests").inputs
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/S3", "5xxErrors")
    assert alarm["dimensions"] == {"BucketName": "team-cache", "FilterId": "EntireBucket"}
    assert alarm["alarmActions"] == [monitoring["alarm_topic_arn"]]

    delivered = made(
        {
            **PUBLIC,
            "aws": {"region": "eu-central-1", "monitoring": monitoring, "cloudfront": {}},
        }
    )
    alarm = delivered.one(":MetricAlarm", "c-failing-requests").inputs
    assert (alarm["namespace"], alarm["region"]) == ("AWS/CloudFront", "us-east-1")
    budget = delivered.one(":Budget", "c-budget").inputs
    assert (budget["limitAmount"], budget["limitUnit"]) == ("20", "USD")
    assert [n["threshold"] for n in budget["notifications"]] == [80, 100]


@pytest.mark.parametrize(
    ("answers", "args", "said"),
    [
        (
            {GET_ACCOUNT: "No valid credential sources found"},
            PRIVATE,
            "there are no credentials for AWS",
        ),
        (
            {GET_ACCOUNT: "api error InvalidClientTokenId: The security token is invalid"},
            PRIVATE,
            "AWS does not accept the credentials",
        ),
        (
            {},
            {**PRIVATE, "aws": {"region": "eu-central-1", "account_id": "999999999999"}},
            f"the credentials belong to the AWS account {ACCOUNT}, but the cache's is 999999999999",
        ),
        (
            {GET_BUCKET: {"id": "team-cache", "bucket": "team-cache"}},
            PRIVATE,
            "the bucket 'team-cache' exists already in this account",
        ),
        (
            {GET_BUCKET: "https response error StatusCode: 403, api error Forbidden"},
            PRIVATE,
            "the bucket 'team-cache' exists already and belongs to another account",
        ),
        (
            {GET_BUCKET: "https response error StatusCode: 301, api error MovedPermanently"},
            PRIVATE,
            "the bucket 'team-cache' exists already in another region",
        ),
        (
            {GET_GITHUB: {"id": GITHUB_ARN, "arn": GITHUB_ARN}},
            OIDC_WRITER,
            f"set aws.github_oidc_provider_arn to {GITHUB_ARN}",
        ),
    ],
)
def test_what_aws_says_beforehand_is_reported_with_the_fix_and_nothing_is_made(
    answers: dict[str, Any], args: BinaryCacheArgs, said: str
) -> None:
    """One clear error instead of a half-made cache."""
    recorder = Recorder(answers={**FREE, **answers})
    with pytest.raises(pulumi.RunError) as refusal:
        run(lambda: BinaryCache("c", args).manifest, recorder)

    assert said in str(refusal.value)
    assert "Nothing was changed." in str(refusal.value)
    assert not [r for r in recorder.resources if r.type.startswith("aws:")]


def test_what_exists_is_adopted_where_that_is_asked() -> None:
    """The reservation is granted, and the bucket is declared for the import."""
    found = {GET_BUCKET: {"id": "team-cache", "bucket": "team-cache"}}
    recorder = made_where({**FREE, **found}, {**PRIVATE, "adopt": True})

    assert recorder.names(":Bucket") == ["c-bucket"]

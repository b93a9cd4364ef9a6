"""A whole cache on AWS, created with the deployer's policy alone, and tried out by all its users.

Only this module runs the AWS plugin on all resources of a cache, and shows what each user can do.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS, NIX32, OWN_KEYS
from tests.engine.aws_deployer import BUCKET, project_of_deployer
from tests.engine.aws_patient import AwsPatient
from tests.engine.drift_command import drifted
from tests.engine.project import STACK, Project
from tests.engine.versioned import Versioned
from tests.fakes.aws_server import AwsServer, Credential
from tests.fakes.github_token import token
from tools.engine import Engine

DAYS = 90
NARINFO = f"{NIX32}.narinfo"
UP_SECONDS = 600.0
"""The provider itself waits for a minute until a lifecycle has settled."""

pytestmark = [pytest.mark.aws, pytest.mark.timeout(UP_SECONDS)]

SETTINGS: dict[str, Any] = {
    "backend": "aws",
    "domain": "cache.example.org",
    "bucket": BUCKET,
    "public": True,
    "protect": False,
    "expireAfterDays": DAYS,
    "janitor": True,
    "writers": [
        "ops-team",
        {"name": "ci-main", "githubRepository": "example/nixpkgs", "githubBranch": "main"},
    ],
    "aws": {
        "accountId": "123456789012",
        "signingKeyStore": "secrets-manager",
        "versioning": True,
        "narStorageClass": "STANDARD_IA",
        "tags": {"service": "nix-cache"},
    },
}


@dataclass(frozen=True)
class Cache:
    """A cache that is up, and the AWS that it is on."""

    project: Project
    aws: AwsServer

    @property
    def owner(self) -> Any:
        """An S3 client of a user who may do everything."""
        return self.aws.client("s3", self.aws.administrator)

    def client(self, service: str, user: str) -> Any:
        """Return a client with the key pair that the stack gives out for a writer or a reader."""
        pair = self.project.outputs(secrets=True)["credentials"][user]
        return self.aws.client(service, Credential(pair["accessKeyId"], pair["secretAccessKey"]))

    def job(self, service: str, subject: str) -> Any:
        """Return a client of a CI job that assumes the writer's role with GitHub's token."""
        got = self.aws.client("sts").assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::123456789012:role/{BUCKET}-ci-main",
            RoleSessionName="job",
            WebIdentityToken=token(subject),
        )["Credentials"]
        return self.aws.client(
            service,
            Credential(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]),
        )

    def run(self, *arguments: str) -> str:
        """Run a command of the engine that has to succeed."""
        return self.project.pulumi(*arguments, "--stack", STACK, timeout=UP_SECONDS)


@pytest.fixture(scope="module")
def cache(
    tmp_path_factory: pytest.TempPathFactory,
    aws_engine: Engine,
    aws_server: AwsServer,
) -> Iterator[Cache]:
    """Provide a public cache, up; at the end it is removed, and nothing of it may be left."""
    folder = tmp_path_factory.mktemp("aws") / "project"
    project = project_of_deployer(folder, aws_engine, aws_server)
    project.set(**{**SETTINGS, "aws": {**SETTINGS["aws"], "endpoint": aws_server.url}})
    made = Cache(project, aws_server)
    made.run("up", "--yes", "--skip-preview")
    yield made
    made.run("destroy", "--yes", "--skip-preview")
    iam = aws_server.client("iam", aws_server.administrator)
    assert made.owner.list_buckets()["Buckets"] == []
    assert {user["UserName"] for user in iam.list_users()["Users"]} == {
        "administrator",
        "deployer",
    }
    assert iam.list_roles()["Roles"] == []
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def refused(call: Callable[..., Any], **arguments: Any) -> bool:
    """Return whether AWS refuses a call. Any other error is raised."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return True
    return False


def test_a_refreshed_up_finds_nothing_to_do(cache: Cache) -> None:
    """What was made is what was declared."""
    cache.run("up", "--yes", "--refresh", "--skip-preview", "--expect-no-changes")


def test_anonymous_requests_read_by_name_and_nothing_else(cache: Cache) -> None:
    """And a miss looks like a refusal, as no user may list."""
    anonymous = cache.aws.client("s3")
    assert anonymous.get_object(Bucket=BUCKET, Key="nix-cache-info")["Body"].read() == (
        b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    )
    assert refused(anonymous.get_object, Bucket=BUCKET, Key=NARINFO)
    assert refused(anonymous.put_object, Bucket=BUCKET, Key="nar/x.nar", Body=b"x")
    assert refused(anonymous.delete_object, Bucket=BUCKET, Key="nix-cache-info")
    assert refused(anonymous.list_objects_v2, Bucket=BUCKET)


@pytest.mark.parametrize("who", ["user", "role"])
def test_a_writer_puts_what_nix_writes_and_nothing_else(cache: Cache, who: str) -> None:
    """By key pair and by GitHub's token alike."""
    subject = "repo:example/nixpkgs:ref:refs/heads/main"
    s3 = cache.client("s3", "ops-team") if who == "user" else cache.job("s3", subject)

    for key in (NARINFO, f"nar/{who}.nar.zst"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="nar/large.nar")["UploadId"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="nar/large.nar", UploadId=upload)
    for key in OWN_KEYS:
        assert refused(s3.put_object, Bucket=BUCKET, Key=key, Body=b"x"), key
    assert refused(s3.delete_object, Bucket=BUCKET, Key=NARINFO)
    assert refused(s3.list_objects_v2, Bucket=BUCKET)
    assert refused(s3.put_bucket_policy, Bucket=BUCKET, Policy="{}")


@pytest.mark.parametrize(
    "subject",
    [
        "repo:example/nixpkgs:ref:refs/heads/next",
        "repo:example/nixpkgs:pull_request",
        "repo:example/nixpkgs:environment:main",
        "repo:example/nixpkgs-fork:ref:refs/heads/main",
    ],
)
def test_no_other_workflow_assumes_the_role(cache: Cache, subject: str) -> None:
    """Another branch, a pull request, an environment of the branch's name, another repository."""
    with pytest.raises(ClientError, match="AccessDenied"):
        cache.job("s3", subject)


def test_a_workflow_reads_its_own_signing_key_and_a_user_does_not(cache: Cache) -> None:
    """As the stack's snippet does."""
    job = cache.job("secretsmanager", "repo:example/nixpkgs:ref:refs/heads/main")
    outputs = cache.project.outputs(secrets=True)
    [name] = [
        word
        for word in outputs["githubActions"]["ci-main"].split()
        if word.startswith("nix-cache/")
    ]

    kept = job.get_secret_value(SecretId=name)["SecretString"]
    assert kept == outputs["signingKeys"]["ci-main"]
    others = cache.client("secretsmanager", "ops-team")
    assert refused(others.get_secret_value, SecretId=name)


def test_no_secret_is_in_plain_sight(cache: Cache) -> None:
    """Neither in the state nor in the outputs."""
    outputs = cache.project.outputs(secrets=True)
    secrets = [
        *(key.partition(":")[2] for key in outputs["signingKeys"].values()),
        *(pair["secretAccessKey"] for pair in outputs["credentials"].values()),
    ]
    state = cache.project.state_file.read_text()

    assert len(secrets) == 4
    for secret in secrets:
        assert secret not in state
        assert secret not in json.dumps(cache.project.outputs())


def test_the_buckets_settings_are_those_of_a_company(cache: Cache) -> None:
    """Owner enforced, encrypted, versioned, tagged, and asked over TLS alone."""
    s3 = cache.owner

    [rule] = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}
    [rule] = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == [
        {"Key": "service", "Value": "nix-cache"}
    ]
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert block["BlockPublicAcls"]
    assert block["IgnorePublicAcls"]


def test_the_janitor_lists_and_deletes_the_contents_and_nothing_else(cache: Cache) -> None:
    """Also by version, and several at once."""
    janitor, owner = cache.client("s3", "janitor"), cache.owner
    keys = [NARINFO, "nar/old.nar", "nix-cache-roots/old", "nix-cache-pins/any/latest"]
    written = [owner.put_object(Bucket=BUCKET, Key=key, Body=b"x")["VersionId"] for key in keys]

    assert {one["Key"] for one in janitor.list_objects_v2(Bucket=BUCKET)["Contents"]} >= {*keys}
    done = janitor.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys[1:]]}
    )
    assert "Errors" not in done
    janitor.delete_object(Bucket=BUCKET, Key=NARINFO)
    for key, version in zip(keys, written, strict=True):
        content = janitor.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read()
        assert content == b"x"
        janitor.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    for key in OWN_KEYS:
        assert refused(janitor.put_object, Bucket=BUCKET, Key=key, Body=b"x"), key
        assert refused(janitor.delete_object, Bucket=BUCKET, Key=key), key
        several = {"Objects": [{"Key": "nar/any.nar"}, {"Key": key}]}
        assert janitor.delete_objects(Bucket=BUCKET, Delete=several)["Errors"], key
    [version] = owner.list_object_versions(Bucket=BUCKET, Prefix="nix-cache-info")["Versions"]
    of_info = {"Bucket": BUCKET, "Key": "nix-cache-info", "VersionId": version["VersionId"]}
    assert refused(janitor.delete_object, **of_info)
    assert refused(janitor.put_object, Bucket=BUCKET, Key="nar/new.nar", Body=b"x")
    assert refused(janitor.put_bucket_versioning, **_VERSIONS_OFF)
    assert refused(cache.client("iam", "janitor").create_access_key)


_VERSIONS_OFF: Any = {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Suspended"}}


def test_the_janitor_collects_restores_and_removes_and_a_pin_keeps_its_path(
    cache: Cache, tmp_path: Path
) -> None:
    """With the key pairs of the stack: of the janitor, and of a writer who pins."""
    outputs = cache.project.outputs(secrets=True)
    server: Any = None  # nothing here asks MinIO
    patient = AwsPatient(server, outputs, tmp_path / "home", aws=cache.aws)
    patient.use("demo", "ops-team")
    house = Versioned(patient, owner=None, writer="ops-team")
    old, pinned, secret = house.put("old"), house.put("pinned"), house.put("secret")
    path = pinned.info.store_path
    done = patient.command("pin", "app", path, "--cache", "demo")
    assert done.returncode == 0, done.stderr
    assert house.pins()["app"]["path"] == path

    collected, said = house.collect(2)
    assert "--undo RUN" in said
    assert old.info.key in collected["narinfos"]
    assert old.info.key not in house.present()
    assert {pinned.info.key, pinned.info.url} <= house.present()
    assert house.history(old) == {old.info.key, old.info.url}

    code, restored, said = house.undo(collected["run"])
    assert code == 0, said
    assert old.info.key in restored["narinfos"]
    assert {old.info.key, old.info.url} <= house.present()

    code, _, said = house.remove(secret.info.store_path)
    assert code == 0, said
    assert house.history(secret) == set()
    assert house.history(old, pinned) == {
        key for one in (old, pinned) for key in (one.info.key, one.info.url)
    }

    done = patient.command("unpin", "app", "--cache", "demo")
    assert done.returncode == 0, done.stderr
    assert house.pins()["app"]["isPinned"] is False


@pytest.fixture(scope="module")
def rules(cache: Cache) -> list[dict[str, Any]]:
    """Provide the lifecycle as AWS returns it."""
    found: list[dict[str, Any]] = cache.owner.get_bucket_lifecycle_configuration(Bucket=BUCKET)[
        "Rules"
    ]
    return found


def expiring(rules: list[dict[str, Any]], key: str) -> list[int]:
    """Return the days after which each rule that meets a key removes it."""
    return [
        rule["Expiration"]["Days"]
        for rule in rules
        if "Days" in rule.get("Expiration", {}) and key.startswith(rule["Filter"]["Prefix"])
    ]


@given(hash_part=st.text(alphabet=NIX32, min_size=32, max_size=32))
def test_every_narinfo_expires_once_and_its_nar_a_month_later(
    rules: list[dict[str, Any]], hash_part: str
) -> None:
    """The same property as on MinIO, of the rules that the service has."""
    assert expiring(rules, f"{hash_part}.narinfo") == [DAYS]
    assert expiring(rules, f"nar/{hash_part}.nar.zst") == [DAYS + NARINFO_TTL_DAYS]


def test_the_caches_metadata_never_expires(rules: list[dict[str, Any]]) -> None:
    """Also what CloudFront sends where nothing is."""
    for key in (*OWN_KEYS, "error.txt"):
        assert expiring(rules, key) == [], key


def test_unfinished_uploads_and_old_versions_go(rules: list[dict[str, Any]]) -> None:
    """They cost, and no user sees them."""
    by_id = {rule["ID"]: rule for rule in rules}

    unfinished = by_id["unfinished-uploads"]["AbortIncompleteMultipartUpload"]
    assert unfinished == {"DaysAfterInitiation": 7}
    old = by_id["noncurrent-versions"]["NoncurrentVersionExpiration"]
    assert old == {"NoncurrentDays": 30}


def test_what_was_changed_outside_is_put_back(cache: Cache) -> None:
    """Each kind of resource that a user may change is reported, and repaired by one up."""
    assert drifted(cache.project) == set()
    s3, iam = cache.owner, cache.aws.client("iam", cache.aws.administrator)
    user = f"{BUCKET}-ops-team"
    s3.put_object(Bucket=BUCKET, Key="nix-cache-info", Body=b"Priority: 1\n")
    s3.delete_bucket_policy(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration={"BlockPublicAcls": False}
    )
    wide = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_user_policy(
        UserName=user,
        PolicyName=f"{BUCKET}-write",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [wide]}),
    )
    no_user = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(
        RoleName=f"{BUCKET}-ci-main",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [no_user]}),
    )

    found = drifted(cache.project)
    cache.run("up", "--yes", "--refresh", "--skip-preview")

    # What else of the object has changed depends on moto and on when it was last refreshed.
    assert {what.partition(" was ")[0] for what in found} == {
        "nix-cache-info in the bucket",
        f"the bucket policy of {BUCKET}",
        f"the bucket versioning of {BUCKET}",
        f"the bucket public access block of {BUCKET}",
        f"the user policy of {BUCKET}-write",
        f"the role {BUCKET}-ci-main",
    }
    assert f"the bucket policy of {BUCKET} was deleted" in found
    assert f"the role {BUCKET}-ci-main was changed: assumeRolePolicy" in found
    info = s3.get_object(Bucket=BUCKET, Key="nix-cache-info")["Body"].read()
    assert b"Priority: 40" in info
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert cache.aws.client("s3").get_object(Bucket=BUCKET, Key="nix-cache-info")
    assert refused(cache.client("s3", "ops-team").delete_object, Bucket=BUCKET, Key=NARINFO)
    assert cache.job("s3", "repo:example/nixpkgs:ref:refs/heads/main")
    cache.run("up", "--yes", "--refresh", "--skip-preview", "--expect-no-changes")


def test_a_rotated_key_reaches_the_workflows_and_the_old_one_stays_trusted(cache: Cache) -> None:
    """The secret has the new key; no user's credential changes."""
    before = cache.project.outputs(secrets=True)
    ops, ci = SETTINGS["writers"]
    cache.project.set(writers=[ops, {**ci, "generation": 2}])

    cache.run("up", "--yes", "--skip-preview")

    after = cache.project.outputs(secrets=True)
    job = cache.job("secretsmanager", "repo:example/nixpkgs:ref:refs/heads/main")
    kept = job.get_secret_value(SecretId=f"nix-cache/{BUCKET}/ci-main")["SecretString"]
    assert kept == after["signingKeys"]["ci-main"] != before["signingKeys"]["ci-main"]
    assert set(before["publicKeys"]) < set(after["publicKeys"])
    assert after["credentials"] == before["credentials"]


@pytest.mark.parametrize(
    ("settings", "environment", "said"),
    [
        (
            {"bucket": BUCKET},
            {},
            f"the bucket '{BUCKET}' exists already in this account",
        ),
        (
            {"aws": {"accountId": "999999999999"}},
            {},
            "the credentials belong to the AWS account 123456789012, "
            "but the cache's is 999999999999",
        ),
        (
            {},
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            "AWS does not accept the credentials",
        ),
        (
            {},
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "there are no credentials for AWS",
        ),
        (
            {"writers": SETTINGS["writers"]},
            {},
            "set aws.githubOidcProviderArn to arn:aws:iam::123456789012:oidc-provider/",
        ),
    ],
    ids=["bucket", "account", "secret", "no-credentials", "github-provider"],
)
def test_what_is_wrong_is_said_in_the_preview_with_the_fix(
    cache: Cache,
    aws_project: Project,
    settings: dict[str, Any],
    environment: dict[str, str],
    said: str,
) -> None:
    """One clear line, no traceback, and nothing is made."""
    aws_project.set(
        **{
            "backend": "aws",
            "domain": "cache.example.org",
            "bucket": "another-cache",
            "aws": {},
            **settings,
        }
    )
    aws_project.environment.update(environment)
    before = cache.owner.list_buckets()["Buckets"]

    result = aws_project.run("preview", "--stack", STACK, timeout=UP_SECONDS)

    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output
    assert cache.owner.list_buckets()["Buckets"] == before


TWO_OF_ONE_BUCKET = '''"""Two caches that want one bucket."""

from nix_cache import BinaryCache

for name in ("one", "two"):
    BinaryCache(
        name,
        {
            "backend": "aws",
            "domain": "cache.example.org",
            "bucket": "alike",
            "aws": {"region": "eu-central-1"},
        },
    )
'''


def test_two_caches_of_one_program_that_want_one_bucket_are_refused(aws_project: Project) -> None:
    """In the preview, where AWS itself could not report it."""
    (aws_project.folder / "__main__.py").write_text(TWO_OF_ONE_BUCKET)

    result = aws_project.run("preview", "--stack", STACK, timeout=UP_SECONDS)

    assert result.exit_code != 0
    assert "the bucket 'alike' is claimed by two caches, 'one' and 'two'" in result.output
    assert "Traceback" not in result.output

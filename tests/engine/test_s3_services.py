"""The backend `s3` on services that lack a part: R2 as Cloudflare simulates it, and moto.

The service with all parts is SeaweedFS, in `test_s3.py` and `test_each_backend.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import urllib3
from moto.server import ThreadedMotoServer

from nix_cache.backends.s3.bucket import ServiceBucket
from nix_cache.backends.s3.connection import S3Service
from nix_cache.backends.s3.login import S3Login
from nix_cache.backends.s3.users import Users
from tests.engine.clone import assert_plain_error
from tests.engine.environments import program_environment
from tests.engine.project import STACK, Project
from tests.engine.r2_simulator import R2Simulator, running_r2
from tools.engine import Engine

pytestmark = pytest.mark.slow

UP = ("up", "--yes", "--skip-preview", "--stack", STACK)


@pytest.fixture
def r2(tmp_path: Path) -> Iterator[R2Simulator]:
    """Provide R2 with an empty bucket."""
    with running_r2(tmp_path, "team-cache") as simulator:
        yield simulator


def cache(folder: Path, engine: Engine, login: S3Login, **settings: object) -> Project:
    """Return a cache on a service, not up yet."""
    made = Project.create(folder, engine, program_environment("s3"))
    made.environment |= {
        "AWS_ACCESS_KEY_ID": login.access_key_id,
        "AWS_SECRET_ACCESS_KEY": login.secret_access_key,
    }
    made.set(domain="cache.example.org", backend="s3", bucket="team-cache", protect=False)
    made.set(**settings)
    return made


def test_a_bucket_of_r2_becomes_a_cache(tmp_path: Path, engine: Engine, r2: R2Simulator) -> None:
    """With the region `auto`. What the simulator lacks is named before anything is made."""
    login = S3Login(*r2.key_pair)
    own = {"endpoint": r2.url, "region": "auto", "createBucket": False}
    pairs = [
        {"user": user, "accessKeyId": r2.key_pair[0], "secretAccessKey": r2.key_pair[1]}
        for user in ("nixbuilder", "nixreader")
    ]
    project = cache(tmp_path / "project", engine, login, s3={**own, "accessKeys": pairs})
    bucket = ServiceBucket(S3Service(r2.url, "auto", "path"), login, "team-cache")

    refused = project.run("preview", "--stack", STACK)
    assert refused.exit_code != 0
    assert "cannot set the lifecycle of a bucket. Set s3.lifecycle to false" in refused.output
    assert_plain_error(refused.output)
    assert not bucket.is_cache

    project.set(s3={**own, "lifecycle": False, "accessKeys": pairs})
    project.up()
    project.up("--expect-no-changes", "--refresh")
    outputs = project.outputs(secrets=True)
    assert "&region=auto" in outputs["pushUrls"]["nixbuilder"]
    assert outputs["manifest"]["region"] == "auto"
    bucket.put_text("nix-cache-info", "StoreDir: /elsewhere\n", "text/x-nix-cache-info")
    project.up("--refresh")
    found = bucket.text("nix-cache-info")
    assert found is not None
    assert found[0].startswith("StoreDir: /nix/store\n")

    project.destroy()
    assert bucket.exists
    assert not bucket.is_cache


def test_a_public_cache_on_r2_needs_another_url(
    tmp_path: Path, engine: Engine, r2: R2Simulator
) -> None:
    """R2 has no bucket policies."""
    pair = {"accessKeyId": r2.key_pair[0], "secretAccessKey": r2.key_pair[1]}
    own = {
        "endpoint": r2.url,
        "region": "auto",
        "createBucket": False,
        "lifecycle": False,
        "accessKeys": [{"user": "nixbuilder", **pair}],
    }
    login = S3Login(*r2.key_pair)
    project = cache(tmp_path / "project", engine, login, public=True, s3=own)

    refused = project.run("preview", "--stack", STACK)
    assert refused.exit_code != 0
    assert "cannot set the bucket policy. Set s3.publicUrl to a URL" in refused.output

    project.set(s3={**own, "publicUrl": "https://cache.example.org"})
    project.up()
    assert project.outputs()["readUrl"] == "https://cache.example.org"


@pytest.fixture
def moto() -> Iterator[str]:
    """Provide the URL of a moto that checks every right from now on, but of no user yet."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset-auth", body=b"1000000")
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset")
    server.stop()


def administrator(url: str, denied: list[str]) -> S3Login:
    """Return an administrator of a moto who is denied some actions."""
    iam = boto3.client(
        "iam",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="first",
        aws_secret_access_key="first",
    )
    iam.create_user(UserName="administrator")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": "*"},
    ]
    iam.put_user_policy(
        UserName="administrator",
        PolicyName="rights",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    urllib3.request("POST", f"{url}/moto-api/reset-auth", body=b"0")
    return S3Login(key["AccessKeyId"], key["SecretAccessKey"])


def test_a_service_that_refuses_the_policy_keeps_no_half_made_cache(
    tmp_path: Path, engine: Engine, moto: str
) -> None:
    """The choices are named, and neither the bucket nor a user is left."""
    login = administrator(moto, ["s3:PutBucketPolicy"])
    own = {"endpoint": moto, "iamEndpoint": moto}
    project = cache(tmp_path / "project", engine, login, public=True, s3=own)

    refused = project.run(*UP)

    assert refused.exit_code != 0
    assert f"The key {login.access_key_id!r} may not set the bucket policy" in refused.output
    assert "Otherwise: Set s3.publicUrl" in refused.output
    assert_plain_error(refused.output)
    bucket = ServiceBucket(S3Service(moto, "us-east-1", "path"), login, "team-cache")
    users = Users(S3Service(moto, "us-east-1", "path", moto), login)
    assert not bucket.exists
    assert users.has("administrator")
    assert not users.has("team-cache-nixbuilder")

    project.set(s3={**own, "publicUrl": "https://cache.example.org"})
    project.up()
    project.up("--expect-no-changes")
    assert project.outputs()["readUrl"] == "https://cache.example.org"

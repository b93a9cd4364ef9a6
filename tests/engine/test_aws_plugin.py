"""The AWS plugin, built or official, serves what the project declares.

Only this module shows what the plugin fills in by itself: names, documents, assets and tags.
"""

import json

import pytest

from tests.engine.project import STACK, Project
from tests.fakes.aws_server import AwsServer

pytestmark = pytest.mark.aws

PROGRAM = """\
import pulumi
import pulumi_aws as aws

bucket = aws.s3.Bucket("bucket", bucket="smoke", force_destroy=True, tags={"of": "smoke"})
aws.s3.BucketPublicAccessBlock(
    "closed",
    bucket=bucket.id,
    block_public_acls=True,
    block_public_policy=True,
    ignore_public_acls=True,
    restrict_public_buckets=True,
)
user = aws.iam.User("user", name="smoke-writer", path="/nix-cache/")
key = aws.iam.AccessKey("key", user=user.name)
aws.iam.UserPolicy(
    "policy",
    user=user.name,
    policy=pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:PutObject"],
                    "Resource": [pulumi.Output.concat(bucket.arn, "/nar/*")],
                }
            ],
        }
    ),
)
pulumi.export("account", aws.get_caller_identity_output().account_id)
pulumi.export("keyId", key.id)
pulumi.export("secret", key.secret)
"""

FILLED_IN = """\
import pulumi
import pulumi_aws as aws

everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
assumed = {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
bucket = aws.s3.Bucket("Data", tags={"of": "smoke"}, force_destroy=True)
aws.s3.BucketObjectv2("page", bucket=bucket.id, source=pulumi.StringAsset("hello"))
role = aws.iam.Role("role", assume_role_policy={"Version": "2012-10-17", "Statement": [assumed]})
aws.iam.RolePolicy(
    "policy", role=role.id, policy={"Version": "2012-10-17", "Statement": [everything]}
)
secret = aws.secretsmanager.Secret("secret", recovery_window_in_days=0)
aws.secretsmanager.SecretVersion("version", secret_id=secret.id, secret_string="hush-hush")
aws.ssm.Parameter("parameter", type="SecureString", value="hush-hush")
aws.cloudfront.OriginAccessControl(
    "control",
    origin_access_control_origin_type="s3",
    signing_behavior="always",
    signing_protocol="sigv4",
)
"""


def test_what_the_package_fills_in_is_filled_in(
    aws_project: Project, aws_server: AwsServer
) -> None:
    """Names, documents given as objects, assets, default tags; what is secret by itself."""
    (aws_project.folder / "__main__.py").write_text(FILLED_IN)
    aws_project.config["aws:defaultTags"] = {"tags": {"team": "tests"}}

    aws_project.up()

    made = {name: found.get("outputs", {}) for name, found in aws_project.resources().items()}
    assert made["Data"]["bucket"].startswith("data-")
    assert made["Data"]["tagsAll"] == {"of": "smoke", "team": "tests"}
    for name in ("role", "policy", "secret", "parameter", "control"):
        assert made[name]["name"].startswith(f"{name}-")
    assert made["control"]["description"] == "Managed by Pulumi"
    assert "hush-hush" not in json.dumps(made)
    s3 = aws_server.client("s3", aws_server.administrator)
    page = s3.get_object(Bucket=made["Data"]["bucket"], Key="page")
    assert page["Body"].read() == b"hello"

    aws_project.up("--refresh", "--expect-no-changes")
    aws_project.destroy()


def test_a_bucket_and_a_user_are_made_once_and_go_without_a_trace(
    aws_project: Project, aws_server: AwsServer
) -> None:
    """Up, a refresh and an up that find nothing to do, and destroy; the key's secret is secret."""
    (aws_project.folder / "__main__.py").write_text(PROGRAM)
    s3, iam = (aws_server.client(name, aws_server.administrator) for name in ("s3", "iam"))

    aws_project.up()

    assert aws_project.outputs()["secret"] == "[secret]"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["smoke"]
    assert "smoke-writer" in [user["UserName"] for user in iam.list_users()["Users"]]
    reported = aws_project.outputs(secrets=True)
    assert reported["account"] == "123456789012"
    assert reported["secret"] not in json.dumps(aws_project.resources())

    aws_project.pulumi("refresh", "--yes", "--stack", STACK, "--expect-no-changes")
    aws_project.up("--expect-no-changes")
    aws_project.destroy()

    assert s3.list_buckets()["Buckets"] == []
    assert "smoke-writer" not in [user["UserName"] for user in iam.list_users()["Users"]]

"""The AWS plugin, built or official, serves what the project declares."""

import json

from tests.engine.aws_server import AwsServer
from tests.engine.project import STACK, Project

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
    told = aws_project.outputs(secrets=True)
    assert told["account"] == "123456789012"
    assert told["secret"] not in json.dumps(aws_project.resources())

    aws_project.pulumi("refresh", "--yes", "--stack", STACK, "--expect-no-changes")
    aws_project.up("--expect-no-changes")
    aws_project.destroy()

    assert s3.list_buckets()["Buckets"] == []
    assert "smoke-writer" not in [user["UserName"] for user in iam.list_users()["Users"]]

"""The user who deploys a cache on AWS, with the rights that the example gives them."""

import json
from pathlib import Path

from tests.engine.environments import program_environment
from tests.engine.project import Project
from tests.fakes.aws_server import AwsServer, Credential
from tools.bootstrap import ROOT
from tools.engine import Engine

BUCKET = "example-org-nix-cache"
"""The bucket for which the deployer's policy is written."""

DEPLOYER = ROOT / "examples" / "aws-production" / "deployer-policy.json"


def deployer(aws: AwsServer) -> Credential:
    """Return a user who may do what the deployer's policy allows, and no more.

    Where moto does not say what an action is about, it may be about anything.
    """
    policy = json.loads(DEPLOYER.read_text())
    for statement in policy["Statement"]:
        if not statement["Action"][0].startswith("s3:"):
            statement["Resource"] = ["*"]
    iam = aws.client("iam", aws.administrator)
    iam.create_user(UserName="deployer")
    iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=json.dumps(policy))
    pair = iam.create_access_key(UserName="deployer")["AccessKey"]
    return Credential(pair["AccessKeyId"], pair["SecretAccessKey"])


def project_of_deployer(folder: Path, engine: Engine, aws: AwsServer) -> Project:
    """Return a project without settings, which a new deployer brings up."""
    project = Project.create(folder, engine, program_environment("aws"))
    identity = deployer(aws)
    project.config.update(aws.config())
    project.environment.update(
        {
            **aws.environment(),
            "AWS_ACCESS_KEY_ID": identity.access_key_id,
            "AWS_SECRET_ACCESS_KEY": identity.secret_access_key,
        }
    )
    return project

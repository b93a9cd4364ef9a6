"""The example of a company's cache on AWS, made as it stands there, but for what moto cannot."""

import json
import re
import shutil
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.engine.aws_server import ACCOUNT, AwsServer
from tests.engine.project import STACK, Project
from toolchain.bootstrap import ROOT

EXAMPLE = ROOT / "examples" / "aws-production"
UP_SECONDS = 600.0
MONITORING = re.compile(r' *"monitoring": \{.*?\},\n', re.DOTALL)
"""moto does not speak the protocol in which the provider makes alarms."""


def test_the_production_example_is_made_and_delivered(
    aws_project: Project, aws_server: AwsServer
) -> None:
    """A closed bucket that CloudFront alone reads, under the company's name."""

    def client(service: str) -> Any:
        return aws_server.client(service, aws_server.administrator)

    zone = client("route53").create_hosted_zone(Name="example.org", CallerReference="test")
    written = yaml.safe_load((EXAMPLE / "Pulumi.prod.yaml").read_text())["config"]
    shutil.copy2(EXAMPLE / "Pulumi.yaml", aws_project.folder)
    program, left_out = MONITORING.subn("", (EXAMPLE / "__main__.py").read_text())
    assert left_out == 1
    (aws_project.folder / "__main__.py").write_text(program)
    shutil.rmtree(aws_project.folder / "state")
    (aws_project.folder / "state").mkdir()
    aws_project.pulumi("stack", "init", STACK)
    aws_project.config.update(written)
    aws_project.config["nix-cache-aws:accountId"] = ACCOUNT
    aws_project.config["nix-cache-aws:hostedZoneId"] = zone["HostedZone"]["Id"].rpartition("/")[2]

    up = ("up", "--yes", "--skip-preview", "--stack", STACK)
    aws_project.pulumi(*up, timeout=UP_SECONDS)
    # moto does not keep all that a distribution is told.
    assert set(aws_project.planned()) <= {"nix-cache-distribution"}

    told = json.loads(aws_project.run("stack", "output", "--json", "--stack", STACK).stdout)
    bucket = written["nix-cache-aws:bucket"]
    [made] = client("cloudfront").list_distributions()["DistributionList"]["Items"]
    policy = json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    block = client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert told["readUrl"] == "https://cache.example.org"
    assert made["Aliases"]["Items"] == ["cache.example.org"]
    assert policy["Statement"][1]["Condition"] == {"StringEquals": {"AWS:SourceArn": made["ARN"]}}
    assert all(block.values())
    with pytest.raises(ClientError, match="AccessDenied"):
        aws_server.client("s3").get_object(Bucket=bucket, Key="nix-cache-info")
    assert f"{bucket}-ci-main" in told["githubActions"]["ci-main"]

"""The example of a company's cache on AWS, created as it stands there, but for what moto cannot.

Only this module has CloudFront, its certificate and a DNS zone under the engine.
"""

import json
import re
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.engine.examples import copy_example, type_the_readme
from tests.engine.project import Project
from tests.fakes.aws_server import ACCOUNT, AwsServer
from tools.bootstrap import ROOT

pytestmark = pytest.mark.aws

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
    copy_example("aws-production", aws_project)
    program, left_out = MONITORING.subn("", (aws_project.folder / "__main__.py").read_text())
    assert left_out == 1
    (aws_project.folder / "__main__.py").write_text(program)
    stack_file = aws_project.folder / "Pulumi.prod.yaml"
    written = yaml.safe_load(stack_file.read_text())["config"]
    here = {
        **aws_server.config(),
        "nix-cache-aws:accountId": ACCOUNT,
        "nix-cache-aws:hostedZoneId": zone["HostedZone"]["Id"].rpartition("/")[2],
    }
    stack_file.write_text(yaml.safe_dump({"config": {**written, **here}}))

    policies = {"../../policies": str(ROOT / "policies")}
    printed = type_the_readme(aws_project, "aws-production", policies, timeout=UP_SECONDS)
    assert f"{written['nix-cache-aws:bucket']}-ci-main" in printed
    again = aws_project.run("preview", "--json", "--stack", "prod").stdout
    # moto does not keep all that a distribution is reported.
    assert {
        step["urn"].rpartition("::")[2]
        for step in json.loads(again)["steps"]
        if step["op"] != "same"
    } <= {"nix-cache-distribution"}

    reported = json.loads(aws_project.run("stack", "output", "--json", "--stack", "prod").stdout)
    bucket = written["nix-cache-aws:bucket"]
    [made] = client("cloudfront").list_distributions()["DistributionList"]["Items"]
    policy = json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    block = client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert reported["readUrl"] == "https://cache.example.org"
    assert made["Aliases"]["Items"] == ["cache.example.org"]
    assert policy["Statement"][1]["Condition"] == {"StringEquals": {"AWS:SourceArn": made["ARN"]}}
    assert all(block.values())
    with pytest.raises(ClientError, match="AccessDenied"):
        aws_server.client("s3").get_object(Bucket=bucket, Key="nix-cache-info")
    assert f"{bucket}-ci-main" in reported["githubActions"]["ci-main"]

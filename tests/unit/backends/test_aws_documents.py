"""Every policy document, read by a linter of IAM policies that is not ours."""

import json
import warnings
from typing import Any

import pytest

from nix_cache.iam import access
from nix_cache.iam.access import PolicyDocument, Privilege
from tools.bootstrap import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources, which is on its way out
    import parliament

BUCKET = "team-cache"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0f"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = access.github_subject("o/r", branch="main", environment=None)

DOCUMENTS: dict[str, PolicyDocument] = {
    "writer": access.writer_policy(BUCKET),
    "reader": access.reader_policy(BUCKET),
    "writer-kms": access.merged(
        access.writer_policy(BUCKET), access.kms_policy(Privilege.WRITE, KEY, "eu-central-1")
    ),
    "reader-kms": access.merged(
        access.reader_policy(BUCKET), access.kms_policy(Privilege.READ, KEY, "eu-central-1")
    ),
    "secrets-manager": access.read_secret_policy(
        "secretsmanager:GetSecretValue",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:nix-cache/team-cache/gha-Ab1Cd2",
    ),
    "parameter-store": access.read_secret_policy(
        "ssm:GetParameter",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/nix-cache/team-cache/gha",
    ),
    "tls-only": access.tls_only_policy(BUCKET),
    "public": access.merged(access.tls_only_policy(BUCKET), access.anonymous_read_policy(BUCKET)),
    "cloudfront": access.merged(
        access.tls_only_policy(BUCKET),
        access.cloudfront_read_policy(
            BUCKET, "arn:aws:cloudfront::123456789012:distribution/E1ABCDEF"
        ),
    ),
    "log-delivery": access.merged(
        access.log_delivery_policy("team-cache-logs", "access-logs/", BUCKET, "123456789012"),
        access.tls_only_policy("team-cache-logs"),
    ),
    "github": access.github_trust_policy(PROVIDER, SUBJECT),
    "deployer": json.loads(
        (ROOT / "examples" / "aws-production" / "deployer-policy.json").read_text()
    ),
}


def findings(document: PolicyDocument) -> list[str]:
    """Return what the linter has to say of a document."""
    analyzed = parliament.analyze_policy_string(json.dumps(document))
    return [finding.issue for finding in analyzed.findings]


UNKNOWN_TO_THE_LINTER = {"github": ["MALFORMED", "UNKNOWN_FEDERATION_SOURCE"]}
"""It knows no trust documents, which have no resource, and no providers but SAML's."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_linter_finds_nothing(name: str) -> None:
    """Neither a word that IAM does not know nor one that means something else."""
    assert sorted(findings(DOCUMENTS[name])) == UNKNOWN_TO_THE_LINTER.get(name, [])


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"Action": ["s3:GetObjectt"]}, "UNKNOWN_ACTION"),
        ({"Resource": ["arn:aws:s3:::team-cache"]}, "RESOURCE_MISMATCH"),
        ({"Effect": "allow"}, "MALFORMED"),
    ],
)
def test_the_linter_would_find_a_mistake(change: dict[str, Any], issue: str) -> None:
    """Else the test above could not fail."""
    (statement,) = access.reader_policy(BUCKET)["Statement"]
    broken = {"Version": "2012-10-17", "Statement": [{**statement, **change}]}

    assert issue in findings(broken)

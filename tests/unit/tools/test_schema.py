"""The component as programs in other languages see it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nix_cache.versions import semantic_version
from tools.schema import SCHEMA

KEPT = json.loads(SCHEMA.read_text(encoding="utf-8"))
[CACHE] = KEPT["resources"].values()


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """All that has to have a description, by its place in the schema."""
    for group in ("resources", "types"):
        for token, kind in KEPT[group].items():
            yield token, kind
            for part in ("inputProperties", "properties"):
                for name, found in (kind.get(part) or {}).items():
                    yield f"{token} {part} {name}", found


def test_everything_is_described_in_whole_sentences() -> None:
    """Editors show the descriptions, on one line each."""
    for place, found in described():
        assert found["description"].endswith("."), place
        assert "\n" not in found["description"], place


def test_what_is_secret_is_marked_for_the_sdks_that_are_made_of_the_schema() -> None:
    """Nothing else is."""
    marked = [place for place, found in described() if found.get("secret")]

    assert [place.rpartition(" ")[2] for place in marked] == [
        "signingKeys",
        "credentials",
        "signingKey",
        "secretAccessKey",
    ]


def test_values_that_name_other_resources_may_be_outputs() -> None:
    """Everything else decides what there is to be made, so it is known beforehand."""
    inputs = CACHE["inputProperties"] | {
        f"{token.rpartition(':')[2]}.{name}": found
        for token, kind in KEPT["types"].items()
        for name, found in kind.get("properties", {}).items()
    }

    assert {name for name, found in inputs.items() if not found.get("plain")} == {
        "Writer.signingKey",
        "Writer.githubRepository",
        "Writer.githubBranch",
        "Writer.githubEnvironment",
        "Minio.endpoint",
        "Aws.accountId",
        "Aws.endpoint",
        "Aws.kmsKeyArn",
        "Aws.githubOidcProviderArn",
        "AwsMonitoring.alarmTopicArn",
        "CloudFront.domainName",
        "CloudFront.certificateArn",
        "CloudFront.hostedZoneId",
        "Spaces.endpoint",
        "SpacesCdn.domainName",
        "SpacesCdn.certificateName",
        "B2.endpoint",
        "S3.endpoint",
        "S3.publicUrl",
        "S3.iamEndpoint",
        "S3AccessKey.accessKeyId",
        "S3AccessKey.secretAccessKey",
    }
    assert inputs["Aws.tags"]["plain"]
    assert not inputs["Aws.tags"]["additionalProperties"].get("plain")


def test_former_names_are_marked_as_deprecated_for_the_sdks() -> None:
    """Nothing else is."""
    marked = {
        place.partition(" ")[2]: found["deprecationMessage"]
        for place, found in described()
        if "deprecationMessage" in found
    }

    assert marked == {
        "inputProperties descriptor": "Use manifest instead.",
        "properties cache": "Use manifest instead.",
    }


@pytest.mark.parametrize(
    ("of_python", "of_the_engine"),
    [
        ("1.2.3", "1.2.3"),
        ("0.2.0.dev0", "0.2.0-dev.0"),
        ("1.0.0rc2", "1.0.0-rc.2"),
        ("1.0.0a1", "1.0.0-a.1"),
    ],
)
def test_a_version_is_one_that_the_engine_can_read(of_python: str, of_the_engine: str) -> None:
    """Python and Pulumi spell the versions before a release differently."""
    assert semantic_version(of_python) == of_the_engine

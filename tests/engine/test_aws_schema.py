"""The built AWS plugin describes its types as the pulumi-aws package does, which programs use.

Only the built plugin can print its schema; programs of the other modules use a part of it.
"""

import json
import subprocess
from typing import Any

import pytest

from offline import programs as tools
from tests.engine.aws_shapes import Package, differences, of_schema
from tools.engine import AWS_PLUGIN, Engine, PartOrigin

pytestmark = pytest.mark.aws

NEWER = {
    "Distribution inputs.origins[].customOriginConfig.originMtlsConfig only in the package",
    "Distribution outputs.origins[].customOriginConfig.originMtlsConfig only in the package",
    "MetricAlarm inputs.evaluationWindow only in the package",
    "MetricAlarm outputs.evaluationWindow only in the package",
    "MetricAlarm inputs.warmUpConfiguration only in the package",
    "MetricAlarm outputs.warmUpConfiguration only in the package",
    "Secret inputs.type only in the package",
    "Secret outputs.type only in the package",
}
"""What upstream got after the version that is built. The project uses none of it."""


@pytest.fixture(scope="module")
def schema(aws_engine: Engine) -> dict[str, Any]:
    """Provide the types of the built plugin."""
    if PartOrigin.BUILT not in {
        part.origin for part in aws_engine.parts if part.name == AWS_PLUGIN
    }:
        pytest.skip("the plugin is the official one")
    tool = tools.TOOLS["pulumi-resource-aws"]
    plugin = aws_engine.home / "plugins" / f"resource-aws-v{tool.version}" / tool.name
    reported = subprocess.run([plugin, "schema"], capture_output=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(reported.stdout)
    return found


def test_names_lists_and_plain_types_are_the_packages(schema: dict[str, Any]) -> None:
    """Of inputs and outputs, also nested ones; only what is newer than the plugin is missing."""
    found = set()
    for token, resource in schema["resources"].items():
        name, package = token.rpartition(":")[2], Package(token)
        inputs = of_schema(schema, resource["inputProperties"])
        # Upstream takes them as an input too; no program can give them.
        inputs.pop("tagsAll", None)
        found |= set(differences(f"{name} inputs", inputs, package.inputs()))
        outputs = of_schema(schema, resource["properties"])
        found |= set(differences(f"{name} outputs", outputs, package.outputs()))

    assert len(schema["resources"]) >= 25
    assert found == NEWER


def test_what_has_to_be_given_is_what_the_package_asks_for(schema: dict[str, Any]) -> None:
    """So the names that Pulumi makes up are made up here as well."""
    for token, resource in schema["resources"].items():
        assert set(resource.get("requiredInputs", [])) == Package(token).required(), token


def test_what_is_secret_in_the_package_is_secret(schema: dict[str, Any]) -> None:
    """Nothing that the official plugin encrypts is in plain sight in the state."""
    secrets = {
        token: {name for name, kind in resource["properties"].items() if kind.get("secret")}
        for token, resource in schema["resources"].items()
    }

    assert secrets == {token: Package(token).secrets() for token in secrets}
    assert secrets["aws:iam/accessKey:AccessKey"] == {"secret", "sesSmtpPasswordV4"}


def test_a_list_in_the_place_of_one_value_is_a_difference() -> None:
    """The comparison finds what it is for."""
    package = Package("aws:route53/record:Record").inputs()
    single = {**package, "aliases": package["aliases"][0]}

    assert [line.partition(" is ")[0] for line in differences("Record", single, package)] == [
        "Record.aliases"
    ]
    assert [*differences("Record", {**package, "alias": "string"}, package)] == [
        "Record.alias only in the plugin"
    ]

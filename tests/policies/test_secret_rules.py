"""Rules on secrets: those of providers, and those of the state."""

from typing import Any

import pytest

from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.rules.secrets import PROVIDER_CREDENTIALS, STATE_ENCRYPTION
from tests.policies.stacks import found, resource, unknown

DYNAMIC = "pulumi:providers:pulumi-python"
STACK = resource("pulumi:pulumi:Stack")
SALT = {"encryptionsalt": "v1:abc"}


@pytest.mark.parametrize(
    ("provider", "setting"),
    [
        ("minio", "minioPassword"),
        ("minio", "minioSecretKey"),
        ("minio", "minioSessionToken"),
        ("aws", "secretKey"),
        ("aws", "token"),
        ("digitalocean", "token"),
        ("digitalocean", "spacesSecretKey"),
        ("pulumi-python", "b2:applicationKey"),
        ("pulumi-python", "minio:minioPassword"),
    ],
)
def test_a_credential_of_a_provider_is_a_secret(provider: str, setting: str) -> None:
    """For B2, that of the stack's configuration, which dynamic resources are given."""
    kind = f"pulumi:providers:{provider}"
    plain = resource(kind, {setting: "s3cr3t", "region": "r"})

    violations = found(PROVIDER_CREDENTIALS, plain)
    assert f"has {setting} in plain text" in violations
    assert "s3cr3t" not in violations
    marked = resource(kind, {setting: "s3cr3t"}, secrets=frozenset({setting}))
    assert not found(PROVIDER_CREDENTIALS, marked)
    assert not found(PROVIDER_CREDENTIALS, resource(kind))
    assert not found(PROVIDER_CREDENTIALS, resource(kind, {setting: None}))
    assert unknown(PROVIDER_CREDENTIALS, resource(kind, {setting: UNKNOWN}))


def test_a_secret_that_is_not_known_yet_is_a_secret() -> None:
    """Its mark is there before its value."""
    marked = resource(
        "pulumi:providers:minio", {"minioPassword": UNKNOWN}, secrets=frozenset({"minioPassword"})
    )

    assert not found(PROVIDER_CREDENTIALS, marked)


def test_where_marks_cannot_be_seen_nothing_is_taken_for_a_secret() -> None:
    """A policy SDK that works otherwise makes the rule say so."""
    blind = resource("pulumi:providers:minio", {"minioPassword": "p"}, secrets=None)

    assert "does not report secrets" in unknown(PROVIDER_CREDENTIALS, blind)


def test_what_is_not_a_credential_may_be_public() -> None:
    """A user's name, and the properties of what is no provider."""
    assert not found(PROVIDER_CREDENTIALS, resource("pulumi:providers:minio", {"minioUser": "u"}))
    assert not found(PROVIDER_CREDENTIALS, resource("team:index:Thing", {"token": "t"}))


@pytest.mark.parametrize(
    ("writers", "is_plain"),
    [
        ('[{"name": "w", "signingKey": "w-1:AAAA"}]', True),
        ('[{"name": "w"}, "v"]', False),
        ('[{"name": "w", "signingKey": "w-1:AAAA"}', True),
        ('[{"signingKey": "w-1:AAAA"}, ' + "[" * 9000, True),
        ('["w"]', False),
        ("w", False),
        ("", False),
    ],
)
def test_a_signing_key_in_the_configuration_is_a_secret(writers: str, is_plain: bool) -> None:
    """One that is brought in."""
    plain = resource(DYNAMIC, {"nix-cache:writers": writers})
    marked = resource(
        DYNAMIC, {"nix-cache:writers": writers}, secrets=frozenset({"nix-cache:writers"})
    )

    violations = found(PROVIDER_CREDENTIALS, plain)
    assert ("signingKey" in violations) is is_plain
    assert "AAAA" not in violations
    assert not found(PROVIDER_CREDENTIALS, marked)


@pytest.mark.parametrize(
    ("stack_file", "environment", "what"),
    [
        (SALT, {}, ""),
        (SALT, {"PULUMI_CONFIG_PASSPHRASE": "long enough"}, ""),
        (SALT, {"PULUMI_CONFIG_PASSPHRASE": ""}, "an empty passphrase"),
        ({"secretsprovider": "passphrase", **SALT}, {"PULUMI_CONFIG_PASSPHRASE": ""}, "an empty"),
        ({"secretsprovider": "awskms://alias/k?region=r"}, {"PULUMI_CONFIG_PASSPHRASE": ""}, ""),
        ({"secretsprovider": "gcpkms://k"}, {}, ""),
        ({"secretsprovider": "azurekeyvault://k"}, {}, ""),
        ({"secretsprovider": "hashivault://k"}, {}, ""),
        ({"secretsprovider": "default"}, {}, ""),
        ({"secretsprovider": "plaintext"}, {}, "'plaintext'"),
        ({}, {"PULUMI_CONFIG_PASSPHRASE": ""}, ""),
    ],
)
def test_the_state_is_encrypted_with_a_secret(
    stack_file: dict[str, Any], environment: dict[str, str], what: str
) -> None:
    """Where a service keeps the state, there is neither a salt nor a provider in the file."""
    violations = found(STATE_ENCRYPTION, STACK, stack_file=stack_file, environment=environment)

    assert what in violations
    assert bool(violations) is bool(what)


def test_a_stack_file_that_is_not_there_is_reported() -> None:
    """The engine does not say where the program is. In development it does not matter."""
    assert "Pulumi.prod.yaml" in unknown(STATE_ENCRYPTION, STACK)
    assert not unknown(STATE_ENCRYPTION, STACK, stack="dev")
    assert not unknown(STATE_ENCRYPTION, resource("team:index:Thing"))

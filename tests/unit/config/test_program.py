"""From a stack's configuration to arguments, without an engine."""

import json
from functools import partial
from pathlib import Path

import pytest

from nix_cache.backends.aws.settings import AwsSettings
from nix_cache.backends.minio.connection import Connection
from nix_cache.backends.minio.settings import MinioSettings
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings

LEAST = {
    "nix-cache:domain": "cache.example.org",
    "nix-cache:minio": '{"endpoint": "https://minio.example.org"}',
}


@pytest.fixture
def connection_file(tmp_path: Path) -> Path:
    """Provide a file as `make up` writes it."""
    path = tmp_path / "connection.json"
    path.write_text(
        json.dumps(
            {"minioServer": "127.0.0.1:9000", "minioUser": "root-1", "minioPassword": "hidden-1"}
        )
    )
    return path


def test_lists_and_objects_come_as_json_and_scalars_as_text() -> None:
    """As the engine hands them over."""
    settings, provider = checked_settings(
        {
            **LEAST,
            "nix-cache:writers": '["ci-x", {"name": "ops", "generation": 2}]',
            "nix-cache:public": "true",
            "other:writers": "not ours",
        }
    )

    assert settings.own(MinioSettings).endpoint == "https://minio.example.org"
    assert [(w.name, w.generation) for w in settings.writers] == [("ci-x", 1), ("ops", 2)]
    assert settings.public is True
    assert provider is None


def test_an_empty_group_within_a_backend_comes_as_text() -> None:
    """As `pulumi config set --path nix-cache:aws.accessLogs '{}'` writes it."""
    settings, _ = checked_settings(
        {
            "nix-cache:domain": "cache.example.org",
            "nix-cache:backend": "aws",
            "nix-cache:aws": '{"accessLogs": "{}", "region": "eu-central-1"}',
        }
    )

    logs = settings.own(AwsSettings).access_logs
    assert logs is not None
    assert logs.expire_after_days == 30


def test_digits_come_as_a_number_where_a_text_is_meant() -> None:
    """As `pulumi config set --path nix-cache:aws.accountId 123456789012` writes them."""
    own = '{"accountId": 123456789012, "region": "eu-central-1", "tags": {"team": 5}}'
    settings, _ = checked_settings(
        {"nix-cache:domain": "cache.example.org", "nix-cache:backend": "aws", "nix-cache:aws": own}
    )

    aws = settings.own(AwsSettings)
    assert (aws.account_id, aws.tags) == ("123456789012", {"team": "5"})


def test_the_endpoint_is_the_providers_server_unless_another_is_given() -> None:
    """No user has to write the address twice."""
    provider = {"minio:minioServer": "minio.example.org:9000", "minio:minioSsl": "true"}
    settings, _ = checked_settings(
        {"nix-cache:domain": "cache.example.org", "nix-cache:minio": "{}", **provider}
    )
    assert settings.own(MinioSettings).endpoint == "https://minio.example.org:9000"

    settings, _ = checked_settings({**LEAST, **provider})
    assert settings.own(MinioSettings).endpoint == "https://minio.example.org"


def test_a_connection_file_gives_the_endpoint_and_the_administrator(connection_file: Path) -> None:
    """The file's name does not reach the component, its password no representation."""
    settings, provider = checked_settings(
        {**LEAST, "nix-cache:minio": json.dumps({"connectionFile": str(connection_file)})}
    )

    assert settings.own(MinioSettings).endpoint == "http://127.0.0.1:9000"
    assert isinstance(provider, partial)
    assert provider.args == (Connection("127.0.0.1:9000", "root-1", "hidden-1", ssl=False),)
    assert "hidden-1" not in repr(provider)


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (None, "does not exist"),
        ("not json", "cannot be used"),
        ("{}", "it lacks minioServer"),
        ("[]", "it lacks minioServer"),
    ],
)
def test_a_connection_file_that_cannot_be_used_is_one_mistake_among_the_others(
    tmp_path: Path, content: str | None, mistake: str
) -> None:
    """It is reported together with the rest."""
    path = tmp_path / "connection.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(SettingsError) as refusal:
        checked_settings(
            {
                "nix-cache:minio": json.dumps({"connectionFile": str(path)}),
                "nix-cache:priority": "high",
            }
        )

    assert [problem.key for problem in refusal.value.problems] == [
        "minio.connectionFile",
        "domain",
        "priority",
    ]
    assert mistake in refusal.value.problems[0].mistake


def test_a_misspelt_connection_file_is_recognised() -> None:
    """It is a setting of stacks alone, so arguments of programs do not suggest it."""
    with pytest.raises(SettingsError) as refusal:
        checked_settings(
            {
                "nix-cache:domain": "cache.example.org",
                "nix-cache:minio": '{"conectionFile": "a", "foo": 1}',
            }
        )

    fixes = {problem.key: problem.fix for problem in refusal.value.problems}
    assert set(fixes) == {"minio.conectionFile", "minio.foo"}, "it would have the endpoint"
    assert fixes["minio.conectionFile"] == "did you mean connectionFile?"
    assert fixes["minio.foo"] == "use one of endpoint, region, userPrefix, connectionFile"
    with pytest.raises(SettingsError) as refusal:
        check({"domain": "cache.example.org", "minio": {"connectionFile": "a"}})
    assert "connectionFile?" not in str(refusal.value)


def test_an_unknown_key_of_the_project_is_a_mistake() -> None:
    """A typing error must not be taken for a default."""
    with pytest.raises(SettingsError, match="nix-cache:wantMasQuery is an unknown setting"):
        checked_settings({**LEAST, "nix-cache:wantMasQuery": "false"})


def test_a_required_setting_that_is_empty_is_required() -> None:
    """The engine hands over the project's default, as it has no optional settings."""
    with pytest.raises(SettingsError, match="nix-cache:domain is required"):
        checked_settings({**LEAST, "nix-cache:domain": ""})


def test_broken_json_is_reported_as_the_setting_that_it_stands_for() -> None:
    """Not as a parser's error."""
    with pytest.raises(SettingsError, match=r"nix-cache:writers = .* is not a list"):
        checked_settings({**LEAST, "nix-cache:writers": '["ci'})

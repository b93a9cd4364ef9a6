"""What is said before anything is made: an account that is not known, settings that contradict."""

import json

import pytest

from nix_cache.backends.spaces.connection import (
    SpacesAccountError,
    SpacesConnection,
    connection_from,
)
from nix_cache.backends.spaces.settings import SpacesSettings
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings

SETTINGS = {"domain": "cache.example.org", "backend": "spaces", "spaces": {"region": "fra1"}}
CONFIGURED = {
    "nix-cache:domain": "cache.example.org",
    "nix-cache:backend": "spaces",
    "nix-cache:spaces": '{"region": "fra1"}',
    "digitalocean:token": "dop_v1_secret",
    "digitalocean:spacesAccessId": "DO00ID",
    "digitalocean:spacesSecretKey": "hidden-1",
}
VARIABLES = {
    "DIGITALOCEAN_ACCESS_TOKEN": "dop_v1_secret",
    "SPACES_ACCESS_KEY_ID": "DO00ID",
    "SPACES_SECRET_ACCESS_KEY": "hidden-1",
}


@pytest.fixture(autouse=True)
def _nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a user who runs the tests may have an account."""
    for name in (*VARIABLES, "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_API_URL", "SPACES_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_an_account_in_the_configuration_is_enough() -> None:
    """And none of it reaches the component."""
    settings, provider = checked_settings(CONFIGURED)

    assert settings.own(SpacesSettings).region == "fra1"
    assert provider is None


def test_an_account_in_the_environment_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under any of the variables that the provider reads."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    settings, _ = checked_settings({k: v for k, v in CONFIGURED.items() if k.startswith("nix")})

    assert settings.own(SpacesSettings).region == "fra1"


@pytest.mark.parametrize(
    ("setting", "variable"),
    [
        ("token", "DIGITALOCEAN_TOKEN"),
        ("spacesAccessId", "SPACES_ACCESS_KEY_ID"),
        ("spacesSecretKey", "SPACES_SECRET_ACCESS_KEY"),
    ],
)
def test_what_is_missing_of_the_account_is_named_with_both_ways_to_set_it(
    setting: str, variable: str
) -> None:
    """In one line, without anything secret."""
    configured = {k: v for k, v in CONFIGURED.items() if k != f"digitalocean:{setting}"}

    with pytest.raises(SettingsError) as error:
        checked_settings(configured)

    assert "1 mistake in" in str(error.value)
    assert f"digitalocean:{setting} is not set" in str(error.value)
    assert f"--secret digitalocean:{setting}`, or set the variable {variable}" in str(error.value)
    assert "hidden" not in str(error.value)


def test_an_unknown_account_and_wrong_settings_are_reported_at_once() -> None:
    """A user who corrects one of them should know of the others."""
    with pytest.raises(SettingsError) as error:
        checked_settings(
            {
                "nix-cache:backend": "spaces",
                "nix-cache:spaces": json.dumps({"region": "fra9", "cnd": {}}),
            }
        )

    message = str(error.value)
    assert "6 mistakes" in message
    assert "nix-cache:spaces.region = 'fra9' is not one of the allowed values" in message
    assert "nix-cache:spaces.cnd is an unknown setting" in message
    assert "did you mean cdn?" in message
    assert "nix-cache:domain is required" in message


def test_a_region_without_spaces_is_refused_with_those_that_have_them() -> None:
    """DigitalOcean has more regions than those."""
    with pytest.raises(SettingsError, match=r"spaces\.region = 'nyc1'.*\n.*ams3, atl1, blr1, fra1"):
        check({**SETTINGS, "spaces": {"region": "nyc1"}})


@pytest.mark.parametrize(
    ("cdn", "public", "mistake"),
    [
        ({}, False, "spaces.cdn cannot be used without public"),
        ({"domainName": "nix.example.org"}, True, "but not both"),
        ({"certificateName": "nix"}, True, "but not both"),
        ({"ttlSeconds": 61}, True, "spaces.cdn.ttlSeconds = 61 is not one of the allowed values"),
    ],
)
def test_a_cdn_that_could_not_work_is_refused(
    cdn: dict[str, object], public: bool, mistake: str
) -> None:
    """Before anything is made."""
    with pytest.raises(SettingsError) as error:
        check({**SETTINGS, "public": public, "spaces": {"region": "fra1", "cdn": cdn}})

    assert mistake in str(error.value)


@pytest.mark.parametrize("cdn", [{}, {"domainName": "nix.example.org", "certificateName": "nix"}])
def test_a_cdn_before_a_public_cache_is_allowed(cdn: dict[str, object]) -> None:
    """With a host name of one's own, and without."""
    settings = check({**SETTINGS, "public": True, "spaces": {"region": "fra1", "cdn": cdn}})

    assert settings.own(SpacesSettings).cdn is not None


def test_readers_of_a_public_cache_are_refused_with_the_two_ways_out() -> None:
    """A policy and limited keys exclude each other."""
    with pytest.raises(SettingsError) as error:
        check({**SETTINGS, "public": True, "readers": ["ops"]})

    assert "public: false, where each reader and writer has a limited key, or no readers" in str(
        error.value
    )


def test_a_connection_is_the_one_that_the_provider_would_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A setting before a variable, a variable before the default; nothing secret in the repr."""
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "of the environment")
    monkeypatch.setenv("DIGITALOCEAN_ACCESS_TOKEN", "the second choice")
    monkeypatch.setenv("SPACES_SECRET_ACCESS_KEY", "hidden-1")
    known = connection_from({"spacesAccessId": "DO00ID", "spacesSecretKey": "hidden-2"}.get)

    assert known == SpacesConnection(
        token="of the environment",
        access_id="DO00ID",
        secret_key="hidden-2",
        api_url="https://api.digitalocean.com",
        spaces_url="https://{{.Region}}.digitaloceanspaces.com",
    )
    assert known.endpoint("fra1") == "https://fra1.digitaloceanspaces.com"
    assert "hidden" not in repr(known)


def test_a_connection_without_an_account_names_all_that_lacks() -> None:
    """For programs of others, which have no check of the configuration."""
    with pytest.raises(SpacesAccountError) as error:
        connection_from({"spacesAccessId": "DO00ID"}.get)

    assert str(error.value) == (
        "the DigitalOcean account is not known: set digitalocean:token (or DIGITALOCEAN_TOKEN), "
        "digitalocean:spacesSecretKey (or SPACES_SECRET_ACCESS_KEY)"
    )

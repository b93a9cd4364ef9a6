"""The home-manager module, evaluated by the real Nix: what users get that machines do not have.

What both have is tested with NixOS. No user's configuration is switched to.
"""

import json

import pytest

from nix_cache.cli.machine.places import user_place
from tests.e2e.nixos.configurations import KEYS, PUSHES, READ_URL, READS, READS_PRIVATELY
from tests.e2e.nixos.configurations import nixos as nixos
from tests.e2e.nixos.machine import NixOS

HOME = {"kind": '"home-manager"'}
TRUSTED = "services.nix-cache.trusted = true;"
KEY_LIST = " ".join(f'"{key}"' for key in KEYS)


def system(settings: str, **more: str) -> dict[str, str]:
    """Return the arguments of a home-manager in a system whose `nix.settings` are given."""
    users = more.get("users", "users.users = { };")
    own = more.get("own", "")
    config = f"{{ nix.enable = true; nix.settings = {{ {settings} }}; {users} {own} }}"
    return {**HOME, "osConfig": config}


def test_a_user_gets_the_settings_that_a_machine_gets(nixos: NixOS) -> None:
    """In the user's nix.conf, with a record of the cache beside it."""
    found = nixos.evaluate(f"{READS} {TRUSTED}", **HOME)

    assert found["settings"] == nixos.evaluate(READS)["settings"]
    record = user_place({"HOME": "/h", "XDG_CONFIG_HOME": "/h/.config"}).record("team")
    assert list(found["xdg"]["configFile"]) == [str(record).removeprefix("/h/.config/")]
    assert found["home"]["packages"] == []
    assert found["warnings"] == []


def test_a_writer_gets_a_service_that_watches_the_store(nixos: NixOS) -> None:
    """With the files of the user, who needs no copies of them."""
    found = nixos.evaluate(f"{PUSHES} {TRUSTED}", **HOME)

    unit = found["systemd"]["user"]["services"]["nix-cache-watch-team"]
    assert unit["Service"]["ExecStart"] == f"{nixos.programs}/bin/nix-cache watch-store --to team"
    assert "AWS_SHARED_CREDENTIALS_FILE=/run/secrets/credentials" in unit["Service"]["Environment"]
    assert f"PATH={nixos.programs}/bin:" in "\n".join(unit["Service"]["Environment"])
    assert unit["Install"]["WantedBy"] == ["default.target"]
    assert found["launchd"]["agents"] == {}
    (record,) = found["xdg"]["configFile"].values()
    assert json.loads(record["text"])["signingKeyFile"] == "/run/secrets/key"
    assert found["settings"]["extra-secret-key-files"] == ["/run/secrets/key"]
    assert found["home"]["packages"] == [str(nixos.programs)]


def test_a_writer_on_a_mac_gets_an_agent(nixos: NixOS) -> None:
    """That does the same."""
    found = nixos.evaluate(f"{PUSHES} {TRUSTED}", **HOME, isDarwin="true")

    agent = found["launchd"]["agents"]["nix-cache-watch-team"]
    assert agent["enable"] is True
    command = f"{nixos.programs}/bin/nix-cache watch-store --to team"
    assert agent["config"]["ProgramArguments"] == command.split()
    environment = agent["config"]["EnvironmentVariables"]
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == "/run/secrets/credentials"
    assert agent["config"]["KeepAlive"] is True
    assert found["systemd"]["user"]["services"] == {}


def test_a_user_whose_trust_is_unknown_is_warned(nixos: NixOS) -> None:
    """The warning names what the system has to allow, and how to confirm that it does."""
    (warning,) = nixos.evaluate(READS, **HOME)["warnings"]

    assert "a Nix daemon that does not trust alice ignores these caches" in warning
    assert "`trusted-substituters` and their keys in its `trusted-public-keys`" in warning
    assert "`services.nix-cache.trusted` to true" in warning


@pytest.mark.parametrize(
    "given",
    [
        system('trusted-users = [ "root" "alice" ];'),
        system('extra-trusted-users = [ "*" ];'),
        system(
            'trusted-users = [ "@wheel" ];',
            users='users.users.alice.extraGroups = [ "wheel" ];',
        ),
        system('trusted-users = [ "@admin" ];', users='users.users.alice.group = "admin";'),
        system(
            f'trusted-substituters = [ "{READ_URL}/" ]; trusted-public-keys = [ {KEY_LIST} ];',
        ),
        system(
            f'extra-substituters = [ "{READ_URL}?priority=10" ];'
            f"extra-trusted-public-keys = [ {KEY_LIST} ];",
        ),
    ],
)
def test_a_user_whom_the_system_allows_it_is_not_warned(
    nixos: NixOS, given: dict[str, str]
) -> None:
    """By name, by group, or because the cache and its keys are the system's."""
    assert nixos.evaluate(READS, **given)["warnings"] == []


@pytest.mark.parametrize(
    "given",
    [
        system('trusted-users = [ "root" "@wheel" ];'),
        system(f'trusted-substituters = [ "{READ_URL}" ];'),
        system(f"trusted-public-keys = [ {KEY_LIST} ];"),
        system(
            f'trusted-substituters = [ "{READ_URL}" ]; trusted-public-keys = [ "{KEYS[0]}" ];',
        ),
    ],
)
def test_a_user_whom_the_system_ignores_is_refused(nixos: NixOS, given: dict[str, str]) -> None:
    """For the settings would silently have no effect."""
    why = nixos.refusal(READS, **given)

    assert "`services.nix-cache` of alice has no effect: the Nix daemon does not trust alice" in why
    assert "set `services.nix-cache.caches.NAME.optional` to true there" in why


def test_what_the_machines_module_allows_is_enough(nixos: NixOS) -> None:
    """The fix that the message names, in both configurations."""
    machine = nixos.evaluate(f"{READS} services.nix-cache.caches.team.optional = true;")
    settings = json.dumps(json.dumps(machine["settings"]))
    given = {
        **HOME,
        "osConfig": f"{{ nix.enable = true; nix.settings = builtins.fromJSON {settings}; "
        "users.users = { }; }",
    }

    assert nixos.evaluate(READS, **given)["warnings"] == []


def test_a_private_cache_needs_the_machines_credentials(nixos: NixOS) -> None:
    """The daemon does not see those of the user. With the machine's, there is no warning."""
    trusting = 'trusted-users = [ "alice" ];'
    credentials = 'services.nix-cache.credentialsFile = "/run/secrets/credentials";'

    (warning,) = nixos.evaluate(READS_PRIVATELY, **system(trusting))["warnings"]

    assert "the cache team is private, and a Nix daemon reads it with root's credentials" in warning
    found = nixos.evaluate(READS_PRIVATELY, **system(trusting, own=credentials))
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            f'{PUSHES} services.nix-cache.caches.team.push.trigger = "hook";',
            '`services.nix-cache.caches.team.push.trigger` is "hook", and the Nix daemon runs only',
        ),
        (
            f"{READS} services.nix-cache.caches.team.optional = true;",
            "`services.nix-cache.caches.team.optional` is true, which only a system's",
        ),
        (
            f'{READS} nix.settings.trusted-public-keys = [ "{KEYS[0]}" ];',
            "`trusted-public-keys` is set beside `services.nix-cache`, and home-manager writes it "
            "after extra-trusted-public-keys, whose values Nix then discards. Set extra-trusted",
        ),
        (f"{READS} nix.enable = false;", "`nix.enable` is false, so home-manager writes no"),
        (
            f'{READS} nix.extraOptions = "substituters = a";',
            "`nix.extraOptions` sets substituters, which home-manager writes after",
        ),
    ],
)
def test_what_a_user_cannot_have_is_refused(nixos: NixOS, settings: str, reason: str) -> None:
    """With the option and the fix."""
    assert reason in nixos.refusal(f"{settings} {TRUSTED}", **HOME)

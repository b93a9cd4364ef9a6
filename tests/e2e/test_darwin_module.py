"""The nix-darwin module, evaluated by the real Nix: what Macs get that NixOS does not have.

What both have is tested with NixOS. No Mac is switched to a configuration.
"""

import re

import pytest

from nix_cache.cli.machine.places import hook_name, system_place
from tests.e2e.nixos.configurations import (
    KEYS,
    PRIVATE_URL,
    PUSHES,
    READ_URL,
    READS,
    READS_PRIVATELY,
)
from tests.e2e.nixos.configurations import nixos as nixos
from tests.e2e.nixos.machine import SYSTEMS, NixOS

DARWIN = {"kind": '"darwin"'}
DETERMINATE = {**DARWIN, "modules": f"[ {SYSTEMS / 'determinate.nix'} ]"}
ROOTS = "/var/root/.aws/credentials"


def test_a_mac_gets_the_settings_that_nixos_gets(nixos: NixOS) -> None:
    """The daemon of a private cache gets the credentials by its environment."""
    public = nixos.evaluate(READS, **DARWIN)
    private = nixos.evaluate(READS_PRIVATELY, **DARWIN)

    assert public["settings"] == nixos.evaluate(READS)["settings"]
    assert public["launchd"]["daemons"] == {}
    assert private["settings"]["extra-substituters"] == [PRIVATE_URL]
    assert private["launchd"]["daemons"]["nix-daemon"]["environment"] == {
        "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/credentials"
    }


def test_a_writer_gets_a_daemon_that_pushes(nixos: NixOS) -> None:
    """It starts with the machine, with each build, and again and again."""
    found = nixos.evaluate(
        f'{PUSHES} services.nix-cache.caches.team.push.interval = "1h";', **DARWIN
    )

    daemon = found["launchd"]["daemons"]["nix-cache-push-team"]
    assert daemon["command"] == f"{nixos.programs}/bin/nix-cache hook --drain --to team"
    assert daemon["environment"] == {"AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/credentials"}
    assert daemon["path"][0] == str(nixos.programs)
    assert daemon["serviceConfig"]["StartInterval"] == 3600
    assert daemon["serviceConfig"]["RunAtLoad"] is True
    made = found["system"]["activationScripts"]["extraActivation"]["text"]
    queue, roots = f"{system_place({}).state}/hook/team", "/nix/var/nix/gcroots/nix-cache/team"
    assert f"mkdir -p {queue} {roots}\n" in made
    assert f"ln -sfn {roots} {queue}/queue\n" in made
    record = str(system_place({}).record("team")).removeprefix("/etc/")
    script = str(system_place({}).folder / hook_name("team")).removeprefix("/etc/")
    assert set(found["environment"]["etc"]) == {record, script}


def test_the_hook_starts_the_daemon_by_its_label(nixos: NixOS) -> None:
    """Whatever prefix labels have."""
    label = "launchd.daemons.nix-cache-push-team.serviceConfig.Label"
    script = nixos.build(
        f'{PUSHES} {label} = "com.example.push";',
        '.environment.etc."nix/nix-cache/team-post-build-hook".source',
        **DARWIN,
    )

    assert "/bin/launchctl kickstart system/com.example.push >/dev/null" in script.read_text()


def test_a_mac_can_watch_its_store_instead(nixos: NixOS) -> None:
    """Without a hook and a queue."""
    found = nixos.evaluate(
        f'{PUSHES} services.nix-cache.caches.team.push.trigger = "watch-store";', **DARWIN
    )

    daemon = found["launchd"]["daemons"]["nix-cache-watch-team"]
    assert daemon["command"] == f"{nixos.programs}/bin/nix-cache watch-store --to team"
    assert daemon["serviceConfig"]["KeepAlive"] is True
    assert "post-build-hook" not in found["settings"]
    assert found["system"]["activationScripts"]["extraActivation"]["text"] == ""


def test_with_determinates_module_the_settings_are_its(nixos: NixOS) -> None:
    """They end up in nix.custom.conf. A netrc file has an option there, and no setting."""
    found = nixos.evaluate(
        f'{PUSHES} services.nix-cache.netrcFile = "/run/secrets/netrc";', **DETERMINATE
    )

    own = found["determinateNix"]
    custom = own["customSettings"]
    hook = custom.pop("post-build-hook")
    assert custom == {
        "extra-substituters": [READ_URL],
        "extra-trusted-public-keys": KEYS,
        "extra-secret-key-files": ["/run/secrets/key"],
    }
    assert hook.endswith("-nix-cache-post-build-hook")
    assert own["determinateNixd"]["authentication"]["additionalNetrcSources"] == [
        "/run/secrets/netrc"
    ]
    assert "nix/nix.custom.conf" not in found["environment"]["etc"]
    assert set(found["launchd"]["daemons"]) == {"nix-cache-push-team"}


def test_without_determinates_module_the_file_is_written_on_request(nixos: NixOS) -> None:
    """With the same settings, as lines."""
    own = "nix.enable = false; services.nix-cache.customConf = true;"

    found = nixos.evaluate(f"{PUSHES} {own}", **DARWIN)

    text = found["environment"]["etc"]["nix/nix.custom.conf"]["text"]
    assert re.sub("/[^ ]*(-nix-cache-post-build-hook)", r"\1", text).splitlines() == [
        "extra-secret-key-files = /run/secrets/key",
        f"extra-substituters = {READ_URL}",
        f"extra-trusted-public-keys = {' '.join(KEYS)}",
        "post-build-hook = -nix-cache-post-build-hook",
    ]


@pytest.mark.parametrize(
    ("settings", "given", "reason"),
    [
        (
            f"{READS} nix.enable = false;",
            DARWIN,
            "`nix.enable` is false, so nix-darwin writes no nix.conf. Import the module of "
            "Determinate Nix for nix-darwin; or set `services.nix-cache.customConf`",
        ),
        (
            f"{READS} services.nix-cache.customConf = true;",
            DARWIN,
            "`services.nix-cache.customConf` is true, and nix-darwin writes nix.conf",
        ),
        (
            READS_PRIVATELY,
            DETERMINATE,
            "`services.nix-cache.credentialsFile` is /run/secrets/credentials, and nix-darwin does "
            f"not manage the Nix daemon, which reads only {ROOTS}. Set the path of the secret",
        ),
        (
            f"{READS} determinateNix.customSettings.extra-substituters = lib.mkForce [ ];",
            DETERMINATE,
            "`nix.settings.extra-substituters` has lost the values of `services.nix-cache`",
        ),
        (
            f'{READS} determinateNix.customSettings.substituters = [ "https://a.example.org" ];',
            DETERMINATE,
            "`substituters` is set beside `services.nix-cache`, and nix-darwin writes it after",
        ),
        (
            f'{PUSHES} determinateNix.customSettings.post-build-hook = "/etc/own";',
            DETERMINATE,
            "`nix.settings.post-build-hook` is /etc/own, and Nix takes only one hook.",
        ),
        (
            f'{PUSHES} services.nix-cache.caches.team.push.interval = "1h 30min";',
            DARWIN,
            "`services.nix-cache.caches.team.push.interval` is 1h 30min, which launchd can't take.",
        ),
        (
            f'{PUSHES} nix.settings.post-build-hook = "/etc/own";',
            DARWIN,
            "`nix.settings.post-build-hook` is /etc/own, and Nix takes only one hook.",
        ),
    ],
)
def test_what_cannot_work_on_a_mac_is_refused(
    nixos: NixOS, settings: str, given: dict[str, str], reason: str
) -> None:
    """With the option and the fix."""
    assert reason in nixos.refusal(settings, **given)


def test_roots_own_credentials_need_no_variable(nixos: NixOS) -> None:
    """So a Mac with Determinate Nix reads a private cache."""
    private = f'services.nix-cache.caches.team.manifest = ./private.json; {{}} = "{ROOTS}";'

    found = nixos.evaluate(private.format("services.nix-cache.credentialsFile"), **DETERMINATE)

    assert found["determinateNix"]["customSettings"]["extra-substituters"] == [PRIVATE_URL]


def test_another_systems_module_is_refused(nixos: NixOS) -> None:
    """In place of an option that does not exist."""
    why = nixos.refusal(READS, **DARWIN, module=str(SYSTEMS.parents[3] / "nix" / "nixos"))

    assert "nixos" in why
    assert "darwin" in why

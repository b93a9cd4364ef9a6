"""The NixOS module and its flake, evaluated by the real Nix on a fake of nixpkgs' lib.

nixpkgs cannot be had from package registries. Where there is a copy of its lib,
`NIXPKGS_LIB=FOLDER` runs the same tests on that. No machine is switched to a configuration.
"""

import json
import re
import subprocess

import pytest

from nix_cache.cli.machine.places import hook_name, system_place
from nix_cache.cli.upload.writer import SIGNING_KEY_FILE_VARIABLE
from nix_cache.render import nix_conf
from tests.e2e.nixos.configurations import (
    KEYS,
    PRIVATE_URL,
    PUSHES,
    READ_URL,
    READS,
    READS_PRIVATELY,
    WRITES,
    manifest,
)
from tests.e2e.nixos.configurations import nixos as nixos
from tests.e2e.nixos.machine import NixOS
from tools.bootstrap import ROOT

README = ROOT / "nix" / "README.md"


def test_a_manifest_gives_the_settings_that_the_stack_gives(nixos: NixOS) -> None:
    """Those of the output `nixosModule`, and nothing else."""
    given = nix_conf.nixos_module(READ_URL, KEYS)

    found = nixos.evaluate(READS)

    stack = json.loads(nixos.nix.get("eval", "--json", "--expr", given))
    assert found["settings"] == stack["nix"]["settings"]
    assert found["systemd"]["services"] == found["systemd"]["timers"] == {}
    assert found["environment"]["systemPackages"] == []
    assert list(found["environment"]["etc"]) == ["nix/nix-cache/team.json"]


def test_what_is_set_by_hand_counts_and_adds_to_other_settings(nixos: NixOS) -> None:
    """Several caches, one without a manifest, beside a list that is there."""
    found = nixos.evaluate(f"""
        {READS}
        services.nix-cache.caches.team.priority = 30;
        services.nix-cache.caches.other = {{
          substituter = "https://other.example.org?a=b";
          publicKeys = [ "{KEYS[0]}" ];
          priority = 50;
        }};
        nix.settings.extra-substituters = [ "https://third.example.org" ];
    """)

    assert sorted(found["settings"]["extra-substituters"]) == [
        f"{READ_URL}?priority=30",
        "https://other.example.org?a=b&priority=50",
        "https://third.example.org",
    ]
    assert sorted(found["settings"]["extra-trusted-public-keys"]) == KEYS


def test_a_cache_that_is_off_does_nothing(nixos: NixOS) -> None:
    """Not even what is wrong with it is reported."""
    found = nixos.evaluate(
        "services.nix-cache.caches.team = { enable = false; push.enable = true; };"
    )

    assert found["settings"] == {}
    assert found["systemd"]["services"] == {}


def test_the_daemon_of_a_private_cache_gets_the_credentials(nixos: NixOS) -> None:
    """As a path in its environment. The reader's profile is that of the read URL."""
    found = nixos.evaluate(READS_PRIVATELY)

    assert found["systemd"]["services"]["nix-daemon"]["environment"] == {
        "AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/credentials"
    }
    assert found["settings"]["extra-substituters"] == [PRIVATE_URL]


def test_another_reader_takes_the_place_of_the_one_in_the_url(nixos: NixOS) -> None:
    """By the name of their profile."""
    found = nixos.evaluate(f'{READS_PRIVATELY} services.nix-cache.caches.team.reader = "laptop";')

    assert found["settings"]["extra-substituters"] == [
        PRIVATE_URL.replace("nixreader", "our-laptop")
    ]


def test_a_writer_gets_units_that_push(nixos: NixOS) -> None:
    """They do what `nix-cache hook --systemd` would do, on the folders that the command knows."""
    found = nixos.evaluate(f'{PUSHES} services.nix-cache.caches.team.push.interval = "1h";')

    service = found["systemd"]["services"]["nix-cache-push-team"]
    run = service["serviceConfig"]
    assert run["Type"] == "oneshot"
    assert run["ExecStart"] == f"{nixos.programs}/bin/nix-cache hook --drain --to team"
    assert service["path"] == [str(nixos.programs)]
    assert service["startLimitIntervalSec"] == 0
    assert service["wants"] == service["after"] == ["network-online.target"]
    timer = found["systemd"]["timers"]["nix-cache-push-team"]
    assert timer["timerConfig"] == {"OnBootSec": "1min", "OnUnitInactiveSec": "1h"}
    assert timer["wantedBy"] == ["timers.target"]
    queue = f"{system_place({}).state}/hook/team"
    roots = "/nix/var/nix/gcroots/nix-cache/team"
    assert found["systemd"]["tmpfiles"]["rules"] == [
        f"d {queue} 0755 root root -",
        f"d {roots} 0755 root root -",
        f"L {queue}/queue - - - - {roots}",
    ]
    assert run["ReadWritePaths"] == [queue, roots]


COLLECTS = """
    services.nix-cache.caches.team = {
      manifest = ./janitor.json;
      gc = { enable = true; olderThan = 60; schedule = "daily"; };
    };
"""


def test_a_timer_collects_garbage_as_the_janitor(nixos: NixOS, store_dir: str) -> None:
    """With the janitor's profile alone; a cache without a janitor is an error."""
    public = manifest(store_dir)
    profiles = {**public["profiles"], "janitor": "team-janitor"}
    nixos.describe({**public, "profiles": profiles}, "janitor.json")

    found = nixos.evaluate(
        f'{COLLECTS} services.nix-cache.credentialsFile = "/run/secrets/credentials";'
    )

    service = found["systemd"]["services"]["nix-cache-gc-team"]
    command = service["serviceConfig"]["ExecStart"]
    assert command.endswith("/bin/nix-cache gc team --older-than 60 --grace 30 --yes")
    assert service["serviceConfig"]["LoadCredential"] == ["credentials:/run/secrets/credentials"]
    assert service["serviceConfig"]["DynamicUser"] is True
    timer = found["systemd"]["timers"]["nix-cache-gc-team"]
    assert timer["timerConfig"]["OnCalendar"] == "daily"
    assert timer["wantedBy"] == ["timers.target"]


def test_a_service_gets_copies_of_the_secrets_and_no_rights_beside(nixos: NixOS) -> None:
    """The manager reads them, so root's service needs no capability."""
    found = nixos.evaluate(PUSHES)

    service = found["systemd"]["services"]["nix-cache-push-team"]
    run = service["serviceConfig"]
    assert run["LoadCredential"] == [
        "signing-key:/run/secrets/key",
        "credentials:/run/secrets/credentials",
    ]
    assert service["environment"] == {
        SIGNING_KEY_FILE_VARIABLE: "%d/signing-key",
        "AWS_SHARED_CREDENTIALS_FILE": "%d/credentials",
        "NIX_REMOTE": "daemon",
        "XDG_CACHE_HOME": "%C/nix-cache/team",
    }
    assert run["CacheDirectory"] == "nix-cache/team"
    assert run["CapabilityBoundingSet"] == ""
    assert run["ProtectSystem"] == "strict"
    assert run["ProtectHome"] is True
    assert "/run/secrets" not in json.dumps(service["environment"])


def test_a_service_without_a_credentials_file_sees_roots(nixos: NixOS) -> None:
    """The profile may be in /root/.aws/credentials, or come from a role."""
    role = """
        services.nix-cache.credentialsFile = lib.mkForce null;
        services.nix-cache.awsConfigFile = "/a";
    """
    found = nixos.evaluate(f"imports = [ {{ {role} }} ]; {PUSHES}")

    service = found["systemd"]["services"]["nix-cache-push-team"]
    assert service["serviceConfig"]["ProtectHome"] == "read-only"
    assert service["serviceConfig"]["LoadCredential"] == ["signing-key:/run/secrets/key"]
    assert service["environment"]["AWS_CONFIG_FILE"] == "/a"
    assert "AWS_SHARED_CREDENTIALS_FILE" not in service["environment"]
    assert found["systemd"]["services"]["nix-daemon"]["environment"] == {"AWS_CONFIG_FILE": "/a"}


def test_a_machine_can_watch_its_store_instead(nixos: NixOS) -> None:
    """By a service with a separate user, and without a hook and a queue."""
    found = nixos.evaluate(f"""{PUSHES}
        services.nix-cache.caches.team.push = {{
          trigger = "watch-store"; limitRate = "2M"; partSize = 8;
        }};
    """)

    assert set(found["systemd"]["services"]) == {"nix-daemon", "nix-cache-watch-team"}
    service = found["systemd"]["services"]["nix-cache-watch-team"]
    run = service["serviceConfig"]
    assert run["ExecStart"] == f"{nixos.programs}/bin/nix-cache watch-store --to team"
    assert (run["DynamicUser"], run["Restart"]) == (True, "always")
    assert "ReadWritePaths" not in run
    assert service["wantedBy"] == ["multi-user.target"]
    assert service["environment"]["NIX_CACHE_LIMIT_RATE"] == "2M"
    assert service["environment"]["NIX_CACHE_PART_SIZE"] == "8"
    assert "post-build-hook" not in found["settings"]
    assert found["systemd"]["timers"] == {}
    assert found["systemd"]["tmpfiles"]["rules"] == []
    assert set(found["environment"]["etc"]) == {"nix/nix-cache/team.json"}


def test_an_optional_cache_is_one_that_users_may_choose(nixos: NixOS) -> None:
    """Its keys are trusted, and no build asks it by itself."""
    found = nixos.evaluate(f"{READS} services.nix-cache.caches.team.optional = true;")

    assert found["settings"] == {
        "extra-trusted-substituters": [READ_URL],
        "extra-trusted-public-keys": KEYS,
    }


def test_a_cache_behind_a_password_is_read_with_a_netrc_file(nixos: NixOS) -> None:
    """By its path."""
    found = nixos.evaluate(f'{READS} services.nix-cache.netrcFile = "/run/secrets/netrc";')

    assert found["settings"]["netrc-file"] == "/run/secrets/netrc"


def test_other_upstreams_are_what_the_command_gets(nixos: NixOS) -> None:
    """In place of the manifest's; none of them means that everything is pushed."""
    chosen = f'upstreams."https://cache.example.org" = [ "{KEYS[0]}" ];'

    found = nixos.evaluate(f"{PUSHES} services.nix-cache.caches.team.push = {{ {chosen} }};")

    record = json.loads(found["environment"]["etc"]["nix/nix-cache/team.json"]["text"])
    assert record["description"]["upstreams"] == {"https://cache.example.org": [KEYS[0]]}


@pytest.mark.parametrize("secrets", ["sops", "age"])
def test_secrets_are_named_as_sops_nix_and_agenix_give_them(nixos: NixOS, secrets: str) -> None:
    """By the option `path`, which both of them have."""
    found = nixos.evaluate(f"""{{ config, ... }}: {{
        {secrets}.secrets."credentials" = {{ }};
        {secrets}.secrets."key" = {{ }};
        services.nix-cache.credentialsFile = config.{secrets}.secrets.credentials.path;
        services.nix-cache.caches.team = {{
          manifest = ./nix-cache.json;
          push.enable = true;
          push.writer = "nixbuilder";
          push.signingKeyFile = config.{secrets}.secrets.key.path;
        }};
    }}""")

    folder = {"sops": "/run/secrets", "age": "/run/agenix"}[secrets]
    assert found["settings"]["extra-secret-key-files"] == [f"{folder}/key"]
    service = found["systemd"]["services"]["nix-cache-push-team"]
    assert service["serviceConfig"]["LoadCredential"] == [
        f"signing-key:{folder}/key",
        f"credentials:{folder}/credentials",
    ]


@pytest.mark.parametrize(
    ("setting", "warning"),
    [
        (
            "substitute = false;",
            "`nix.settings.substitute` is false, so Nix reads no binary cache.",
        ),
        ("require-sigs = false;", "`nix.settings.require-sigs` is false, so Nix takes unsigned"),
    ],
)
def test_settings_that_defeat_a_cache_are_reported(
    nixos: NixOS, setting: str, warning: str
) -> None:
    """As warnings, with the fix. Without a cache there is none."""
    found = nixos.evaluate(f"{READS} nix.settings = {{ {setting} }};")

    assert [text.startswith(warning) for text in found["warnings"]] == [True]
    assert nixos.evaluate(f"nix.settings = {{ {setting} }};")["warnings"] == []


def test_a_writer_signs_and_is_known_to_the_command(nixos: NixOS) -> None:
    """As if `nix-cache use --as` and `nix-cache hook --install` had written the files."""
    found = nixos.evaluate(PUSHES)

    place = system_place({})
    record = str(place.record("team")).removeprefix("/etc/")
    script = str(place.folder / hook_name("team")).removeprefix("/etc/")
    assert set(found["environment"]["etc"]) == {record, script}
    assert json.loads(found["environment"]["etc"][record]["text"]) == {
        "description": json.loads((nixos.folder / "nix-cache.json").read_text()),
        "writer": "nixbuilder",
        "reader": None,
        "signingKeyFile": "/run/secrets/key",
        "source": None,
    }
    assert found["settings"]["extra-secret-key-files"] == ["/run/secrets/key"]
    assert found["environment"]["systemPackages"] == [str(nixos.programs)]


def test_one_hook_serves_all_caches_and_only_where_wanted(nixos: NixOS) -> None:
    """Nix takes one hook; with one of the user's own, ours is a file that theirs can call."""
    own = """
        services.nix-cache.caches.team.push.afterEveryBuild = false;
        nix.settings.post-build-hook = "/etc/own";
    """

    both = f"{PUSHES} services.nix-cache.caches.second = {WRITES};"
    hook = nixos.build(both, ".settings.post-build-hook").read_text()
    theirs = nixos.evaluate(PUSHES + own)

    assert re.findall(r"^/.*-nix-cache-hook-(.*)$", hook, re.MULTILINE) == ["second", "team"]
    assert theirs["settings"]["post-build-hook"] == "/etc/own"
    assert "nix/nix-cache/team-post-build-hook" in theirs["environment"]["etc"]


def test_the_hook_never_fails_a_build(nixos: NixOS) -> None:
    """Not even where there is no queue; it says what then has to be done by hand."""
    script = nixos.build(PUSHES, '.environment.etc."nix/nix-cache/team-post-build-hook".source')

    done = subprocess.run(
        [str(script)],
        env={"OUT_PATHS": "/nix/store/a /nix/store/b"},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "")
    for path in ("/nix/store/a", "/nix/store/b"):
        assert f"{path} could not be queued in {nixos.state}/hook/team/queue; push" in done.stderr


BLOCKS = [
    (kind, block)
    for kinds, block in re.findall(
        r"^```nix\n# ([a-z, -]+)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL
    )
    for kind in kinds.split(", ")
]


@pytest.mark.parametrize(("kind", "block"), BLOCKS)
def test_the_configurations_in_the_readme_evaluate(nixos: NixOS, kind: str, block: str) -> None:
    """On each system that they are for."""
    text = block.replace(
        "nix-cache.json", "private.json" if "reader =" in block else "nix-cache.json"
    )
    trust = "services.nix-cache.trusted = true;" if kind == "home-manager" else ""

    found = nixos.evaluate(f"imports = [ ({text}) ]; {trust}", kind=f'"{kind}"')

    assert found["own"]["caches"]["team"]["enable"] is True
    assert found["warnings"] == []


def test_the_readme_lists_every_option(nixos: NixOS) -> None:
    """And none that is not there, in any of the modules."""
    trusted = "services.nix-cache.trusted = true;"
    own = {
        **nixos.evaluate(PUSHES, kind='"darwin"')["own"],
        **nixos.evaluate(f"{PUSHES} {trusted}", kind='"home-manager"')["own"],
        **nixos.evaluate(PUSHES)["own"],  # whose caches have all options
    }
    cache = own.pop("caches")["team"]
    push, gc = cache.pop("push"), cache.pop("gc")

    rows = re.findall(r"^\| (`.*?`) \|", README.read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(.*?)`", row)]

    options = [*own, *(f"….{name}" for name in cache), *(f"….push.{name}" for name in push)]
    options += [f"….gc.{name}" for name in gc]
    assert sorted(name.replace("caches.NAME", "…") for name in named) == sorted(options)

"""The NixOS module and its flake, evaluated by the real Nix on a fake of nixpkgs' lib.

nixpkgs cannot be had from package registries. Where there is a copy of its lib,
`NIXPKGS_LIB=FOLDER` runs the same tests on that. No machine is switched to a configuration.
"""

import json
import re
import shutil
import subprocess
import tomllib

from packaging.requirements import Requirement

from nix_cache.cli.machine.places import hook_name, system_place
from nix_cache.render import nix_conf
from tests.e2e.nixos.configurations import (
    KEYS,
    PRIVATE_URL,
    PUSHES,
    READ_URL,
    READS,
    READS_PRIVATELY,
    WRITES,
)
from tests.e2e.nixos.configurations import nixos as nixos
from tests.e2e.nixos.machine import NixOS
from tools.bootstrap import ROOT

FOLDER = ROOT / "nix"
PROJECT = ROOT / "components" / "pyproject.toml"
README = FOLDER / "README.md"


def test_a_manifest_gives_the_settings_that_the_stack_gives(nixos: NixOS) -> None:
    """Those of the output `nixosModule`, and nothing else."""
    given = nix_conf.nixos_module(READ_URL, KEYS)

    found = nixos.evaluate(READS)

    stack = json.loads(nixos.nix.get("eval", "--json", "--expr", given))
    assert found["settings"] == stack["nix"]["settings"]
    assert found["systemd"]["services"] == found["systemd"]["timers"] == {}
    assert found["environment"] == {"etc": {}, "systemPackages": []}


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
    assert service["serviceConfig"] == {
        "Type": "oneshot",
        "ExecStart": f"{nixos.programs}/bin/nix-cache hook --drain --to team",
    }
    assert service["environment"] == {"AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/credentials"}
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


def test_the_flake_has_no_inputs_and_exports_the_module(nixos: NixOS) -> None:
    """It is checked offline, writes no lock, and its module gives what the one here gives."""
    repository = nixos.folder / "repository"
    shutil.copytree(FOLDER, repository / "nix")
    project = repository / "components" / "pyproject.toml"
    project.parent.mkdir()
    shutil.copy(PROJECT, project)
    url = f"path:{repository}?dir=nix"
    nixos.nix.get("flake", "check", "--no-build", "--offline", url)

    shown = json.loads(nixos.nix.get("flake", "show", "--json", "--offline", url))
    metadata = json.loads(nixos.nix.get("flake", "metadata", "--json", "--offline", url))
    module = f'(builtins.getFlake "{url}").nixosModules.default'

    assert set(shown) == {"nixosModules"}
    assert set(shown["nixosModules"]) == {"default", "nix-cache"}
    assert metadata["locks"]["nodes"] == {"root": {}}
    assert not (repository / "nix" / "flake.lock").exists()
    assert nixos.evaluate(PUSHES, module=module) == nixos.evaluate(PUSHES)


def test_the_package_has_all_that_the_command_needs(nixos: NixOS) -> None:
    """What pip would install. It is not built here, for that takes nixpkgs."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["client"]]

    found = nixos.part(PUSHES, ".own.package.dependencies")

    assert found == [Requirement(text).name for text in requirements]
    assert nixos.part(PUSHES, ".own.package.version") == project["version"]
    assert nixos.part(PUSHES, ".own.package.meta.mainProgram") == "nix-cache"


def test_the_configurations_in_the_readme_evaluate(nixos: NixOS) -> None:
    """Those that only need a machine: a private cache, and one to push to."""
    blocks = re.findall(r"^```nix\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    private, pushing = (block for block in blocks if "credentialsFile" in block)

    read = nixos.evaluate(f"imports = [ ({private.replace('nix-cache.json', 'private.json')}) ];")
    pushed = nixos.evaluate(f"imports = [ ({pushing}) ];")

    assert "profile=our-laptop" in read["settings"]["extra-substituters"][0]
    assert set(pushed["systemd"]["timers"]) == {"nix-cache-push-team"}


def test_the_readme_lists_every_option(nixos: NixOS) -> None:
    """And none that is not there."""
    own = nixos.evaluate(PUSHES)["own"]
    cache = own.pop("caches")["team"]
    push = cache.pop("push")

    rows = re.findall(r"^\| (`.*?`) \|", README.read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(.*?)`", row)]

    options = [*own, *(f"….{name}" for name in cache), *(f"….push.{name}" for name in push)]
    assert sorted(name.replace("caches.NAME", "…") for name in named) == sorted(options)

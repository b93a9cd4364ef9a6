"""The modules and `nix-cache use` do the same, from the same outputs of a stack.

Both work: `use` and `hook --install` write files, and the real Nix evaluates the module.
"""

import configparser
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nix_cache.cli.caches import record
from nix_cache.cli.caches.record import Record
from nix_cache.cli.machine.places import Place, hook_name, system_place, user_place
from nix_cache.cli.nix import conf_file
from nix_cache.formats import signing
from tests.e2e.nix import Nix
from tests.e2e.nixos import configurations
from tests.e2e.nixos.machine import NixOS

KEY = signing.generate("cache.example.org-nixbuilder-2")
PAIRS = {
    user: {"accessKeyId": f"{user}-id", "secretAccessKey": f"{user}-secret"}
    for user in ("nixbuilder", "nixreader", "laptop")
}


@dataclass(frozen=True)
class Case:
    """A way to use a cache, for both.

    Attributes:
        kind: of what the configuration is.
        public: whether the cache is.
        writer: as whom the machine pushes; None if it does not.
        reader: whose credential a private cache is read with; None for that in its URL.
    """

    kind: str
    public: bool
    writer: str | None = None
    reader: str | None = None

    @property
    def is_system(self) -> bool:
        """Whether the whole machine is configured, and not one user."""
        return self.kind != "home-manager"


CASES = [
    *(Case(kind, public=True) for kind in ("nixos", "darwin", "home-manager")),
    *(Case(kind, public=False) for kind in ("nixos", "darwin", "home-manager")),
    *(Case(kind, public=True, writer="nixbuilder") for kind in ("nixos", "darwin", "home-manager")),
    Case("nixos", public=False, reader="laptop"),
    Case("nixos", public=False, writer="nixbuilder", reader="laptop"),
    Case("home-manager", public=False, writer="nixbuilder"),
]


def outputs(store_dir: str, *, public: bool) -> dict[str, Any]:
    """Return the outputs of a stack, with secrets, for `use`, and the manifest for a module."""
    manifest = configurations.manifest(store_dir)
    manifest["publicKeys"] = [configurations.KEYS[0], KEY.public_text]
    manifest["pushUrls"] = {
        "nixbuilder": "s3://nix-cache?profile=nixbuilder"
        "&endpoint=https%3A%2F%2Fminio.example.org&region=us-east-1"
    }
    if not public:
        manifest |= {
            "public": False,
            "readUrl": f"{configurations.PRIVATE_URL}&region=us-east-1",
        }
    return {
        "manifest": manifest,
        "signingKeys": {"nixbuilder": KEY.secret_text},
        "credentials": PAIRS,
    }


@dataclass(frozen=True)
class Used:
    """What `use` has written.

    Attributes:
        nix: the machine.
        place: whose settings they are.
        outputs: what it was given.
    """

    nix: Nix
    place: Place
    outputs: dict[str, Any]

    def run(self, *arguments: str, given: str = "") -> str:
        """Run the client, which has to succeed; returns what it prints."""
        done = subprocess.run(
            ["nix-cache", *arguments],
            env=self.nix.environment,
            cwd=self.nix.home,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def settings(self, name: str) -> dict[str, list[str]]:
        """Return the lines of one file of settings."""
        lines = conf_file.parse(self.place.conf(name).read_bytes())
        return {line.name: list(line.value) for line in lines}


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, vars(case).values())))
def case(request: pytest.FixtureRequest) -> Case:
    """Provide a way to use a cache."""
    found: Case = request.param
    return found


@pytest.fixture
def used(nix: Nix, case: Case, store_dir: str) -> Iterator[Used]:
    """Provide a machine where `use` did it."""
    environment = nix.environment
    place = system_place(environment) if case.is_system else user_place(environment)
    machine = Used(nix, place, outputs(store_dir, public=case.public))
    options = ["--name", "team", "--yes", "--system" if case.is_system else "--user"]
    if case.writer:
        options += ["--as", case.writer]
    if case.reader:
        options += ["--reader", case.reader]
    machine.run("use", "-", *options, given=json.dumps(machine.outputs))
    yield machine
    machine.run("use", "team", "--remove", "--system" if case.is_system else "--user")


@pytest.fixture
def evaluated(used: Used, case: Case) -> dict[str, Any]:
    """Provide what a module comes to that is set to the same."""
    nixos = NixOS(used.nix)
    nixos.describe(used.outputs["manifest"])
    settings = "services.nix-cache.caches.team.manifest = ./nix-cache.json;"
    if not case.public or case.writer:
        settings += f'services.nix-cache.credentialsFile = "{used.place.credentials}";'
    if case.reader:
        settings += f'services.nix-cache.caches.team.reader = "{case.reader}";'
    if case.writer:
        key = used.place.signing_key(KEY.name)
        settings += f"""
            services.nix-cache.caches.team.push = {{
              enable = true; writer = "{case.writer}"; signingKeyFile = "{key}";
            }};
        """
    if not case.is_system:
        settings += "services.nix-cache.trusted = true;"
    return nixos.evaluate(settings, kind=f'"{case.kind}"')


def test_a_module_does_what_use_does(used: Used, evaluated: dict[str, Any], case: Case) -> None:
    """The lines of nix.conf, the record of the cache, and the profiles of the credentials file."""
    settings = dict(evaluated["settings"])
    settings.pop("post-build-hook", None)
    assert settings == used.settings("team")

    files = evaluated["environment"]["etc"] if case.is_system else evaluated["xdg"]["configFile"]
    text = json.loads(files["nix/nix-cache/team.json"]["text"])
    assert Record.model_validate({**text, "name": "team"}) == record.load(used.place, "team")

    urls = [] if case.public else settings["extra-substituters"]
    if case.writer:
        urls = [*urls, text["description"]["pushUrls"][case.writer]]
    named = {parse_qs(urlsplit(url).query)["profile"][0] for url in urls}
    assert named == profiles(used.place.credentials)


def profiles(file: Path) -> set[str]:
    """Return the names of the profiles in a credentials file; none without one."""
    parser = configparser.ConfigParser()
    parser.read(file)
    return set(parser.sections())


WRITES = Case("nixos", public=True, writer="nixbuilder")


@pytest.mark.parametrize("case", [WRITES], ids=["nixos"], indirect=False)
def test_a_module_does_what_the_hooks_commands_do(
    used: Used, evaluated: dict[str, Any], case: Case
) -> None:
    """The setting that runs the hook, the file of the script, and the units."""
    used.run("hook", "--install", "--to", "team")
    units = used.run("hook", "--systemd", "--to", "team")
    installed = used.settings(hook_name("team"))
    used.run("hook", "--remove", "--to", "team")

    settings = evaluated["settings"]
    assert set(settings) == {*used.settings("team"), *installed}
    script = used.place.folder / hook_name("team")
    assert installed["post-build-hook"] == [str(script)]
    assert f"nix/nix-cache/{script.name}" in evaluated["environment"]["etc"]

    unit = "nix-cache-push-team"
    assert set(re.findall(r"^# .*/(.*)$", units, re.MULTILINE)) == {
        f"{unit}.service",
        f"{unit}.timer",
    }
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string(units)
    service = evaluated["systemd"]["services"][unit]
    ours, theirs = service["serviceConfig"]["ExecStart"], parser["Service"]["ExecStart"]
    assert ours.split()[1:] == theirs.split()[1:]
    assert service["serviceConfig"]["Type"] == parser["Service"]["Type"]
    timer = evaluated["systemd"]["timers"][unit]
    assert timer["timerConfig"] == dict(parser["Timer"])
    assert timer["wantedBy"] == [parser["Install"]["WantedBy"]]

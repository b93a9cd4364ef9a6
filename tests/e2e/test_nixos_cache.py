"""The settings and units of the NixOS module, put to work by the real Nix on a real cache.

No machine is switched: the user's folders stand in for root's, and a script for systemctl.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nix_cache.formats.narinfo import verify
from tests.e2e import store_paths
from tests.e2e.cache import READER, WRITER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.nixos.machine import NixOS, as_nix_conf
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused

TIMEOUT_SECONDS = 200
READS = "services.nix-cache.caches.team.manifest = ./nix-cache.json;"


def switch(nixos: NixOS, settings: str) -> dict[str, Any]:
    """Give a machine nix.conf and the daemon's environment as its configuration has them."""
    found = nixos.evaluate(settings)
    nixos.nix.configure(as_nix_conf(found["settings"]))
    daemon = found["systemd"]["services"].get("nix-daemon", {"environment": {}})
    nixos.nix.environment |= daemon["environment"]
    return found


def test_a_machine_with_the_module_pulls(cache: Cache, new_nix: NewNix, pushed: str) -> None:
    """With the keys of the manifest; with another key alone, nothing comes."""
    nixos = NixOS(new_nix())
    nixos.describe(cache.outputs["manifest"])
    foreign = f'services.nix-cache.caches.team.publicKeys = [ "foreign:{"A" * 43}=" ];'

    switch(nixos, READS + foreign)
    assert_refused(nixos.nix, pushed, UNTRUSTED)
    nixos.nix.forget_caches()
    switch(nixos, READS)

    assert_accepted(nixos.nix, pushed)


def test_a_machine_with_the_module_pulls_from_a_private_cache(
    private_cache: Cache, new_nix: NewNix
) -> None:
    """With the reader's profile in the file that the daemon's environment names."""
    writer, nixos = new_nix(), NixOS(new_nix())
    private_cache.let_write(writer)
    path = store_paths.build(writer).root
    assert private_cache.push(writer, path).exit_code == 0
    nixos.describe(private_cache.outputs["manifest"])

    switch(nixos, f'{READS} services.nix-cache.credentialsFile = "{nixos.nix.credentials}";')
    assert_refused(nixos.nix, path, "403")
    private_cache.let_read(nixos.nix, READER)

    assert_accepted(nixos.nix, path)


@pytest.fixture
def builder(cache: Cache, nix: Nix) -> NixOS:
    """Provide a writer's machine, with the files that its configuration makes."""
    nixos = NixOS(nix)
    nixos.describe(cache.outputs["manifest"])
    cache.let_write(nix)
    return nixos


def test_what_a_machine_with_the_module_builds_is_pushed(builder: NixOS, cache: Cache) -> None:
    """Queued by the hook, kept from the garbage collector, and pushed and signed by the service."""
    nix = builder.nix
    key = nix.write_key(cache.outputs["signingKeys"][WRITER])
    settings = f"""
        services.nix-cache.credentialsFile = "{nix.credentials}";
        services.nix-cache.caches.team = {{
          manifest = ./nix-cache.json;
          push = {{ enable = true; writer = "{WRITER}"; signingKeyFile = "{key}"; }};
        }};
    """
    builder.build(settings, ".settings.post-build-hook")
    found = switch(builder, settings)
    make_files(builder, found)

    path = store_paths.build(nix).root
    nix.collect_garbage()

    unit = "nix-cache-push-team"
    assert builder.systemctl_log.read_text() == f"--no-block start {unit}.service\n"
    assert waiting(builder) == [Path(path).name]
    assert nix.has(path)
    run_service(nix, found["systemd"]["services"][unit])
    assert waiting(builder) == []
    assert verify(cache.narinfo(path), cache.outputs["publicKeys"])


def waiting(nixos: NixOS) -> list[str]:
    """Return the names in the queue."""
    return sorted(entry.name for entry in (nixos.state / "hook" / "team" / "queue").iterdir())


def make_files(nixos: NixOS, found: Mapping[str, Any]) -> None:
    """Create what NixOS and systemd-tmpfiles would, in the user's folders."""
    own = nixos.nix.home / ".config"
    for name, entry in found["environment"]["etc"].items():
        if entry["text"] is not None:
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            (own / name).write_text(entry["text"])
    for rule in found["systemd"]["tmpfiles"]["rules"]:
        kind, *rest = rule.split()
        paths = [
            nixos.nix.folder / word.removeprefix("/").replace("var/lib/nix-cache", str(nixos.state))
            for word in rest
            if word.startswith("/")
        ]
        if kind == "d":
            paths[0].mkdir(parents=True)
        else:
            paths[0].symlink_to(paths[1])


def run_service(nix: Nix, service: Mapping[str, Any]) -> None:
    """Do what systemd does when it is asked for a service; it has to succeed.

    The user's Nix has no daemon. The files with the secrets are gone meanwhile: only their copies
    are there.
    """
    folders = {"%d": nix.folder / "credentials", "%C": nix.folder / "cache"}
    folders["%d"].mkdir(mode=0o700)
    originals = []
    for entry in service["serviceConfig"]["LoadCredential"]:
        name, _, original = entry.partition(":")
        shutil.copy(original, folders["%d"] / name)
        originals.append(Path(original))
    given = {}
    for name, value in service["environment"].items():
        for word, folder in folders.items():
            value = value.replace(word, str(folder))
        given[name] = value
    del given["NIX_REMOTE"]
    for original in originals:
        original.rename(original.with_suffix(".away"))
    path = ":".join([*(f"{folder}/bin" for folder in service["path"]), os.defpath])
    done = subprocess.run(
        service["serviceConfig"]["ExecStart"].split(),
        env={**nix.environment, "PATH": path, **given},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

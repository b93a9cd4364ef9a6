"""The flake and the package, evaluated by the real Nix on what stands in for nixpkgs.

nixpkgs cannot be had from package registries: another flake takes its place, whose packages are
links to this project's command. So the package is evaluated and not built.
"""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.e2e.nixos.configurations import PUSHES
from tests.e2e.nixos.configurations import nixos as nixos
from tests.e2e.nixos.machine import EVALUATE, NixOS
from tools.bootstrap import ROOT

PROJECT = ROOT / "components" / "pyproject.toml"
SYSTEMS = {"aarch64-darwin", "aarch64-linux", "x86_64-darwin", "x86_64-linux"}
MODULES = {
    "nixosModules": "nixos",
    "darwinModules": "darwin",
    "homeModules": "home-manager",
    "homeManagerModules": "home-manager",
}
NIXPKGS = """\
{
  outputs = _: let lib = import ./lib; in {
    inherit lib;
    legacyPackages = lib.genAttrs [ %s ] (system: import ./packages.nix {
      inherit lib system;
      programs = "%s";
      builds = true;
    });
  };
}
"""


@pytest.fixture
def flake(nixos: NixOS) -> str:
    """Provide the flake's URL, as one of a repository."""
    repository = nixos.folder / "repository"
    if not repository.exists():
        shutil.copytree(ROOT / "nix", repository / "nix")
        (repository / "components").mkdir()
        shutil.copy(PROJECT, repository / "components")
    return f"path:{repository}?dir=nix"


@pytest.fixture
def nixpkgs(nixos: NixOS) -> tuple[str, ...]:
    """Provide the options that put another flake in the place of nixpkgs."""
    folder = nixos.folder / "nixpkgs"
    if not folder.exists():
        shutil.copytree(EVALUATE.with_name("lib"), folder / "lib")
        shutil.copy(EVALUATE.with_name("packages.nix"), folder)
        systems = " ".join(f'"{system}"' for system in sorted(SYSTEMS))
        (folder / "flake.nix").write_text(NIXPKGS % (systems, nixos.programs))
    return "--offline", "--override-input", "nixpkgs", f"path:{folder}"


def test_the_flake_has_the_package_and_the_modules(
    nixos: NixOS, flake: str, nixpkgs: tuple[str, ...]
) -> None:
    """For all systems. Nix checks every output, as far as it is for this machine."""
    nixos.nix.get("flake", "check", "--no-build", *nixpkgs, flake)

    shown = json.loads(nixos.nix.get("flake", "show", "--json", "--all-systems", *nixpkgs, flake))
    shown = shown.get("inventory", shown)

    assert set(shown) == {"apps", "checks", "overlays", "packages", *MODULES}
    for output in ("apps", "checks", "packages"):
        assert set(shown[output]) == SYSTEMS
    version = tomllib.loads(PROJECT.read_text())["project"]["version"]
    for system in SYSTEMS:
        assert set(shown["packages"][system]) == {"default", "nix-cache"}
        assert shown["packages"][system]["default"]["description"].startswith("Use, fill and check")
        found = nixos.nix.get(
            "eval", "--raw", *nixpkgs, f"{flake}#packages.{system}.default.version"
        )
        assert found == version


def test_the_flake_runs_the_command(nixos: NixOS, flake: str, nixpkgs: tuple[str, ...]) -> None:
    """As `nix run` does for those who have nothing else of the project."""
    version = tomllib.loads(PROJECT.read_text())["project"]["version"]

    assert nixos.nix.get("run", *nixpkgs, flake, "--", "--version").endswith(version)


def test_the_overlay_adds_the_package(nixos: NixOS, flake: str, nixpkgs: tuple[str, ...]) -> None:
    """Made from the packages that it is applied to."""
    applied = "overlay: (overlay { callPackage = file: given: baseNameOf file; } { }).nix-cache"

    found = nixos.nix.get(
        "eval", "--raw", *nixpkgs, f"{flake}#overlays.default", "--apply", applied
    )

    assert found == "package.nix"


def test_the_lock_is_that_of_the_flake(nixos: NixOS, flake: str) -> None:
    """So `nix run` from a URL needs no change of it. Nixpkgs is its only input."""
    metadata = json.loads(
        nixos.nix.get("flake", "metadata", "--json", "--offline", "--no-update-lock-file", flake)
    )

    nodes = metadata["locks"]["nodes"]
    assert set(nodes) == {"root", "nixpkgs"}
    assert nodes["nixpkgs"]["locked"]["narHash"].startswith("sha256-")


@pytest.mark.parametrize(("output", "kind"), MODULES.items())
def test_a_module_of_the_flake_is_the_one_here(
    nixos: NixOS, flake: str, output: str, kind: str
) -> None:
    """And needs nothing of nixpkgs but what the configuration has."""
    settings = f"{PUSHES} {'services.nix-cache.trusted = true;' if kind == 'home-manager' else ''}"
    module = f'(builtins.getFlake "{flake}").{output}.default'
    given = {"kind": f'"{kind}"'}

    assert nixos.evaluate(settings, module=module, **given) == nixos.evaluate(settings, **given)


def test_the_package_has_all_that_the_command_needs(nixos: NixOS) -> None:
    """What pip would install, and the version of the project."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["client"]]

    found = nixos.part(PUSHES, ".own.package.dependencies")

    assert found == [Requirement(text).name for text in requirements]
    assert nixos.part(PUSHES, ".own.package.version") == project["version"]
    assert nixos.part(PUSHES, ".own.package.meta.mainProgram") == "nix-cache"


def test_the_package_installs_completions(nixos: NixOS, tmp_path: Path) -> None:
    """Its script makes them by the command, for each shell."""
    script = nixos.part(PUSHES, ".own.package.postInstall")
    out, log = tmp_path / "out", tmp_path / "log"
    (out / "bin").mkdir(parents=True)
    (out / "bin" / "nix-cache").symlink_to(nixos.nix.bin / "nix-cache")
    shell = f'installShellCompletion() {{ echo "$@" >>{log}; }}\nset -e\n{script}'

    subprocess.run(
        ["/bin/sh", "-c", shell],
        env={**nixos.nix.environment, "out": str(out)},
        cwd=tmp_path,
        check=True,
        timeout=120,
    )

    assert log.read_text().splitlines() == [
        f"--cmd nix-cache --{shell} nix-cache.{shell}" for shell in ("bash", "fish", "zsh")
    ]
    for shell in ("bash", "fish", "zsh"):
        assert "nix-cache" in (tmp_path / f"nix-cache.{shell}").read_text()

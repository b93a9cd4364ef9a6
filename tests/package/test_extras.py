"""Each extra alone: it brings all that its part needs, and nothing of another backend."""

import subprocess
from pathlib import Path

import pytest

from tests.package.packages import Packages
from tests.package.running import printed_by, run
from tools.release import installed

PROVIDERS = {
    "minio": {"pulumi_minio"},
    "aws": {"pulumi_aws"},
    "spaces": {"pulumi_digitalocean", "boto3"},
    "b2": {"b2sdk"},
    "s3": {"boto3"},
}
"""By backend, the packages of its storage service."""

LOADED = """
import importlib, importlib.util, pkgutil
import nix_cache
for module in pkgutil.walk_packages(nix_cache.__path__, "nix_cache."):
    part, _, rest = module.name.removeprefix("nix_cache.").partition(".")
    of_another = rest.partition(".")[0].partition("_")[0] in {others!r}
    if part not in ("cli", "policy") and not of_another:
        print(importlib.import_module(module.name).__name__)
print(*[name for name in {providers!r} if importlib.util.find_spec(name)])
"""


def in_environment_of(package: Packages, folder: Path, *extras: str) -> Path:
    """Return the interpreter of an environment with the package and some extras alone."""
    return installed.install(folder / "venv", installed.requirement(package.wheel, extras))


@pytest.mark.parametrize("backend", list(PROVIDERS))
def test_a_backends_extra_brings_all_that_its_stacks_load_and_no_other_provider(
    package: Packages, tmp_path: Path, backend: str
) -> None:
    """Every installed provider makes the engine look for its plugin, which takes seconds."""
    python = in_environment_of(package, tmp_path, backend)
    others = PROVIDERS.keys() - {backend}
    providers = sorted(set().union(*PROVIDERS.values()))

    *loaded, found = printed_by(
        python, LOADED.format(others=others, providers=providers), tmp_path
    ).splitlines()
    assert {"nix_cache.binary_cache", f"nix_cache.backends.{backend}.storage"} <= set(loaded)
    assert set(found.split()) == PROVIDERS[backend]


@pytest.fixture(scope="module")
def client(package: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the interpreter of an environment with the package alone."""
    return in_environment_of(package, tmp_path_factory.mktemp("client"))


def command(client: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command `nix-cache` of an environment, anywhere."""
    return run([client.with_name("nix-cache"), *arguments], client.parent)


def test_the_package_alone_brings_the_command(client: Path, package: Packages) -> None:
    """With the help of all its commands, and the version."""
    reported = command(client, "--help")

    assert reported.returncode == 0, reported.stderr
    assert all(f" {name} " in reported.stdout for name in ("use", "push", "hook", "doctor", "gc"))
    version = package.wheel.name.split("-")[1]
    assert command(client, "--version").stdout == f"nix-cache {version}\n"


def test_every_module_of_the_client_loads_without_an_extra(client: Path) -> None:
    """All that they import is there."""
    loading = """
from importlib import import_module
from pkgutil import walk_packages
from nix_cache import cli
for module in walk_packages(cli.__path__, "nix_cache.cli."):
    print(import_module(module.name).__name__)
"""
    loaded = printed_by(client, loading, client.parent).split()

    assert len(loaded) > 40
    assert {"nix_cache.cli.gc.session", "nix_cache.cli.hook.drain"} <= set(loaded)


def test_the_component_without_an_extra_names_the_one_it_needs(client: Path) -> None:
    """There is no Pulumi, and that is what it says."""
    done = run([client, "-I", "-c", "from nix_cache import BinaryCache"], client.parent)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("pip install 'nix-cache[minio]'")

"""Which engine is taken: the official one where it can be had."""

import os
import shutil
from pathlib import Path

import pytest

from offline import builds
from offline import programs as tools
from tools import engine
from tools.engine import PartOrigin

pytestmark = pytest.mark.offline

ELF = b"\x7fELF official host"


def program(path: Path, content: bytes) -> Path:
    """Return a file that can be executed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide an empty cache of the user, an empty PATH, and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(engine, "_install", lambda _root: False)
    return tmp_path / "cache" / "nix-cache"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Provide what was asked to be built; every tool is there at once."""
    asked: list[str] = []

    def ensure(names: list[str], _cache: Path, _progress: object) -> dict[str, Path]:
        asked.extend(names)
        return {name: program(tmp_path / "tools" / name, name.encode()) for name in names}

    monkeypatch.setattr(builds, "ensure", ensure)
    return asked


def origins(found: engine.Engine) -> dict[str, PartOrigin]:
    """Where each part comes from."""
    return {part.name: part.origin for part in found.parts}


def test_an_engine_on_path_with_its_language_host_is_taken(
    cache: Path, built: list[str], tmp_path: Path
) -> None:
    """Only the MinIO server is built then."""
    shell = b"#!/bin/sh\necho v3.999.0\n"
    program(tmp_path / "path" / "pulumi", shell)
    program(tmp_path / "path" / "pulumi-language-python", ELF)

    found = engine.provide(tmp_path / "work")

    assert found.bin_dirs == (tmp_path / "path",)
    assert found.home == cache / "pulumi-home"
    assert built == ["minio"]
    assert origins(found)["language host"] is PartOrigin.OFFICIAL
    assert ("pulumi", "3.999.0") in [(part.name, part.version) for part in found.parts]


def test_an_official_engine_serves_aws_as_it_downloads_the_plugin(
    cache: Path, built: list[str], tmp_path: Path
) -> None:
    """Nothing is built for it, also when the plugin is asked for."""
    program(tmp_path / "path" / "pulumi", b"#!/bin/sh\necho v3.999.0\n")
    program(tmp_path / "path" / "pulumi-language-python", ELF)

    found = engine.provide(tmp_path / "work", aws=True)

    assert found.serves_aws
    assert origins(found)["AWS plugin"] is PartOrigin.OFFICIAL
    assert built == ["minio"]


@pytest.mark.parametrize("official", [True, False])
def test_nothing_of_minio_is_built_for_another_backend(
    cache: Path, built: list[str], tmp_path: Path, official: bool
) -> None:
    """Neither its server nor its plugin."""
    if official:
        program(tmp_path / "path" / "pulumi", b"#!/bin/sh\necho v3.999.0\n")
        program(tmp_path / "path" / "pulumi-language-python", ELF)

    found = engine.provide(tmp_path / "work", minio=False)

    assert built == ([] if official else ["pulumi"])
    assert not any("MinIO" in name for name in origins(found))


def test_the_aws_plugin_is_built_on_demand_alone(
    cache: Path, built: list[str], tmp_path: Path
) -> None:
    """It takes minutes that no user needs who has no stack on AWS."""
    assert not engine.provide(tmp_path / "work").serves_aws
    assert "pulumi-resource-aws" not in built

    found = engine.provide(tmp_path / "work", aws=True)

    assert found.serves_aws
    assert origins(found)["AWS plugin"] is PartOrigin.BUILT
    version = tools.TOOLS["pulumi-resource-aws"].version
    plugin = found.home / "plugins" / f"resource-aws-v{version}" / "pulumi-resource-aws"
    assert plugin.read_bytes() == b"pulumi-resource-aws"


def test_an_aws_plugin_that_was_built_before_is_a_part(
    cache: Path, built: list[str], tmp_path: Path
) -> None:
    """A user who asked for it once has it in every clone."""
    program(tools.built_path(tools.TOOLS["pulumi-resource-aws"], cache), b"plugin")

    assert engine.provide(tmp_path / "work").serves_aws


@pytest.mark.usefixtures("cache")
def test_an_emulator_on_path_is_not_taken_for_the_official_host(
    built: list[str], tmp_path: Path
) -> None:
    """As when the environment of another clone is loaded in the shell."""
    program(tmp_path / "path" / "pulumi", ELF)
    program(tmp_path / "path" / "pulumi-language-python", b"#!/bin/sh\nexec python")

    found = engine.provide(tmp_path / "work")

    assert built == ["pulumi", "pulumi-resource-minio", "minio"]
    assert origins(found) == {
        "pulumi": PartOrigin.BUILT,
        "language host": PartOrigin.EMULATOR,
        "MinIO plugin": PartOrigin.BUILT,
        "MinIO": PartOrigin.BUILT,
    }


@pytest.mark.usefixtures("built")
def test_the_official_release_is_installed_where_its_servers_answer(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And found again the next time, without asking."""

    def install(root: Path) -> bool:
        program(root / "bin" / "pulumi", b"#!/bin/sh\necho v3.259.0\n")
        program(root / "bin" / "pulumi-language-python", ELF)
        return True

    monkeypatch.setattr(engine, "_install", install)
    first = engine.provide(tmp_path / "work")
    monkeypatch.setattr(engine, "_install", lambda _root: pytest.fail("asked again"))
    second = engine.provide(tmp_path / "work")

    assert first.bin_dirs == second.bin_dirs
    assert first.bin_dirs[0].is_relative_to(cache)
    assert origins(first)["language host"] is PartOrigin.OFFICIAL


@pytest.mark.usefixtures("cache", "built")
def test_the_installer_is_tried_once_in_the_life_of_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs seconds where it cannot work, but a new clone tries again."""
    tries: list[Path] = []

    def install(root: Path) -> bool:
        tries.append(root)
        return False

    monkeypatch.setattr(engine, "_install", install)

    engine.provide(tmp_path / "work")
    engine.provide(tmp_path / "work")
    engine.provide(tmp_path / "other clone")

    assert len(tries) == 2


@pytest.mark.usefixtures("cache", "built")
def test_the_built_engine_finds_its_host_and_plugin_without_path(tmp_path: Path) -> None:
    """The host is beside the CLI, the plugin where downloaded ones would be."""
    found = engine.provide(tmp_path / "work")

    assert found.pulumi.read_bytes() == b"pulumi"
    assert (found.pulumi.parent / "pulumi-language-python").exists()
    assert (found.pulumi.parent / "pulumi-resource-pulumi-python").exists()
    plugin = found.home / "plugins" / "resource-minio-v0.17.1" / "pulumi-resource-minio"
    assert plugin.read_bytes() == b"pulumi-resource-minio"
    environment = found.environment({"PATH": "/usr/bin"})
    assert environment["PATH"] == f"{tmp_path / 'work' / 'bin'}{os.pathsep}/usr/bin"
    assert environment["PULUMI_HOME"] == str(found.home)


@pytest.mark.usefixtures("cache", "built")
def test_a_tool_that_was_built_again_takes_the_place_of_the_old(tmp_path: Path) -> None:
    """Where it is a copy too, on another file system."""
    found = engine.provide(tmp_path / "work")
    shutil.copy2(found.pulumi, tmp_path / "old")
    program(tmp_path / "tools" / "new", b"a newer pulumi")

    engine.place(tmp_path / "tools" / "new", found.pulumi)

    assert found.pulumi.read_bytes() == b"a newer pulumi"

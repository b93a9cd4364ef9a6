"""A stack of the previous release goes on under this code: nothing is created again, nothing goes.

Only this module has a state that another version wrote. The release is taken out of the
repository's history, with its own program and its own environment.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine.project import STACK, Project, public_cache
from tools.bootstrap import ROOT, VENV
from tools.engine import Engine
from tools.release import agreement
from tools.release.repository import Repository
from tools.server import LocalServer

HARMLESS = {"update"}
"""What an upgrade may plan for what is there; the rest is reported in docs/upgrades.md."""


@dataclass(frozen=True)
class Upgrade:
    """A stack of the previous release, and what this code made of it.

    Its configuration has a setting under the release's name, which this version renamed.

    Attributes:
        project: the stack, which this code has brought up.
        version: the previous release.
        planned: what the first preview under this code said, by resource.
        printed: what the first `up` under this code printed.
        before: the outputs of the release, with secrets.
        after: those of this code.
        ids_before: by resource, the physical id that the release gave it.
        ids_after: the same under this code.
    """

    project: Project
    version: Version
    planned: dict[str, str]
    printed: str
    before: dict[str, Any]
    after: dict[str, Any]
    ids_before: dict[str, str]
    ids_after: dict[str, str]


def released(folder: Path) -> Version:
    """Bring the previous release into a folder, with an environment as its users have it."""
    version = agreement.package_version((ROOT / "components" / "pyproject.toml").read_text())
    releases = agreement.read_releases((ROOT / "tools" / "release" / "releases.json").read_text())
    previous = agreement.previous_release(version, releases)
    Repository(ROOT).export(releases[previous], folder)
    [bootstrap] = folder.glob("*/bootstrap.py")  # where that release has it
    subprocess.run([sys.executable, bootstrap, "minio"], cwd=folder, check=True)
    return previous


def run_by(project: Project, source: Path, venv: Path) -> None:
    """From now on, let a stack be of another version's program."""
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy2(source / name, project.folder / name)
    (project.folder / ".venv").unlink()
    (project.folder / ".venv").symlink_to(venv)


def ids(project: Project) -> dict[str, str]:
    """By resource, its physical id."""
    return {name: state["id"] for name, state in project.resources().items() if "id" in state}


RETIRED = {
    f"nix-cache-claim-{name}"
    for name in (
        *("policy-nix-cache-read", "policy-nix-cache-write"),
        *("user-nixbuilder", "user-ci-bot", "user-team-reader"),
    )
}
"""The claims of version 0.1.0 that one reservation replaces. No storage is behind them."""

CONTINUED = {"nix-cache-claim-bucket-nix-cache": "nix-cache-names"}
"""By former name, what goes on under another."""


def harmful(planned: dict[str, str]) -> dict[str, str]:
    """Return what is planned that no upgrade may do."""
    return {
        name: step
        for name, step in planned.items()
        if step not in HARMLESS and not (name in RETIRED and step == "delete")
    }


@pytest.fixture(scope="module")
def upgrade(module_folder: Path, module_server: LocalServer, engine: Engine) -> Upgrade:
    """Provide a full cache on MinIO, made by the release and updated by this code."""
    source = module_folder / "released"
    version = released(source)
    project = public_cache(
        module_folder / "project",
        engine,
        module_folder / "minio",
        writers=[{"name": "nixbuilder", "generation": 2}, "ci-bot"],
        readers=["team-reader"],
        expireAfterDays=90,
        landingPage=True,
        descriptor=True,
    )
    run_by(project, source, source / ".venv")
    project.up()
    before, ids_before = project.outputs(secrets=True), ids(project)

    run_by(project, ROOT, VENV)
    planned = project.planned()
    printed = project.up()
    return Upgrade(
        project,
        version,
        planned,
        printed,
        before,
        project.outputs(secrets=True),
        ids_before,
        ids(project),
    )


def test_the_stack_that_is_upgraded_is_a_whole_cache_of_the_release(upgrade: Upgrade) -> None:
    """The release's own code made it, with everything that could be lost."""
    installed = subprocess.run(
        [
            str(upgrade.project.folder.parent / "released" / ".venv" / "bin" / "python"),
            *("-c", "import nix_cache; print(nix_cache.__file__)"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert installed.startswith(str(upgrade.project.folder.parent / "released"))
    assert set(upgrade.before["credentials"]) == {"nixbuilder", "ci-bot", "team-reader"}
    assert len(upgrade.before["publicKeys"]) == 3
    assert {"nix-cache-bucket", "nix-cache-expiry", "nix-cache-index.html"} <= set(
        upgrade.ids_before
    )


def test_nothing_is_made_replaced_or_deleted_by_an_upgrade(upgrade: Upgrade) -> None:
    """The preview says so, and every resource still is the one that it was.

    But for claims, which the changelog names: deleting one changes nothing outside of the state.
    """
    assert harmful(upgrade.planned) == {}
    assert upgrade.planned.keys() >= RETIRED
    assert upgrade.ids_after == {
        CONTINUED.get(name, name): identity
        for name, identity in upgrade.ids_before.items()
        if name not in RETIRED
    }


def test_keys_and_credentials_stay_as_they_were(upgrade: Upgrade) -> None:
    """No user has to be reported anything."""
    for output in ("signingKeys", "credentials", "publicKeys", "readUrl", "pushUrls"):
        assert upgrade.after[output] == upgrade.before[output], output


def test_a_setting_under_a_former_name_gives_one_warning(upgrade: Upgrade) -> None:
    """It names the setting as it stands in the configuration, and means what it did."""
    warning = "nix-cache:descriptor is deprecated. Rename it to nix-cache:manifest."

    _, _, diagnostics = upgrade.printed.partition("\nDiagnostics:\n")
    assert diagnostics.count(warning) == 1, upgrade.printed
    assert diagnostics.count("deprecated") == 1, upgrade.printed
    assert upgrade.after["manifest"]["descriptor"]
    assert "nix-cache-nix-cache.json" in upgrade.ids_after


def test_every_output_of_the_release_is_still_there(upgrade: Upgrade) -> None:
    """Also within `cache`, now `manifest`, whose version defines its fields for programs."""
    assert set(upgrade.before) <= set(upgrade.after)
    assert set(upgrade.before["cache"]) <= set(upgrade.after["cache"])
    assert upgrade.after["cache"]["version"] == upgrade.before["cache"]["version"]
    assert upgrade.after["cache"] == upgrade.after["manifest"]


def test_a_client_of_the_release_reads_the_outputs_of_this_code(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    """It knows the manifest as the output `cache`."""
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(upgrade.after))

    assert used_by_the_release(upgrade, str(outputs), tmp_path) == known_to_the_release(upgrade)


def test_a_client_of_the_release_reads_what_this_code_publishes(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    """The fields that it requires are there, and those that name credentials are empty."""
    read = used_by_the_release(upgrade, upgrade.after["readUrl"], tmp_path)

    empty: dict[str, Any] = {"pushUrls": {}, "profiles": {}, "keyNames": {}, "readers": []}
    assert read == {**known_to_the_release(upgrade), **empty}


def known_to_the_release(upgrade: Upgrade) -> dict[str, Any]:
    """Return the manifest without the fields that are newer than the release's client."""
    newer = {"upstreams", "partSizeMib", "accessLogs"}
    return {key: value for key, value in upgrade.after["manifest"].items() if key not in newer}


def used_by_the_release(upgrade: Upgrade, source: str, home: Path) -> Any:
    """Return what the release's client keeps of a cache that it was given."""
    folder = upgrade.project.folder.parent / "released"
    done = subprocess.run(
        [
            *(str(folder / ".venv" / "bin" / "python"), "-m", "nix_cache.client", "use"),
            *(source, "--user", "--yes", "--json"),
        ],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    [record] = (home / "config").rglob("nix-cache.json")
    return json.loads(record.read_text())["description"]


def test_a_stack_of_the_release_is_refreshed_and_destroyed_before_any_up(
    upgrade: Upgrade, module_folder: Path, engine: Engine, module_server: LocalServer
) -> None:
    """Both run the code that the state names, by the import paths of the release."""
    source = module_folder / "released"
    project = public_cache(module_folder / "other", engine, module_folder / "minio")
    project.set(bucket="other", readers=["team-reader"])
    run_by(project, source, source / ".venv")
    project.up()
    made = project.resources().keys()

    run_by(project, ROOT, VENV)
    project.pulumi("refresh", "--yes", "--stack", STACK)
    assert project.resources().keys() == made
    project.destroy()

    assert project.state.resources() == []
    admin = MinioServer(module_server.connection())
    assert not admin.has(NameKind.BUCKET, "other")
    assert not admin.has(NameKind.USER, "other-team-reader")


def test_an_upgrade_is_done_after_one_up(upgrade: Upgrade) -> None:
    """And the storage is as the state says."""
    upgrade.project.up("--refresh", "--expect-no-changes")


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        pytest.param(
            "backends/minio/storage.py",
            '-bucket"',
            '-store"',
            {"nix-cache-bucket": "delete", "nix-cache-store": "create"},
            id="a resource's name",
        ),
        pytest.param(
            "dynamic/signing_key.py",
            'name="SigningKey"',
            'name="NixKey"',
            {"nix-cache-ci-bot-key-1": "delete"},
            id="a resource's type",
        ),
        pytest.param(
            "formats/signing.py",
            "{domain}-{writer}",
            "{domain}.{writer}",
            {"nix-cache-ci-bot-key-1": "replace"},
            id="the form of key names",
        ),
    ],
)
def test_a_rename_would_be_found(
    upgrade: Upgrade, tmp_path: Path, file: str, old: str, new: str, found: dict[str, str]
) -> None:
    """Of a copy of this code, previewed over the same stack."""
    shutil.copytree(ROOT / "components" / "nix_cache", tmp_path / "nix_cache")
    renamed = tmp_path / "nix_cache" / file
    assert old in renamed.read_text()
    renamed.write_text(renamed.read_text().replace(old, new))
    other = dataclasses.replace(upgrade.project, environment={"PYTHONPATH": str(tmp_path)})

    planned = harmful(other.planned())

    assert found.items() <= planned.items(), planned

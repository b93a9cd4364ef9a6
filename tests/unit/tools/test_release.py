"""What a release is made of: the history that it comes from, its files, and its workflow."""

import datetime
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from tools import bootstrap
from tools.bootstrap import ROOT
from tools.errors import ToolError
from tools.release import __main__ as release
from tools.release import agreement, installed
from tools.release.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Provide a repository with two commits, the first of which has a tag."""
    folder = tmp_path / "repository"
    (folder / "kept").mkdir(parents=True)
    made = Repository(folder)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for number in "12":
        (folder / "kept" / "file").write_text(number)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", number)
        if number == "1":
            git(folder, "tag", "v0.1.0")
    return made


def git(folder: Path, *arguments: str) -> None:
    """Run git as a user of no importance."""
    named = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    dated = {"GIT_COMMITTER_DATE": "1700000000 +0100"}
    subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **named, **dated}, check=True
    )


def test_a_commits_files_are_brought_out_as_they_were(
    repository: Repository, tmp_path: Path
) -> None:
    """Whatever became of them."""
    repository.export("v0.1.0", tmp_path / "out", "kept")

    assert (tmp_path / "out" / "kept" / "file").read_text() == "1"
    assert not (tmp_path / "out" / ".git").exists()
    assert repository.text("HEAD", "kept/file") == "2"
    assert repository.tags() == {"v0.1.0": repository.commit("HEAD~1")}


def test_a_shallow_clone_says_how_to_get_the_history(
    repository: Repository, tmp_path: Path
) -> None:
    """Where the previous release is needed, and is not there."""
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.folder.as_uri(), "shallow")
    first = repository.commit("v0.1.0")

    with pytest.raises(ToolError, match=f"{first} is not in this clone.*") as refusal:
        Repository(tmp_path / "shallow").export(first, tmp_path / "out")
    assert "git fetch --tags, with --unshallow" in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_release_keeps_its_place_in_the_history() -> None:
    """Every row of the table is a commit of this clone that has its version."""
    repository = Repository(ROOT)

    stated = release.versions(repository, repository.commit("HEAD"))

    assert Version("0.1.0") in stated.releases
    assert agreement.disagreements(stated, datetime.datetime.now(datetime.UTC).date()) == []


def test_what_the_lock_file_does_not_vouch_for_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose hash is another one."""
    lock = tmp_path / "lock.txt"
    lock.write_text(f"packaging==26.3 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setitem(bootstrap.LOCKS, "dev", lock)

    with pytest.raises(ToolError, match="uv pip install failed"):
        installed.install(tmp_path / "venv", "packaging")


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """Provide the workflow that releases."""
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    read: dict[str, Any] = yaml.safe_load(text.replace("\non:", "\n'on':"))
    return read


def test_only_a_tag_is_published_and_only_after_all_checks(workflow: dict[str, Any]) -> None:
    """Neither a branch nor a button."""
    jobs = workflow["jobs"]

    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish"}
    targets = [
        step["env"]["TARGET"] for job in jobs.values() for step in job["steps"] if "env" in step
    ]
    assert targets == ["release-check", "test-upgrade"]


def test_what_proves_its_identity_runs_nothing_of_the_repository(
    workflow: dict[str, Any],
) -> None:
    """No checkout and no command; and no token is stored for it."""
    for name, job in workflow["jobs"].items():
        assert ("id-token" in job["permissions"]) == (name == "publish")
    publish = workflow["jobs"]["publish"]

    assert publish["environment"] == "pypi"
    assert not any("run" in step or "checkout" in step["uses"] for step in publish["steps"])
    assert "secrets." not in yaml.safe_dump(workflow)


def test_the_workflow_takes_the_files_that_the_check_leaves(workflow: dict[str, Any]) -> None:
    """Both know them by their names."""
    _, *steps = workflow["jobs"]["publish"]["steps"]
    given = [
        value for step in steps for key, value in step["with"].items() if key != "attestations"
    ]

    packages, sbom = "dist/packages", "dist/nix_cache.cdx.json"
    makefile = (ROOT / "Makefile").read_text()
    assert f"-m tools.release.installed {packages} {sbom}\n" in makefile
    assert workflow["jobs"]["build"]["steps"][-1]["with"]["path"] == "dist"
    assert set(given) == {f"{packages}/*", packages, sbom}


def test_the_targets_of_the_workflow_exist() -> None:
    """As make itself sees them; the tag is not part of a command's text."""
    done = subprocess.run(
        ["make", "--dry-run", "release-check", "test-upgrade", "TAG=v1'\"; false"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '-m tools.release --tag "$TAG"\n' in done.stdout
    assert "pytest tests/engine/test_upgrade.py\n" in done.stdout

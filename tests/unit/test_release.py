"""What a release is made of: the history that it comes from, its files, and its workflow."""

import datetime
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

from dev.errors import DevError
from dev.release import __main__ as release
from dev.release import agreement, installed, packages
from dev.release.packages import Packages
from dev.release.repository import Repository
from toolchain import bootstrap
from toolchain.bootstrap import ROOT


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with two commits, the first of which has a tag."""
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
    """Run git as somebody of no importance."""
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
    """Whatever became of them, and with the time of the commit."""
    repository.export("v0.1.0", tmp_path / "out", "kept")

    assert (tmp_path / "out" / "kept" / "file").read_text() == "1"
    assert not (tmp_path / "out" / ".git").exists()
    assert repository.text("HEAD", "kept/file") == "2"
    assert repository.seconds("HEAD") == 1_700_000_000
    assert repository.tags() == {"v0.1.0": repository.commit("HEAD~1")}


def test_what_is_not_committed_is_told(repository: Repository) -> None:
    """Changed files and new ones."""
    assert repository.changed("kept") == []
    (repository.folder / "kept" / "file").write_text("3")
    (repository.folder / "kept" / "new").write_text("3")

    assert repository.changed("kept") == ["kept/file", "kept/new"]


def test_a_shallow_clone_says_how_to_get_the_history(
    repository: Repository, tmp_path: Path
) -> None:
    """Where the previous release is needed, and is not there."""
    git(tmp_path, "clone", "--quiet", "--depth", "1", repository.folder.as_uri(), "shallow")
    first = repository.commit("v0.1.0")

    with pytest.raises(DevError, match=f"{first} is not in this clone.*") as refusal:
        Repository(tmp_path / "shallow").export(first, tmp_path / "out")
    assert "git fetch --tags, with --unshallow" in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_release_keeps_its_place_in_the_history() -> None:
    """Every row of the table is a commit of this clone that has its version."""
    repository = Repository(ROOT)

    told = release.told(repository, repository.commit("HEAD"))

    assert Version("0.1.0") in told.releases
    assert agreement.disagreements(told, datetime.datetime.now(datetime.UTC).date()) == []


def test_builds_that_differ_are_told_with_both_digests(tmp_path: Path) -> None:
    """By the first file that differs."""
    built = []
    for name, content in (("first", b"1"), ("second", b"2")):
        (tmp_path / name).mkdir()
        made = Packages(tmp_path / name / "a.whl", tmp_path / name / "a.tar.gz")
        made.sdist.write_bytes(b"")
        made.wheel.write_bytes(content)
        built.append(made)

    packages.assert_same(built[0], built[0])
    with pytest.raises(DevError, match=r"a\.whl is not the same.*6b86b273.*d4735e3a"):
        packages.assert_same(*built)


def test_a_package_that_cannot_be_built_is_an_error(tmp_path: Path) -> None:
    """With what the backend said."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")

    with pytest.raises(DevError, match=r"could not be built:\n"):
        packages.build(tmp_path, tmp_path / "dist", 0)


def test_metadata_that_an_index_refuses_is_an_error(tmp_path: Path) -> None:
    """As twine finds it: here a package without a page."""
    (tmp_path / "x.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        "[project]\nname = 'x'\nversion = '1'\n"
    )
    built = packages.build(tmp_path, tmp_path / "dist", 0)

    with pytest.raises(DevError, match="metadata is refused"):
        packages.check_metadata(built)


def test_what_the_lock_file_does_not_vouch_for_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose hash is another one."""
    lock = tmp_path / "lock.txt"
    lock.write_text(f"packaging==26.3 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setitem(bootstrap.LOCKS, "dev", lock)

    with pytest.raises(DevError, match="uv pip install failed"):
        installed.install(tmp_path / "venv", "packaging")


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    """The workflow that releases."""
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

    dist = release.DIST.relative_to(ROOT)
    kept = (release.PACKAGES.relative_to(ROOT), release.SBOM.relative_to(ROOT))
    assert workflow["jobs"]["build"]["steps"][-1]["with"]["path"] == str(dist)
    assert set(given) == {f"{kept[0]}/*", str(kept[0]), str(kept[1])}


def test_the_targets_of_the_workflow_exist() -> None:
    """As make itself sees them; the tag is no part of a command's text."""
    done = subprocess.run(
        ["make", "--dry-run", "release-check", "test-upgrade", "TAG=v1'\"; false"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '-m dev.release --tag "$TAG"\n' in done.stdout
    assert "pytest tests/engine/test_upgrade.py\n" in done.stdout

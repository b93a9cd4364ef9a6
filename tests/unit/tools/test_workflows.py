"""The workflows: two linters find nothing, and what they rest on holds together."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from nix_cache.render import github_actions
from tests.unit.cli.client_caches import KEY, WRITER, manifest, outputs
from tools.bootstrap import ROOT
from tools.workflows import PROJECTS_OWN, found_in

FILES = sorted(PROJECTS_OWN.glob("workflows/*.yml"))
ACTIONS = sorted(PROJECTS_OWN.glob("actions/*/action.yml"))
PINNED = re.compile(r"^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

FAULTY = """\
name: Faulty
on: pull_request_target
jobs:
  greet:
    runs-on: ubuntu-24.04
    needs: missing
    steps:
      - uses: actions/checkout@v4
        with:
          ref: ${{ github.event.pull_request.head.sha }}
      - run: echo "${{ github.event.pull_request.title }}"
"""


def workflow(file: Path) -> dict[str, Any]:
    """Return a workflow, parsed; YAML takes the key `on` for a truth."""
    content: dict[Any, Any] = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in content.items()}


def jobs() -> list[tuple[str, dict[str, Any]]]:
    """Every job of every workflow, with its name."""
    return [
        (f"{file.stem} {name}", job)
        for file in FILES
        for name, job in workflow(file)["jobs"].items()
    ]


def uses(text: str) -> list[str]:
    """Every action that is used, with the comment behind it, but for the project's own."""
    found = re.findall(r"^\s*(?:- )?uses: (.+)$", text, re.MULTILINE)
    return [action for action in found if not action.startswith("./")]


def test_linters_find_nothing_in_the_projects_workflows() -> None:
    """Neither in them nor in their action."""
    assert len(FILES) >= 4
    assert found_in([PROJECTS_OWN]) == ""


def test_linters_find_what_is_wrong_and_unsafe(tmp_path: Path) -> None:
    """Both are really asked."""
    file = tmp_path / "faulty.yml"
    file.write_text(FAULTY)

    found = found_in([file])
    for rule in ("[job-needs]", "dangerous-triggers", "template-injection", "unpinned-uses"):
        assert rule in found


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
@pytest.mark.parametrize("fetch_key", ["", "aws ssm get-parameter --name key"])
def test_linters_find_nothing_in_the_steps_that_a_stack_gives_out(
    tmp_path: Path, fetch_key: str, *, public: bool
) -> None:
    """The output `githubActions`, put into a workflow as a user does it."""
    steps = github_actions.steps(
        role_arn="arn:aws:iam::123456789012:role/nix-cache-ci",
        writer=WRITER,
        manifest=manifest(public=public),
        fetch_key=fetch_key,
    )
    file = tmp_path / "push.yml"
    file.write_text(
        "name: Push\non:\n  push:\n    branches: [main]\npermissions: {}\n"
        "concurrency:\n  group: push\n  cancel-in-progress: false\n"
        "jobs:\n  push:\n    name: Push\n    runs-on: ubuntu-24.04\n    environment: cache\n"
        "    permissions:\n      contents: read # to check out\n      id-token: write # for AWS\n"
        "    steps:\n" + textwrap.indent(steps, "      ")
    )

    assert found_in([file]) == ""
    assert all(PINNED.match(action) for action in uses(steps))


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
@pytest.mark.parametrize("fetch_key", ["", "cat $HOME/key"], ids=["secret", "store"])
def test_the_steps_that_a_stack_gives_out_make_the_job_a_writer(
    tmp_path: Path, fetch_key: str, *, public: bool
) -> None:
    """The real `nix-cache use` takes what they write. `pipx` and the push are noted."""
    url = outputs()["manifest"]["pushUrls"][WRITER].replace(f"profile={WRITER}&", "")
    described = manifest(pushUrls={WRITER: url}, profiles={}, public=public)
    steps = yaml.safe_load(
        github_actions.steps(
            role_arn="arn:aws:iam::123456789012:role/nix-cache-ci",
            writer=WRITER,
            manifest=described,
            fetch_key=fetch_key,
        )
    )
    (tmp_path / "key").write_text(KEY.secret_text)
    programs = tmp_path / "bin"
    programs.mkdir()
    client = f"exec {sys.executable} -m nix_cache.cli"
    for name, text in {
        "pipx": f'echo "$@" >>{tmp_path}/noted',
        "nix-cache": f'case $1 in push) echo "$@" >>{tmp_path}/noted ;; *) {client} "$@" ;; esac',
        "nix": 'echo "nix (Nix) 2.34.8"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", steps[1]["run"]],
        env={
            "HOME": str(tmp_path),
            "PATH": f"{programs}:/usr/bin:/bin",
            "RUNNER_TEMP": str(tmp_path),
            "SIGNING_KEY": KEY.secret_text,
        },
        cwd=ROOT / "components",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "noted").read_text().splitlines()[1] == "push ./result"
    assert KEY.secret_text not in done.stdout + done.stderr
    assert not (tmp_path / "nix-cache.json").exists()
    kept = json.loads((tmp_path / ".config/nix/nix-cache/demo.json").read_text())
    assert kept["writer"] == WRITER
    assert Path(kept["signingKeyFile"]).read_text() == f"{KEY.secret_text}\n"
    assert (tmp_path / ".config/nix/nix.conf").exists() == public


@pytest.mark.parametrize("file", [*FILES, *ACTIONS], ids=lambda file: file.parent.name + file.stem)
def test_every_action_is_pinned_by_its_commit_with_its_version_beside(file: Path) -> None:
    """A tag can be moved to other code."""
    for action in uses(file.read_text()):
        assert PINNED.match(action), action


def test_an_action_has_one_version_in_all_places() -> None:
    """Also in the steps that stacks give out, which no robot keeps up to date."""
    given_out = Path(github_actions.__file__).read_text().replace('    "', "uses: ")
    texts = [file.read_text() for file in (*FILES, *ACTIONS)]
    found = {action.strip('"') for text in (*texts, given_out) for action in uses(text)}
    names = [action.partition("@")[0] for action in found]

    assert "aws-actions/configure-aws-credentials" in names
    assert len(names) == len(set(names)), sorted(found)


def test_no_job_has_a_permission_unless_it_says_so() -> None:
    """And each has a limit of time."""
    for file in FILES:
        assert workflow(file)["permissions"] == {}, file.name
    for name, job in jobs():
        assert job["permissions"], name
        assert job["timeout-minutes"] <= 90, name


def test_a_job_that_may_write_has_no_secret_and_no_identity() -> None:
    """And runs nothing of a pull request's."""
    for name, job in jobs():
        may_write = {"issues", "pull-requests"} & set(job["permissions"])
        text = yaml.safe_dump(job)
        if may_write:
            assert "secrets." not in text, name
            assert "environment" not in job, name
            assert "id-token" not in job["permissions"], name
            if name.startswith("preview"):
                assert job["steps"][0]["with"]["ref"] == (
                    "${{ github.event.pull_request.base.sha }}"
                )


def test_no_checkout_leaves_the_jobs_token_behind() -> None:
    """What runs later in the job would find it in the clone."""
    for name, job in jobs():
        found = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        assert not any(step["with"]["persist-credentials"] for step in found), name


def test_a_fork_gets_the_checks_and_no_secret() -> None:
    """A job with secrets that a pull request starts asks where that comes from."""
    for file in FILES:
        assert "pull_request_target" not in file.read_text()
        if "pull_request" in workflow(file)["on"]:
            for name, job in workflow(file)["jobs"].items():
                if "secrets." in yaml.safe_dump(job):
                    assert "head.repo.full_name == github.repository" in job["if"], name


def test_a_newer_push_supersedes_a_preview() -> None:
    """Which changes nothing, and needs no lock."""
    assert workflow(PROJECTS_OWN / "workflows" / "preview.yml")["concurrency"] == {
        "group": "preview-${{ github.event.pull_request.number }}",
        "cancel-in-progress": True,
    }


def test_deployments_to_a_stack_queue_and_are_never_cut_off() -> None:
    """One that waits for its approval holds up no other user's staging."""
    deploy = workflow(PROJECTS_OWN / "workflows" / "deploy.yml")

    assert "concurrency" not in deploy
    assert [job["concurrency"] for job in deploy["jobs"].values()] == [
        {"group": f"deploy-{stack}", "cancel-in-progress": False} for stack in ("staging", "prod")
    ]


def test_production_waits_for_staging_and_for_its_environment() -> None:
    """In which its approval is set."""
    deploy = workflow(PROJECTS_OWN / "workflows" / "deploy.yml")["jobs"]

    assert deploy["prod"]["needs"] == "staging"
    assert [job["environment"] for job in deploy.values()] == ["staging", "prod"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_command_is_a_target_of_make_or_a_script_of_this_project(file: Path) -> None:
    """So that what a job does can be done, and is tested, without it."""
    texts = [file, *ACTIONS]
    commands = [c for text in texts for c in re.findall(r"^\s+run: (.+)$", text.read_text(), re.M)]

    assert commands
    for command in commands:
        assert command.startswith(('make "$', 'make "ci-$', "make install", "python3 -m tools.ci."))


def test_the_targets_of_the_jobs_exist() -> None:
    """As make itself sees them."""
    wanted = [
        "lint",
        "test-all",
        "unit-sdk",
        "e2e",
        "install",
        "ci-preview",
        "ci-deploy",
        "ci-drift",
    ]
    done = subprocess.run(
        ["make", "--dry-run", *wanted, "STACK=prod", "REPORT=/tmp/prod.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    for command in ("preview", "deploy", "drift"):
        assert f'-m tools.ci {command} "prod" --report "/tmp/prod.json"\n' in done.stdout

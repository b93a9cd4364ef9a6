"""What jobs report on a stack: read from the engine's events, and safe to publish."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools.ci import texts
from tools.ci.outcome import PolicyVerdict, ResourceChange, RunOutcome, outcome
from tools.ci.report import JobReport, JobStatus, read
from tools.errors import ToolError

URN = "urn:pulumi:prod::nix-cache::nix-cache:index:BinaryCache$minio:index/s3Bucket:S3Bucket::"


def step(op: str, name: str, **metadata: Any) -> str:
    """Return a line of an event log about one resource."""
    state = {"type": "minio:index/s3Bucket:S3Bucket", "urn": URN + name, "provider": ""}
    reported = {
        **state,
        "op": op,
        "new": {**state, "inputs": {"secretKey": "in-clear"}, "id": "", "parent": ""},
        **metadata,
    }
    return json.dumps({"resourcePreEvent": {"metadata": reported}})


def policy(name: str, level: str, message: str, resource: str = "") -> str:
    """Return a line of an event log about a policy."""
    reported = {"policyName": name, "enforcementLevel": level, "message": message}
    return json.dumps(
        {"policyEvent": {**reported, "resourceUrn": URN + resource if resource else ""}}
    )


def said(severity: str, message: str) -> str:
    """Return a line of an event log with a message."""
    return json.dumps({"diagnosticEvent": {"severity": severity, "message": message}})


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        (["same"], None),
        (["refresh", "read"], None),
        (["create"], "create"),
        (["import"], "import"),
        (["create", "create"], "create"),
        (["create-replacement", "replace", "delete-replaced"], "replace"),
    ],
)
def test_a_resource_has_one_change_whatever_steps_it_takes(
    ops: list[str], expected: str | None
) -> None:
    """And none where the engine only looks."""
    found = outcome([step(op, "nix-cache-bucket") for op in ops], 0).changes

    assert [change.operation for change in found] == ([expected] if expected else [])


def test_a_change_names_resource_kind_and_properties() -> None:
    """By the detailed difference where there is one."""
    log = [
        step("update", "b", diffs=["tags"], detailedDiff={"tags.team": {"diffKind": "add"}}),
        step("update", "a", diffs=["acl", "bucket"]),
    ]

    assert outcome(log, 0).changes == (
        ResourceChange("update", "a", "S3Bucket", ("acl", "bucket")),
        ResourceChange("update", "b", "S3Bucket", ("tags.team",)),
    )


def test_what_stops_an_update_comes_before_advice() -> None:
    """Each is reported once, though an update asks its policies twice."""
    log = [policy("a-remark", "advisory", "perhaps"), policy("z-rule", "mandatory", "never", "b")]

    assert outcome(log * 2, 1).verdicts == (
        PolicyVerdict("z-rule", True, "b", "never"),
        PolicyVerdict("a-remark", False, "", "perhaps"),
    )


def test_only_errors_of_the_engine_are_reported() -> None:
    """Once each."""
    log = [said("error", "it broke\n"), said("warning", "hm"), said("error", "it broke")]

    assert outcome(log, 255).errors == ("it broke",)


def test_an_engine_that_fails_before_its_first_event_has_failed() -> None:
    """A wrong passphrase, for example."""
    assert "failed" in texts.preview("prod", outcome([], 255))


def test_no_value_of_a_resource_is_reported() -> None:
    """What the engine does not know as a secret must not come to light by a comment."""
    log = [step("create", "nix-cache-bucket"), step("update", "other", diffs=["secretKey"])]

    reported = texts.preview("prod", outcome(log, 0))
    assert "in-clear" not in reported
    assert "`secretKey`" in reported


@pytest.mark.parametrize(
    ("changes", "summary", "done"),
    [
        ((), "no changes", "no changes"),
        (
            (ResourceChange("create", "a", "K"), ResourceChange("create", "b", "K")),
            "2 to create",
            "2 created",
        ),
        (
            (ResourceChange("delete", "a", "K"), ResourceChange("update", "b", "K")),
            "1 to delete, 1 to update",
            "1 deleted, 1 updated",
        ),
        ((ResourceChange("replace", "a", "K"),), "1 to replace", "1 replaced"),
    ],
)
def test_the_heading_reports_all_that_happens(
    changes: tuple[ResourceChange, ...], summary: str, done: str
) -> None:
    """In a preview as a plan, in a deployment as a fact."""
    found = RunOutcome(succeeded=True, changes=changes)

    assert texts.preview("prod", found).splitlines()[0] == f"### `prod`: {summary}"
    assert texts.deployment("prod", found).splitlines()[0] == f"### `prod`: {done}"


def test_a_preview_reads_as_a_page() -> None:
    """The whole of it, once."""
    found = RunOutcome(
        succeeded=False,
        changes=(ResourceChange("update", "nix-cache-bucket", "S3Bucket", ("acl", "bucket")),),
        verdicts=(
            PolicyVerdict("no-listing", True, "nix-cache-bucket", "Anonymous requests may list."),
        ),
        errors=("preview failed",),
    )

    assert texts.preview("prod", found) == (
        "### `prod`: failed\n"
        "\n"
        "| change | resource | kind | properties |\n"
        "| --- | --- | --- | --- |\n"
        "| update | `nix-cache-bucket` | `S3Bucket` | `acl`, `bucket` |\n"
        "\n"
        "**Policy, stops the update**: `no-listing` on `nix-cache-bucket`\n"
        "\n"
        "```text\nAnonymous requests may list.\n```\n"
        "\n"
        "**Error**\n"
        "\n"
        "```text\npreview failed\n```\n"
    )


def test_what_others_wrote_stays_within_its_cell_and_its_fence() -> None:
    """No mention, no tag, no end of a table or of a block."""
    nasty = "a|b`c\n<img>@all"
    found = RunOutcome(
        succeeded=False,
        changes=(ResourceChange("update", nasty, "K"),),
        errors=("```\n@all",),
    )

    reported = texts.preview("prod", found)
    assert r"| `a\|b'c <img>@all` |" in reported
    assert "````text\n```\n@all\n````" in reported


def test_long_lists_and_messages_are_cut_and_say_so() -> None:
    """A first update of many stacks has to fit into one comment."""
    changes = tuple(
        ResourceChange("create", f"r{n:03}", "K", tuple("abcdefgh")) for n in range(130)
    )
    reported = texts.preview("prod", RunOutcome(True, changes, errors=("x" * 5000,)))

    assert "r099" in reported
    assert "r100" not in reported
    assert "and 30 more" in reported
    assert "`f`, and 2 more" in reported
    assert "x" * 2001 not in reported


def test_drift_is_reported_with_what_was_and_what_to_do() -> None:
    """In the words of `make drift`."""
    found = [{"what": "nix-cache-info says Priority", "was": 40, "is": 10, "fix": "make repair"}]

    reported = texts.drift("prod", found)
    assert "| `nix-cache-info says Priority` | `40` | `10` | `make repair` |" in reported
    assert texts.drift("prod", []) == "### `prod`: no drift\n"


def test_a_report_comes_to_the_next_job_as_it_was_left(tmp_path: Path) -> None:
    """By a file under its stack's name."""
    left = JobReport("prod", JobStatus.DIFFERENT, "### é\n")
    left.write(tmp_path / "prod.json")

    assert read(tmp_path, "prod") == left


def test_a_report_that_was_never_written_means_that_the_job_failed(tmp_path: Path) -> None:
    """So that no user takes silence for agreement."""
    found = read(tmp_path, "prod")

    assert found.status is JobStatus.FAILED
    assert "log" in found.text


@pytest.mark.parametrize("content", ["", "[]", '{"status": "unheard of"}', '{"status": "same"}'])
def test_what_is_no_report_is_named(tmp_path: Path, content: str) -> None:
    """With its file."""
    (tmp_path / "prod.json").write_text(content)

    with pytest.raises(ToolError, match=r"prod\.json is no report"):
        read(tmp_path, "prod")

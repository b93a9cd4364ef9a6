"""The main job on every backend: create, change nothing, refresh, rotate, repair, refuse, destroy.

Only this module shows that all backends keep the same promises; what is special about one of them
is shown in its own modules.
"""

import html
import re
from typing import Any

import pytest

from nix_cache.iam.access import JANITOR_IDENTITY
from tests.engine.backend_cases import BUCKET, INFO, BackendCase
from tests.engine.backend_cases import case as case
from tests.engine.clone import assert_plain_error
from tests.engine.drift_command import on_stack
from tests.engine.project import STACK
from tests.engine.secret_search import files_below, found_in, leaks

UP = ("up", "--yes", "--skip-preview", "--stack", STACK)


@pytest.fixture
def running(case: BackendCase) -> BackendCase:
    """Provide the case, its stack up."""
    if not case.project.resources():
        case.project.up()
    return case


def kept(case: BackendCase) -> dict[str, Any]:
    """Return what the state has of everything but the program itself."""
    return {
        resource["urn"]: (resource.get("id"), resource.get("inputs"))
        for resource in case.project.state.resources_in_clear()
        if resource["type"].split(":")[0] != "pulumi"
    }


def test_a_first_up_makes_a_cache_with_a_credential_and_a_key_for_its_writer(
    running: BackendCase,
) -> None:
    """Readers find what describes the cache."""
    outputs = running.project.outputs(secrets=True)

    info = running.read(BUCKET, INFO)
    assert info == "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    assert outputs["publicKeys"][-1] in (running.read(BUCKET, "nix-cache.json") or "")
    assert outputs["credentials"]["nixbuilder"]["secretAccessKey"]
    assert outputs["signingKeys"]["nixbuilder"].startswith("cache.example.org-nixbuilder-")


def test_a_second_up_and_a_refresh_change_nothing(running: BackendCase) -> None:
    """What was created is what was asked for, also by the provider's own account."""
    running.project.up("--expect-no-changes")
    running.project.pulumi("refresh", "--yes", "--stack", STACK, "--expect-no-changes")
    assert running.project.planned() == {}


def test_a_rotated_signing_key_changes_no_credential_and_keeps_the_old_key_trusted(
    running: BackendCase,
) -> None:
    """A higher generation adds one key."""
    before = running.project.outputs(secrets=True)
    generation = int(before["signingKeys"]["nixbuilder"].partition(":")[0].rpartition("-")[2])

    running.project.set(writers=[{"name": "nixbuilder", "generation": generation + 1}])
    running.project.up()

    after = running.project.outputs(secrets=True)
    assert after["credentials"] == before["credentials"]
    assert after["signingKeys"] != before["signingKeys"]
    assert set(after["publicKeys"]) > set(before["publicKeys"])
    for page in ("nix-cache.json", "index.html"):
        text = html.unescape(running.read(BUCKET, page) or "")
        assert all(key in text for key in after["publicKeys"]), page
    running.project.up("--expect-no-changes")


def test_a_janitor_comes_and_goes_and_leaves_all_other_credentials(running: BackendCase) -> None:
    """It is one more credential, which nothing of the cache depends on, and is renewed alone."""
    before = running.project.outputs(secrets=True)["credentials"]

    running.project.set(janitor=True)
    running.project.up()
    running.project.up("--expect-no-changes")
    during = running.project.outputs(secrets=True)["credentials"]
    renewed = credentials_after_renewal(running)
    running.project.set(janitor=False)
    running.project.up()

    assert during.pop("janitor")["secretAccessKey"] != renewed.pop("janitor")["secretAccessKey"]
    assert renewed == during == before
    assert running.project.outputs(secrets=True)["credentials"] == before


def credentials_after_renewal(running: BackendCase) -> dict[str, Any]:
    """Renew the janitor's credential, and return all.

    By `nix-cache stack renew` where it can, which takes names of users on the server, or else by
    the command that it prints.
    """
    result = on_stack(running.project, "renew", JANITOR_IDENTITY, "--yes")
    if "has no users that `renew` can replace" in result.output:
        [line] = re.findall(r"run `(pulumi up --replace [^`]+)`", result.output)
        running.project.typed(line)
    else:
        on_server = f"{BUCKET}-{JANITOR_IDENTITY}"
        assert f"name one of: {on_server}, " in result.output
        on_stack(running.project, "renew", on_server, "--yes").checked("renew")
    found: dict[str, Any] = running.project.outputs(secrets=True)["credentials"]
    return found


def test_a_writer_whose_name_the_janitor_takes_does_not_hand_over_its_key_pair(
    running: BackendCase,
) -> None:
    """The writer is renamed in the deployment that makes the janitor."""
    others = running.project.config.get("nix-cache:writers", ["nixbuilder"])
    running.project.set(writers=[*others, "janitor"])
    running.project.up()
    writer = running.project.outputs(secrets=True)["credentials"]["janitor"]
    assert running.has_key(writer["accessKeyId"])

    running.project.set(writers=[*others, "ci-runner"], janitor=True)
    running.project.up()

    credentials = running.project.outputs(secrets=True)["credentials"]
    janitor = credentials["janitor"]
    assert not set(writer.values()) & {v for pair in credentials.values() for v in pair.values()}
    assert not running.has_key(writer["accessKeyId"])
    assert running.has_key(janitor["accessKeyId"])

    # And back: the writer gets none of the janitor's.
    running.project.set(writers=[*others, "janitor"], janitor=False)
    running.project.up()
    again = running.project.outputs(secrets=True)["credentials"]["janitor"]
    assert again["secretAccessKey"] not in {*janitor.values(), *writer.values()}
    assert again["accessKeyId"] != janitor["accessKeyId"]
    assert not running.has_key(janitor["accessKeyId"])

    running.project.set(writers=others)
    running.project.up()


def test_what_was_changed_outside_is_put_back(running: BackendCase) -> None:
    """One object was overwritten and one deleted; what a writer pushed stays."""
    info, manifest = running.read(BUCKET, INFO), running.read(BUCKET, "nix-cache.json")
    running.write(BUCKET, INFO, b"StoreDir: /elsewhere\n")
    running.delete(BUCKET, "nix-cache.json")
    running.write(BUCKET, "nar/pushed.nar", b"pushed")

    running.project.up("--refresh")

    assert running.read(BUCKET, INFO) == info
    assert running.read(BUCKET, "nix-cache.json") == manifest
    assert running.read(BUCKET, "nar/pushed.nar") == "pushed"


def test_a_bucket_of_another_owner_is_not_adopted(running: BackendCase) -> None:
    """It is one error before anything is changed."""
    running.make_bucket("their-cache")
    running.write("their-cache", "theirs", b"theirs")
    before, remaining = kept(running), running.remaining()

    running.project.set(bucket="their-cache")
    result = running.project.run(*UP)
    running.project.set(bucket=BUCKET)

    assert result.exit_code != 0
    assert "their-cache' exists already" in result.output
    assert_plain_error(result.output)
    assert kept(running).items() >= before.items()  # names that were free may be reserved by now
    assert running.remaining() == remaining
    assert running.read("their-cache", "theirs") == "theirs"
    running.project.up()


def test_an_outage_is_one_error_and_costs_no_state(running: BackendCase) -> None:
    """The same command goes through afterwards."""
    before = kept(running)

    with running.outage():
        result = running.project.run(*UP)

    assert result.exit_code != 0
    assert "does not answer" in result.output
    assert_plain_error(result.output)
    assert kept(running) == before
    running.project.up("--expect-no-changes")


def test_no_secret_is_in_the_state(running: BackendCase) -> None:
    """Neither of writers nor of the account, in any file of the state."""
    outputs = running.project.outputs(secrets=True)
    secrets = dict(running.account_secrets)
    for user, pair in outputs["credentials"].items():
        secrets[f"secret of {user}"] = pair["secretAccessKey"]
    for writer, key in outputs["signingKeys"].items():
        secrets[f"signing key of {writer}"] = key.partition(":")[2]

    state = files_below(running.project.folder / "state")

    assert leaks(state, secrets) == {}
    clear = str(running.project.state.resources_in_clear()).encode()
    assert set(found_in(clear, secrets)) >= {"secret of nixbuilder", "signing key of nixbuilder"}


def test_destroy_leaves_nothing(running: BackendCase) -> None:
    """Bucket and credentials are gone, also when the bucket had objects in it."""
    running.write(BUCKET, "nar/some.nar", b"some")

    running.project.destroy()

    assert running.remaining() <= {"their-cache"}
    assert running.project.resources() == {}

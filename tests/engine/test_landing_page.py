"""The page for people and the description for clients, as anybody gets them from the server."""

import html
import json
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3

from dev.server import LocalServer
from tests.engine.project import STACK, Project
from tests.engine.s3 import s3_client

PAGE, DESCRIPTOR = "index.html", "nix-cache.json"
TYPES = {PAGE: "text/html; charset=utf-8", DESCRIPTOR: "application/json"}
NOT_PUBLISHED: dict[str, Any] = {"pushUrls": {}, "profiles": {}, "keyNames": {}, "readers": []}


def got(server: LocalServer, key: str) -> Any:
    """What anybody gets who asks for an object of the cache."""
    return urllib3.request("GET", f"{server.url}/nix-cache/{key}", retries=False, timeout=10)


def described(server: LocalServer) -> Any:
    """The description, as a client reads it."""
    return json.loads(got(server, DESCRIPTOR).data)


def test_anybody_gets_both_and_nothing_changes_by_a_second_up(
    project: Project, server: LocalServer
) -> None:
    """Each under its type. Neither holds a secret, nor what only writers need."""
    project.up()
    outputs = project.outputs(secrets=True)
    secrets = [*outputs["signingKeys"].values()] + [
        credential["secretAccessKey"] for credential in outputs["credentials"].values()
    ]

    answers = {key: got(server, key) for key in TYPES}

    assert {key: answer.status for key, answer in answers.items()} == dict.fromkeys(TYPES, 200)
    assert {key: answer.headers["Content-Type"] for key, answer in answers.items()} == TYPES
    text = {key: answer.data.decode() for key, answer in answers.items()}
    published = {**outputs["cache"], **NOT_PUBLISHED}
    assert text[DESCRIPTOR] == json.dumps(published, indent=2, sort_keys=True) + "\n"
    assert "nixbuilder" in outputs["cache"]["pushUrls"]
    assert text[PAGE].startswith("<!doctype html>")
    assert outputs["flakeConfig"] in html.unescape(text[PAGE])
    assert not [key for key in TYPES for secret in secrets if secret in text[key]]
    assert got(server, "").status == 403
    assert got(server, "?list-type=2").status == 403
    project.up("--expect-no-changes")
    project.pulumi("refresh", "--yes", "--stack", STACK, "--expect-no-changes")


def test_a_rotation_and_a_new_writer_are_told_at_once(
    project: Project, server: LocalServer
) -> None:
    """In the same run that makes the keys."""
    project.up()
    before, output_before = described(server), project.outputs()["cache"]

    project.set(writers=[{"name": "nixbuilder", "generation": 2}, "ci-runner"])
    project.up()

    after, output_after = described(server), project.outputs()["cache"]
    assert before["keyNames"] == after["keyNames"] == {}
    assert output_before["keyNames"] == {"nixbuilder": "cache.example.org-nixbuilder-1"}
    assert output_after["keyNames"] == {
        "ci-runner": "cache.example.org-ci-runner-1",
        "nixbuilder": "cache.example.org-nixbuilder-2",
    }
    assert (
        set(before["publicKeys"]) < set(after["publicKeys"]) == set(project.outputs()["publicKeys"])
    )
    page = got(server, PAGE).data.decode()
    for name in ("nixbuilder-2", "nixbuilder-1", "ci-runner-1"):
        assert f"cache.example.org-{name}" in page


@dataclass(frozen=True)
class Kept:
    """What there was of both after a run.

    Attributes:
        keys: the objects in the bucket.
        told: whether the stack says that there is a page, and a description.
        statuses: what anybody was answered who asked for them.
    """

    keys: set[str]
    told: tuple[bool, bool]
    statuses: dict[str, int]


CHOICES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "both as public": ({}, {PAGE, DESCRIPTOR}),
    "private": ({"public": False}, set()),
    "private, and both asked for": (
        {"public": False, "landingPage": True, "descriptor": True},
        {PAGE, DESCRIPTOR},
    ),
    "no page": ({"landingPage": False}, {DESCRIPTOR}),
    "no description": ({"descriptor": False}, {PAGE}),
}
"""Settings one after another, each with what is left of both. All of them go, and come, once."""


@pytest.fixture(scope="module")
def story(module_project: Project, module_server: LocalServer) -> dict[str, Kept]:
    """What there was after each choice, and after a second run that changed nothing."""
    connection = module_server.connection()
    root = s3_client(module_server.url, connection.user, connection.password)
    found = {}
    for choice, (settings, _) in CHOICES.items():
        module_project.set(**{"public": True, "landingPage": None, "descriptor": None, **settings})
        module_project.up()
        module_project.up("--expect-no-changes")
        cache = module_project.outputs()["cache"]
        found[choice] = Kept(
            {entry["Key"] for entry in root.list_objects_v2(Bucket="nix-cache")["Contents"]},
            (cache["landingPage"], cache["descriptor"]),
            {key: got(module_server, key).status for key in TYPES},
        )
    return found


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_turned_off_goes_from_the_bucket(story: dict[str, Kept], choice: str) -> None:
    """By its own setting, or with the cache's being public."""
    settings, left = CHOICES[choice]

    assert story[choice].keys == {"nix-cache-info", *left}
    assert story[choice].told == (PAGE in left, DESCRIPTOR in left)
    answers = (200, 404) if settings.get("public", True) else (403, 403)
    assert story[choice].statuses == {key: answers[key not in left] for key in TYPES}

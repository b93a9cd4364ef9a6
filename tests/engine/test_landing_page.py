"""The page for people and the manifest for clients, as anonymous readers get them from MinIO.

Only this module shows the two over HTTP, and what is left of them as settings are changed one after
another on one stack. Their content is tested without an engine.
"""

import html
import json
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3

from tests.engine.project import Project
from tests.engine.s3 import s3_client
from tools.server import LocalServer

PAGE, MANIFEST = "index.html", "nix-cache.json"
TYPES = {PAGE: "text/html; charset=utf-8", MANIFEST: "application/json"}
NOT_PUBLISHED: dict[str, Any] = {"pushUrls": {}, "profiles": {}, "keyNames": {}, "readers": []}


def got(server: LocalServer, key: str) -> Any:
    """Return what an anonymous reader gets of the cache."""
    return urllib3.request("GET", f"{server.url}/nix-cache/{key}", retries=False, timeout=10)


@dataclass(frozen=True)
class Kept:
    """What there was of both after a run.

    Attributes:
        keys: the objects in the bucket.
        outputs: the stack's, with secrets.
        answers: what an anonymous reader is answered, by object.
    """

    keys: set[str]
    outputs: dict[str, Any]
    answers: dict[str, Any]


CHOICES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "both as public": ({}, {PAGE, MANIFEST}),
    "private": ({"public": False}, set()),
    "private, and both asked for": (
        {"public": False, "landingPage": True, "manifest": True},
        {PAGE, MANIFEST},
    ),
    "no page": ({"landingPage": False}, {MANIFEST}),
    "no manifest": ({"manifest": False}, {PAGE}),
}
"""Settings one after another, each with what is left of both. All of them go, and come, once."""


@pytest.fixture(scope="module")
def story(module_project: Project, module_server: LocalServer) -> dict[str, Kept]:
    """Provide what there was after each choice."""
    connection = module_server.connection()
    root = s3_client(module_server.url, connection.user, connection.password)
    found = {}
    for choice, (settings, _) in CHOICES.items():
        module_project.set(**{"public": True, "landingPage": None, "manifest": None, **settings})
        module_project.up()
        found[choice] = Kept(
            {entry["Key"] for entry in root.list_objects_v2(Bucket="nix-cache")["Contents"]},
            module_project.outputs(secrets=True),
            {key: got(module_server, key) for key in (*TYPES, "", "?list-type=2")},
        )
    return found


def test_both_are_served_under_their_types_without_a_secret(story: dict[str, Kept]) -> None:
    """Nor with what only writers need. The bucket itself is not shown."""
    outputs, answers = story["both as public"].outputs, story["both as public"].answers
    secrets = [*outputs["signingKeys"].values()] + [
        credential["secretAccessKey"] for credential in outputs["credentials"].values()
    ]

    assert {key: answers[key].headers["Content-Type"] for key in TYPES} == TYPES
    text = {key: answers[key].data.decode() for key in TYPES}
    published = {**outputs["manifest"], **NOT_PUBLISHED}
    assert text[MANIFEST] == json.dumps(published, indent=2, sort_keys=True) + "\n"
    assert "nixbuilder" in outputs["manifest"]["pushUrls"]
    assert text[PAGE].startswith("<!doctype html>")
    assert outputs["flakeConfig"] in html.unescape(text[PAGE])
    assert not [key for key in TYPES for secret in secrets if secret in text[key]]
    assert [answers[key].status for key in ("", "?list-type=2")] == [403, 403]


def test_keys_and_credentials_stay_whatever_is_published(story: dict[str, Kept]) -> None:
    """Also while the cache is private, which replaces the bucket policy."""
    first, *others = (kept.outputs for kept in story.values())

    for other in others:
        for output in ("publicKeys", "signingKeys"):
            assert other[output] == first[output]
        assert other["credentials"]["nixbuilder"] == first["credentials"]["nixbuilder"]


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_turned_off_goes_from_the_bucket(story: dict[str, Kept], choice: str) -> None:
    """By its own setting, or with the cache's being public."""
    settings, left = CHOICES[choice]

    assert story[choice].keys == {"nix-cache-info", *left}
    cache = story[choice].outputs["manifest"]
    assert (cache["landingPage"], cache["descriptor"]) == (PAGE in left, MANIFEST in left)
    answers = (200, 404) if settings.get("public", True) else (403, 403)
    for key in TYPES:
        assert story[choice].answers[key].status == answers[key not in left]

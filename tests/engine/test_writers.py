"""Writers come, rotate their keys and go on MinIO, and nothing but what is theirs changes.

Only this module follows plans, keys and credentials of two writers through all of that.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine import keys
from tests.engine.project import RETOLD, Project
from tests.engine.s3 import s3_client
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUILDER_1, BUILDER_2, BOT_1 = (
    f"cache.example.org-{key}" for key in ("nixbuilder-1", "nixbuilder-2", "ci-bot-1")
)


@dataclass(frozen=True)
class Chapter:
    """One change of the stack.

    Attributes:
        planned: what its preview said, by resource.
        outputs: the stack's outputs after it, with secrets.
        refused: those who ever had a credential and whom the server refuses after it.
    """

    planned: dict[str, str]
    outputs: dict[str, Any]
    refused: set[str]


@dataclass(frozen=True)
class Story:
    """What happened to the stack, chapter by chapter, and the server after all of it."""

    start: Chapter
    added: Chapter
    rotated: Chapter
    dropped: Chapter
    removed: Chapter
    server: MinioServer


class Narrator:
    """Brings changes to a stack, and tries every user's credential after each."""

    def __init__(self, project: Project, url: str) -> None:
        self._project = project
        self._url = url
        self._clients: dict[str, S3Client] = {}

    def chapter(self, **settings: Any) -> Chapter:
        """Change settings, and bring the stack up."""
        self._project.set(**settings)
        planned = self._project.planned()
        self._project.up()
        outputs = self._project.outputs(secrets=True)
        for user, credential in outputs["credentials"].items():
            pair = (credential["accessKeyId"], credential["secretAccessKey"])
            self._clients.setdefault(user, s3_client(self._url, *pair))
        return Chapter(planned, outputs, {u for u, c in self._clients.items() if is_refused(c)})

    def take_temporary_credential(self, user: str, credential: dict[str, str]) -> None:
        """Let a user get a credential of the kind that ends by itself after an hour."""
        sts = boto3.client(
            "sts",
            endpoint_url=self._url,
            region_name="us-east-1",
            aws_access_key_id=credential["accessKeyId"],
            aws_secret_access_key=credential["secretAccessKey"],
        )
        answer = sts.assume_role(RoleArn="arn:aws:iam::0:role/any", RoleSessionName="any")
        got = answer["Credentials"]
        self._clients[f"{user}, temporarily"] = s3_client(
            self._url, got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]
        )


def is_refused(client: "S3Client") -> bool:
    """Return whether the server does not know a credential, or no longer lets it read and write."""
    try:
        client.get_object(Bucket="nix-cache", Key="nix-cache-info")
        client.put_object(Bucket="nix-cache", Key="nar/tried.nar", Body=b"tried")
    except ClientError as refusal:
        return refusal.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return False


@pytest.fixture(scope="module")
def story(module_project: Project, module_server: LocalServer) -> Story:
    """Provide a writer is added, the other's key is rotated and dropped, and the new one leaves."""
    narrator = Narrator(module_project, module_server.url)
    rotated = {"name": "nixbuilder", "generation": 2}
    alone = {**rotated, "trustedGenerations": []}

    start = narrator.chapter()
    added = narrator.chapter(writers=["nixbuilder", "ci-bot"])
    narrator.take_temporary_credential("ci-bot", added.outputs["credentials"]["ci-bot"])
    return Story(
        start,
        added,
        rotated=narrator.chapter(writers=[rotated, "ci-bot"]),
        dropped=narrator.chapter(writers=[alone, "ci-bot"]),
        removed=narrator.chapter(writers=[alone], retiredPublicKeys=[public_keys(added)[BOT_1]]),
        server=MinioServer(module_server.connection()),
    )


def public_keys(chapter: Chapter) -> dict[str, str]:
    """Return the trusted public keys by name."""
    trusted = chapter.outputs["publicKeys"]
    return dict(zip(keys.names(trusted), trusted, strict=True))


def test_a_new_writer_is_only_added(story: Story) -> None:
    """Nothing is replaced or deleted."""
    assert story.added.planned == {
        **RETOLD,
        "nix-cache-names": "update",
        "nix-cache-ci-bot": "create",
        "nix-cache-ci-bot-write": "create",
        "nix-cache-ci-bot-key-1": "create",
    }


def test_a_new_writer_leaves_the_others_as_they_were(story: Story) -> None:
    """Their credential and their key."""
    before, after = story.start.outputs, story.added.outputs

    assert after["credentials"]["nixbuilder"] == before["credentials"]["nixbuilder"]
    assert after["signingKeys"]["nixbuilder"] == before["signingKeys"]["nixbuilder"]
    assert after["publicKeys"][: len(before["publicKeys"])] == before["publicKeys"]


def test_every_writer_has_its_own_credential_and_key(story: Story) -> None:
    """Which work, and are no other user's."""
    added = story.added.outputs

    assert story.added.refused == set()
    assert set(added["credentials"]) == set(added["signingKeys"]) == {"nixbuilder", "ci-bot"}
    assert len({c["secretAccessKey"] for c in added["credentials"].values()}) == 2
    assert len({key.partition(":")[2] for key in added["signingKeys"].values()}) == 2


@pytest.mark.parametrize("chapter", ["start", "added", "rotated", "dropped", "removed"])
def test_signatures_of_every_writer_are_accepted_with_the_public_keys(
    story: Story, chapter: str
) -> None:
    """By Ed25519 itself."""
    reported: Chapter = getattr(story, chapter)

    assert reported.outputs["signingKeys"]
    for secret_key in reported.outputs["signingKeys"].values():
        name = secret_key.partition(":")[0]
        assert keys.verifies(secret_key, public_keys(reported)[name])


def test_a_higher_generation_makes_one_key_and_touches_nothing_else(story: Story) -> None:
    """Neither the older key nor the user."""
    assert story.rotated.planned == {"nix-cache-nixbuilder-key-2": "create", **RETOLD}
    assert story.rotated.outputs["credentials"] == story.added.outputs["credentials"]
    assert story.rotated.refused == set()


def test_a_writer_signs_with_the_new_key_and_the_old_one_stays_trusted(story: Story) -> None:
    """The new one comes first."""
    before, after = story.added, story.rotated

    assert list(public_keys(after)) == [BUILDER_2, BUILDER_1, BOT_1]
    assert public_keys(after)[BUILDER_1] == public_keys(before)[BUILDER_1]
    assert public_keys(after)[BOT_1] == public_keys(before)[BOT_1]
    signing = after.outputs["signingKeys"]
    assert keys.names([signing["nixbuilder"]]) == [BUILDER_2]
    assert signing["ci-bot"] == before.outputs["signingKeys"]["ci-bot"]


def test_a_generation_that_is_no_longer_trusted_is_dropped_alone(story: Story) -> None:
    """The current key stays as it is."""
    before, after = story.rotated, story.dropped

    assert after.planned == {"nix-cache-nixbuilder-key-1": "delete", **RETOLD}
    assert list(public_keys(after)) == [BUILDER_2, BOT_1]
    assert after.outputs["signingKeys"] == before.outputs["signingKeys"]
    assert after.outputs["credentials"] == before.outputs["credentials"]


def test_a_writer_who_leaves_takes_along_what_was_theirs(story: Story) -> None:
    """User, attachment and key; nothing of the others.

    Readers trust the retired key as before and see no writer, so the published objects stay.
    """
    assert story.removed.planned == {
        "nix-cache-names": "update",
        "nix-cache-ci-bot": "delete",
        "nix-cache-ci-bot-write": "delete",
        "nix-cache-ci-bot-key-1": "delete",
    }
    assert not story.server.has(NameKind.USER, "ci-bot")
    assert story.server.has(NameKind.USER, "nixbuilder")
    assert set(story.removed.outputs["credentials"]) == {"nixbuilder"}
    assert set(story.removed.outputs["signingKeys"]) == {"nixbuilder"}


def test_the_credential_of_a_writer_who_left_stops_working(story: Story) -> None:
    """And so does a temporary one that they took while they could."""
    assert story.dropped.refused == set()
    assert story.removed.refused == {"ci-bot", "ci-bot, temporarily"}


def test_what_a_writer_signed_stays_trusted_while_their_key_is_listed_as_retired(
    story: Story,
) -> None:
    """After the keys in use, and in what clients are reported."""
    after = story.removed

    assert list(public_keys(after)) == [BUILDER_2, BOT_1]
    assert public_keys(after)[BOT_1] == public_keys(story.added)[BOT_1]
    for text in (after.outputs["nixConf"], after.outputs["nixosModule"]):
        assert public_keys(after)[BOT_1] in text

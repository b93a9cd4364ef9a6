"""Policy documents: exactly these rights and no other."""

import re
from datetime import UTC, datetime

import pytest

from nix_cache.formats import pin, root_record
from nix_cache.iam import access

HASH = "0123456789abcdfghijklmnpqrsvwxyz"


def allows(document: access.PolicyDocument, action: str, key: str) -> bool:
    """Return whether a document allows an action on a key of the bucket ``b``."""
    arn = f"arn:aws:s3:::b/{key}"

    def matches(pattern: str) -> bool:
        expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(expression, arn) is not None

    return any(
        statement["Effect"] == "Allow"
        and action in statement["Action"]
        and any(matches(resource) for resource in statement["Resource"])
        for statement in document["Statement"]
    )


@pytest.mark.parametrize(
    "key",
    [
        f"{HASH}.narinfo",
        f"{HASH}.ls",
        f"nar/{HASH}.nar.zst",
        "log/abc-hello.drv",
        "debuginfo/0a1b.debug",
        "realisations/sha256:abc!out.doi",
        "build-trace-v2/abc.doi",
    ],
)
def test_a_writer_puts_what_nix_writes(key: str) -> None:
    """Each kind of key, in one piece and in parts."""
    document = access.writer_policy("b")

    for action in ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
        assert allows(document, action, key)
    assert allows(document, "s3:GetObject", key)


@pytest.mark.parametrize(
    "key",
    [
        "nix-cache-info",
        "index.html",
        "nix-cache.json",
        f"{HASH[:-1]}.narinfo",
        f"{HASH}x.narinfo",
        "narinfo",
        "nar",
    ],
)
def test_a_writer_puts_nothing_else(key: str) -> None:
    """The cache's own metadata above all."""
    document = access.writer_policy("b")

    assert not allows(document, "s3:PutObject", key)
    assert not allows(document, "s3:AbortMultipartUpload", key)
    assert allows(document, "s3:GetObject", key)


@pytest.mark.parametrize(
    "key",
    [
        root_record.new_key(),
        pin.new_revision_key("my-app", datetime.now(UTC)),
        pin.latest_key("my-app"),
    ],
    ids=["root record", "revision of a pin", "latest path of a pin"],
)
def test_a_writer_puts_root_records_and_pins_in_one_piece_and_does_nothing_else_with_them(
    key: str,
) -> None:
    """A writer has these rights alone below `nix-cache-`."""
    document = access.writer_policy("b")

    assert allows(document, "s3:PutObject", key)
    assert not allows(document, "s3:AbortMultipartUpload", key)
    assert not allows(document, "s3:DeleteObject", key)
    for other in (
        "nix-cache-roots",
        "nix-cache-pins",
        "nix-cache-gc.json",
        "nix-cache-gc-run.json",
    ):
        assert not allows(document, "s3:PutObject", other)


@pytest.mark.parametrize(
    "document",
    [access.writer_policy("b"), access.reader_policy("b"), access.anonymous_read_policy("b")],
    ids=["writer", "reader", "anonymous"],
)
def test_no_user_lists_or_deletes_and_no_action_is_a_wildcard(
    document: access.PolicyDocument,
) -> None:
    """Whatever the privilege, and on this bucket's objects alone."""
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    resources = [r for statement in document["Statement"] for r in statement["Resource"]]

    assert actions <= {
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    }
    assert all(resource.startswith("arn:aws:s3:::b/") for resource in resources)


def test_the_public_policy_is_one_statement_for_anonymous_requests() -> None:
    """GetObject only; the principal in the form that every backend takes."""
    assert access.anonymous_read_policy("b") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AnybodyReadsObjects",
                "Effect": "Allow",
                "Principal": {"AWS": ["*"]},
                "Action": ["s3:GetObject"],
                "Resource": ["arn:aws:s3:::b/*"],
            }
        ],
    }


def test_a_users_policy_names_no_principal() -> None:
    """A policy that is attached to a user must not have one."""
    for privilege in access.Privilege:
        for statement in access.policy_for(privilege, "b")["Statement"]:
            assert "Principal" not in statement


def test_a_reader_has_one_right() -> None:
    """And it is not the writer's policy by mistake."""
    document = access.policy_for(access.Privilege.READ, "b")

    assert [statement["Action"] for statement in document["Statement"]] == [["s3:GetObject"]]


def test_a_minio_user_administers_nothing_not_even_themselves() -> None:
    """The denial is added to the rights, and takes none of them away."""
    document = access.without_administration(access.writer_policy("b"))

    assert document["Statement"][:-1] == access.writer_policy("b")["Statement"]
    assert document["Statement"][-1] == {
        "Sid": "AdministerNothing",
        "Effect": "Deny",
        "Action": ["admin:*"],
    }


@pytest.mark.parametrize("privilege", access.Privilege)
def test_a_policy_for_minio_denies_all_administration_and_changes_nothing_else(
    privilege: access.Privilege,
) -> None:
    """Even of themselves, which MinIO allows unless it is denied."""
    document = access.policy_for(privilege, "b")
    *allowed, denied = access.without_administration(document)["Statement"]

    assert allowed == document["Statement"]
    assert (denied["Effect"], denied["Action"]) == ("Deny", ["admin:*"])

"""The tests' own judge of policy documents follows AWS's rules."""

from typing import Any

import pytest

from tests.fakes.iam_evaluation import Decision, Principal, Request, decide

BUCKET = "arn:aws:s3:::cache"
WRITER = Principal("AWS", "arn:aws:iam::123456789012:user/writer")


def statement(**elements: Any) -> dict[str, Any]:
    """Return a policy document with one statement, which by default allows anonymous reads."""
    usual = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    elements = {name: value for name, value in {**usual, **elements}.items() if value is not None}
    return {"Version": "2012-10-17", "Statement": [elements]}


def said(document: dict[str, Any], **request: Any) -> Decision:
    """Return what a document says of a get of one object, anonymous by default."""
    usual: dict[str, Any] = {"action": "s3:GetObject", "resource": f"{BUCKET}/nar/a"}
    return decide(document, Request(**{**usual, **request}))


@pytest.mark.parametrize(
    ("elements", "allowed"),
    [
        ({}, True),
        ({"Action": ["s3:PutObject", "s3:Get*"]}, True),
        ({"Action": "S3:getobject"}, True),
        ({"Action": "s3:PutObject"}, False),
        ({"Action": None, "NotAction": "s3:PutObject"}, True),
        ({"Action": None, "NotAction": ["s3:GetObject"]}, False),
        ({"Resource": [f"{BUCKET}/nar/*"]}, True),
        ({"Resource": [f"{BUCKET}/nar/?"]}, True),
        ({"Resource": [BUCKET]}, False),
        ({"Resource": f"{BUCKET}/NAR/*"}, False),
        ({"Principal": {"AWS": ["*"]}}, True),
        ({"Principal": {"AWS": WRITER.name}}, False),
        ({"Principal": {"Service": "cloudfront.amazonaws.com"}}, False),
        ({"Principal": None}, True),
    ],
)
def test_a_statement_speaks_of_what_it_names(elements: dict[str, Any], allowed: bool) -> None:
    """Action, resource and principal have to match; actions in any case."""
    assert said(statement(**elements)) is (Decision.ALLOWED if allowed else Decision.SILENT)


def test_a_named_principal_is_only_itself() -> None:
    """A service is not a user of the same name."""
    document = statement(Principal={"AWS": WRITER.name})
    assert said(document, principal=WRITER) is Decision.ALLOWED
    assert said(document, principal=Principal("Service", WRITER.name)) is Decision.SILENT


def test_a_denial_outweighs_every_permission() -> None:
    """Wherever it stands."""
    document = statement()
    document["Statement"] += statement(Effect="Deny")["Statement"]
    assert said(document) is Decision.DENIED
    document["Statement"].reverse()
    assert said(document) is Decision.DENIED


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:SecureTransport": "true"}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"BoolIfExists": {"aws:SecureTransport": "true"}}, {}, True),
        ({"StringEquals": {"t:sub": ["a", "b"]}}, {"t:sub": "b"}, True),
        ({"StringEquals": {"t:sub": "a*"}}, {"t:sub": "ab"}, False),
        ({"StringEquals": {"T:Sub": "a"}}, {"t:sub": "a"}, True),
        ({"StringLike": {"t:sub": "repo:o/r:*"}}, {"t:sub": "repo:o/r:ref"}, True),
        ({"StringLike": {"t:sub": "repo:o/r:*"}}, {"t:sub": "repo:o/rr:ref"}, False),
        ({"StringNotEquals": {"t:sub": "a"}}, {"t:sub": "b"}, True),
        ({"StringNotEquals": {"t:sub": "a"}}, {}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:*:d/?"}}, {"aws:SourceArn": "arn:x:d/1"}, True),
        ({"StringEquals": {"t:sub": "a", "t:aud": "b"}}, {"t:sub": "a"}, False),
        (
            {"StringEquals": {"t:sub": "a"}, "StringLike": {"t:aud": "b*"}},
            {"t:sub": "a", "t:aud": "c"},
            False,
        ),
    ],
)
def test_all_conditions_have_to_hold(
    condition: dict[str, Any], context: dict[str, str], holds: bool
) -> None:
    """Keys in any case; what is not known fails, but for a negation and IfExists."""
    expected = Decision.ALLOWED if holds else Decision.SILENT
    assert said(statement(Condition=condition), context=context) is expected


def test_what_is_not_known_is_no_silence() -> None:
    """A test would pass for the wrong reason."""
    with pytest.raises(NotImplementedError, match="IpAddress"):
        said(statement(Condition={"IpAddress": {"a": "b"}}), context={"a": "b"})
    with pytest.raises(NotImplementedError, match="NotPrincipal"):
        said(statement(NotPrincipal="*"))

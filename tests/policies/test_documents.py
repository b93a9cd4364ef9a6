"""Policy documents, read as the services read them."""

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.iam.documents import DocumentError, Statement, granting, parse
from nix_cache.iam.values import UNKNOWN, NotYetKnownError
from tests.policies.stacks import allow, deny, document

ACTIONS = ("s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetObject")
KEYS = ("nix-cache-info", "nar/x", "0.narinfo")


def anonymous(statement: Statement) -> bool:
    """Statements about those without a credential."""
    return statement.is_anonymous


def any_holder(_statement: Statement) -> bool:
    """All statements."""
    return True


def permits(raw: Any, action: str, arn: str) -> bool:
    """Return whether IAM permits an action on one resource: no Deny matches, and an Allow does."""

    def matches(pattern: str, text: str, flags: int = 0) -> bool:
        expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(expression, text, flags) is not None

    def applies(statement: dict[str, Any]) -> bool:
        named = any(
            matches(pattern, action, re.IGNORECASE)
            for pattern in statement.get("Action") or statement["NotAction"]
        )
        meant = any(
            matches(pattern, arn)
            for pattern in statement.get("Resource") or statement["NotResource"]
        )
        return named is ("Action" in statement) and meant is ("Resource" in statement)

    effects = {statement["Effect"] for statement in raw["Statement"] if applies(statement)}
    return effects == {"Allow"}


STATEMENTS = st.builds(
    lambda effect, action, actions, resource, resources: {
        "Effect": effect,
        action: actions,
        resource: resources,
    },
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["Action", "Action", "NotAction"]),
    st.lists(
        st.sampled_from([*ACTIONS, "s3:*", "*", "S3:putobject", "s3:?etObject", "s3:*Object"]),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from(["Resource", "Resource", "NotResource"]),
    st.lists(
        st.sampled_from(
            [
                "*",
                "arn:aws:s3:::*",
                "arn:aws:s3:::b",
                "arn:aws:s3:::b*",
                "arn:aws:s3:::b/*",
                "arn:aws:s3:::?/n*",
                "arn:aws:s3:::b/nar/*",
                "arn:aws:s3:::b/nix-cache-info",
                "arn:aws:s3:::other/*",
                "arn:*:s3:::b/*",
                "arn:aws:iam::1:user/u",
            ]
        ),
        min_size=1,
        max_size=2,
    ),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=3))
def test_what_iam_permits_is_never_overlooked(statements: list[dict[str, Any]]) -> None:
    """Whatever the statements: wildcards, negations, and Denies that narrow."""
    raw = {"Statement": statements}
    known = parse(json.dumps(raw))

    for action, key in itertools.product(ACTIONS, KEYS):
        if permits(raw, action, f"arn:aws:s3:::b/{key}"):
            assert any(granting(known, action, key, any_holder)), (action, key)
            assert any(granting(known, action, "*", any_holder)), action
    for action in ACTIONS:
        if permits(raw, action, "arn:aws:s3:::b"):
            assert any(granting(known, action, None, any_holder)), action


@given(
    st.lists(
        st.builds(
            lambda effect, action, resource: {
                "Effect": effect,
                "Action": [action],
                "Resource": [resource],
            },
            st.sampled_from(["Allow", "Allow", "Deny"]),
            st.sampled_from([*ACTIONS, "s3:*", "s3:*Object"]),
            st.sampled_from([f"arn:aws:s3:::b/{key}" for key in (*KEYS, "nar/*", "n*")]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_iam_does_not_permit_is_not_made_up(statements: list[dict[str, Any]]) -> None:
    """In one bucket, without negations: there the answer is exact."""
    raw = {"Statement": statements}
    known = parse(raw)

    for action, key in itertools.product(ACTIONS, KEYS):
        granted = any(granting(known, action, key, any_holder))
        assert granted == permits(raw, action, f"arn:aws:s3:::b/{key}"), (action, key)


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "*"}, {"AWS": ["*"]}, {"AWS": ["1", "*"]}, {"AWS": "**"}, {"AWS": "?"}],
)
def test_anonymous_is_recognized_in_each_way_to_write_it(principal: Any) -> None:
    """And so is everyone except one user."""
    [positive] = parse(document(allow("s3:GetObject", Principal=principal)))
    [negative] = parse(document(allow("s3:GetObject", NotPrincipal={"AWS": "1"})))

    assert positive.is_anonymous
    assert negative.is_anonymous


@pytest.mark.parametrize(
    "principal",
    [
        {"Principal": {"AWS": "123456789012"}},
        {"Principal": {"Service": "cloudfront.amazonaws.com"}},
        {},
    ],
)
def test_a_user_is_not_taken_for_anonymous(principal: dict[str, Any]) -> None:
    """An account, a service, and the user that the policy is attached to."""
    [statement] = parse(document(allow("s3:GetObject", **principal)))

    assert not statement.is_anonymous


@pytest.mark.parametrize(
    ("statement", "is_about_the_bucket"),
    [
        (allow("s3:ListBucket"), True),
        (allow("s3:ListBucket", "arn:aws:s3:::b/nar/*"), False),
        (allow("s3:ListBucket", Principal="*"), False),
    ],
)
def test_an_attached_policy_on_all_objects_is_about_the_bucket_too(
    statement: dict[str, Any], is_about_the_bucket: bool
) -> None:
    """So MinIO reads it. A bucket policy it reads as AWS does."""
    known = parse(document(statement))

    assert any(granting(known, "s3:ListBucket", None, any_holder)) is is_about_the_bucket


def test_what_belongs_to_another_service_is_no_object() -> None:
    """An action of S3 on a user of IAM is about nothing, and a pattern of services may be S3."""
    elsewhere = parse(document(allow("s3:DeleteObject", "arn:aws:iam::1:user/u")))
    anywhere = parse(document(allow("s3:DeleteObject", "arn:aws:s?:::b/*")))

    assert not any(granting(elsewhere, "s3:DeleteObject", "*", any_holder))
    assert any(granting(anywhere, "s3:DeleteObject", "*", any_holder))


def test_a_statement_may_stand_alone_and_its_texts_too() -> None:
    """Not only in lists."""
    alone = {"Statement": allow("s3:PutObject", "arn:aws:s3:::b/nar/*")}

    assert any(granting(parse(alone), "s3:PutObject", "*", any_holder))
    assert any(granting(parse(json.dumps(alone)), "s3:PutObject", "*", any_holder))


@pytest.mark.parametrize(
    "narrowing",
    [
        deny("s3:DeleteObject"),
        deny("s3:*", "*"),
        deny("s3:Delete*", ["arn:aws:s3:::b", "arn:aws:s3:::*/*"]),
        {"Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:DeleteObject", "NotResource": "arn:aws:s3:::other/*"},
    ],
)
def test_a_denial_takes_back_what_it_covers(narrowing: dict[str, Any]) -> None:
    """Whatever its words."""
    known = parse(document(allow("s3:*"), narrowing))

    assert not any(granting(known, "s3:DeleteObject", "*", any_holder))
    assert any(granting(known, "s3:GetObject", "*", any_holder)) or "s3:*" in str(narrowing)


@pytest.mark.parametrize(
    "narrowing",
    [
        deny("s3:DeleteObject", "arn:aws:s3:::b/nar/*"),
        deny("s3:DeleteObject", Condition={"Bool": {"aws:SecureTransport": "false"}}),
        deny("s3:DeleteObject", "arn:aws:s3:::b/${aws:username}/*"),
        deny("s3:DeleteObject", "arn:aws:s3:::b/${*}"),
        deny("s3:DeleteObject", "arn:aws:s3:::other/*"),
        deny("S3:DELETE*"),
        deny("s3:DeleteObject", None),
        deny("s3:DeleteObject", Condition={}),
        {"Effect": "Deny", "Action": "s3:DeleteObject", "NotResource": "arn:aws:s3:::b/nar/*"},
    ],
)
def test_a_denial_of_less_takes_nothing_back(narrowing: dict[str, Any]) -> None:
    """Of some keys, under a condition, by a variable, somewhere else, or only on one service."""
    known = parse(document(allow("s3:DeleteObject"), narrowing))

    assert any(granting(known, "s3:DeleteObject", "*", any_holder))


@pytest.mark.parametrize(
    ("denied", "is_taken_back"),
    [("*", True), ({"AWS": "*"}, True), ({"AWS": "1"}, False), ({"AWS": "?"}, False)],
)
def test_a_denial_for_a_user_does_not_deny_anonymous_requests(
    denied: Any, is_taken_back: bool
) -> None:
    """Only one for all principals does."""
    known = parse(
        document(
            allow("s3:ListBucket", "arn:aws:s3:::b", Principal="*"),
            deny("s3:ListBucket", "arn:aws:s3:::b", Principal=denied),
        )
    )

    assert any(granting(known, "s3:ListBucket", None, anonymous)) is not is_taken_back


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "has no Statement"),
        ('{"Statement": null}', "has no Statement"),
        ('{"Statement": []}', "has no Statement"),
        ('{"Statement": [{"Effect": "allow", "Action": "*"}]}', "'allow', not Allow or Deny"),
        ('{"Statement": ["Allow"]}', "a statement that is 'Allow', not an object"),
        ('{"Statement": [{"Action": "s3:GetObject"}]}', "None, not Allow or Deny"),
        ('{"Statement": [{"Effect": "Allow"}]}', "without an Action"),
        ('{"Statement": [{"Effect": "Allow", "Action": [1]}]}', "something else than text"),
    ],
)
def test_what_is_no_document_is_said_to_be_none(text: str, mistake: str) -> None:
    """In a few words, and without a traceback."""
    with pytest.raises(DocumentError, match=re.escape(mistake)):
        parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Statement", "Effect", "Action", "NotAction", "Resource", "Principal", "AWS"]
                ),
                inner | st.just("Allow"),
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_at_all_makes_the_reader_fail_otherwise(value: Any) -> None:
    """Another user wrote the document."""
    try:
        parse(json.dumps(value))
    except DocumentError:
        return


def test_a_document_that_is_known_in_part_is_not_judged() -> None:
    """One that a program hands over as an object may have unknown parts."""
    with pytest.raises(NotYetKnownError, match="a value in a list"):
        parse({"Statement": [allow("s3:PutObject", [UNKNOWN])]})


def test_an_allow_counts_as_the_service_reads_it_that_allows_more() -> None:
    """AWS matches actions without regard to case, MinIO with; without a Resource it is for all."""
    spelled = parse(document(allow("S3:DELETEOBJECT")))
    all_but = parse(document({"Effect": "Allow", "NotAction": "S3:DELETEOBJECT", "Resource": "*"}))
    anywhere = parse(document(allow("s3:DeleteObject", None)))

    assert any(granting(spelled, "s3:DeleteObject", "*", any_holder))
    assert any(granting(all_but, "s3:DeleteObject", "*", any_holder))
    assert any(granting(anywhere, "s3:DeleteObject", "*", any_holder))

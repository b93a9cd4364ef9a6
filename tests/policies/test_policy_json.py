"""Policy documents that services read differently are refused, whatever resource they are in."""

import json
from typing import Any

import pytest

from nix_cache.backends.aws.policy_rules import AWS_BUCKETS, OIDC_TRUST
from nix_cache.backends.resource_types import Holder, resource_types
from nix_cache.iam.documents import parse
from nix_cache.iam.policy_json import MOST_CHARACTERS, DocumentError
from nix_cache.iam.values import UNKNOWN, NotYetKnownError
from nix_cache.policy.rules.access import ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE
from tests.policies.stacks import (
    AWS_BUCKET,
    AWS_BUCKET_POLICY,
    AWS_ROLE,
    allow,
    deny,
    document,
    found,
    resource,
)

READS = allow(["s3:GetObject"], ["arn:aws:s3:::b/*"], Principal={"AWS": ["*"]})
LISTS = allow(["s3:ListBucket"], ["arn:aws:s3:::b"], Principal={"AWS": ["*"]})
LONG_S, KELVIN, BOM = "\u017f", "\u212a", "\ufeff"
"""Go takes the first two for the letters s and k when it matches names."""


def with_more(*statements: dict[str, Any], more: str) -> str:
    """Return a document with more text before its last brace."""
    return f"{document(*statements)[:-1]}, {more}}}"


ACCEPTED_BY_MINIO = {
    "a statement in another letter case beside": with_more(
        READS, more=f'"statement": {json.dumps([READS, LISTS])}'
    ),
    "a repeated element": with_more(READS, more=f'"Statement": {json.dumps([LISTS])}'),
    "a letter that Go folds": with_more(READS, more=f'"{LONG_S}tatement": {json.dumps([LISTS])}'),
    "an escaped letter that Go folds": with_more(
        READS, more=f'"\\u017ftatement": {json.dumps([LISTS])}'
    ),
    "an action in another letter case": document({**READS, "aCtIoN": ["s3:ListBucket"]}),
    "a repeated element of a statement": document(READS).replace(
        '"Action"', '"Action": ["s3:ListBucket"], "Action"'
    ),
    "a principal in another letter case": document({**LISTS, "Principal": {"aws": "*"}}),
    "two principals": document({**LISTS, "Principal": {"AWS": ["1"], "aws": "*"}}),
    "an empty principal": document({**LISTS, "Principal": {"AWS": [""]}}),
    "an unknown element of a statement": document({**LISTS, "Foo": 1}),
    "an unknown element of the document": with_more(LISTS, more='"Foo": 1'),
    "text after the document": document(LISTS) + " more",
    "an action that is a number": document({**LISTS, "Action": ["s3:ListBucket", 1]}),
    "an action that is null": document({**LISTS, "Action": ["s3:ListBucket", None]}),
    "a repeated operator": document(
        {**LISTS, "Condition": {"StringEquals": {"s3:prefix": "x"}}}
    ).replace('"StringEquals"', '"StringEquals": {"s3:prefix": ""}, "StringEquals"'),
    "a huge depth": with_more(LISTS, more=f'"Foo": {"[" * 9000}{"]" * 9000}'),
}
"""Each was put on MinIO RELEASE.2026-02, which took it; anonymous requests could list with most."""

REFUSED_BY_SERVICES = {
    "a byte order mark": BOM + document(LISTS),
    "an effect in another letter case": document({**LISTS, "Effect": "allow"}),
    "no effect": document({"Action": "s3:ListBucket", "Resource": "*"}),
    "a list of principals": document({**LISTS, "Principal": ["*"]}),
    "a principal that is text": document({**LISTS, "Principal": "arn:aws:iam::1:root"}),
    "a null principal": document({**LISTS, "Principal": None}),
    "an empty object of principals": document({**LISTS, "Principal": {}}),
    "an unknown kind of principal": document({**LISTS, "Principal": {"Azure": "*"}}),
    "both kinds of actions": document({**LISTS, "NotAction": "s3:GetObject"}),
    "both kinds of resources": document({**LISTS, "NotResource": "*"}),
    "both kinds of principals": document({**LISTS, "NotPrincipal": "*"}),
    "an empty list of actions": document({**LISTS, "Action": []}),
    "an empty action": document({**LISTS, "Action": ""}),
    "an action with a letter that folds": document({**LISTS, "Action": f"s3:ListBuc{KELVIN}et"}),
    "an action with a blank": document({**LISTS, "Action": "s3:ListBucket "}),
    "a resource that is an object": document({**LISTS, "Resource": {"Ref": "b"}}),
    "no resource": document({**LISTS, "Resource": None}),
    "another version": json.dumps({"Version": "2024-01-01", "Statement": [LISTS]}),
    "a version that is a number": json.dumps({"Version": 2012, "Statement": [LISTS]}),
    "not a number": with_more(LISTS, more='"Foo": NaN'),
    "a statement that is null": json.dumps({"Statement": [None]}),
    "an operator in another letter case": document(
        {**LISTS, "Condition": {"stringequals": {"s3:prefix": ""}}}
    ),
    "an unknown operator": document({**LISTS, "Condition": {"Equals": {"s3:prefix": ""}}}),
    "keys that differ in letter case": document(
        {**LISTS, "Condition": {"Bool": {"aws:A": "true", "AWS:a": "false"}}}
    ),
    "a condition that is a list": document({**LISTS, "Condition": []}),
    "an operator without keys": document({**LISTS, "Condition": {"Bool": "true"}}),
    "a key with an object": document({**LISTS, "Condition": {"Bool": {"aws:A": {}}}}),
    "an Id that is an object": with_more(LISTS, more='"Id": {}'),
    "a Sid that is a number": document({**LISTS, "Sid": 1}),
    "half of a surrogate pair": document({**LISTS, "Sid": "\ud800"}),
    "a number of 5000 digits": with_more(LISTS, more=f'"Id": {"1" * 5000}'),
    "a text of text": json.dumps(document(LISTS)),
    "a document beyond every limit": document({**LISTS, "Sid": "x" * MOST_CHARACTERS}),
}

BY_HOLDER = {
    Holder.BUCKET: (ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE),
    Holder.USER: (NO_WILDCARDS, WRITERS_ONLY_WRITE),
    Holder.ROLE: (NO_WILDCARDS, OIDC_TRUST),
}
PLACES = [
    (type_token, place, holder)
    for type_token, places in resource_types().documents.items()
    for place, holder in places.items()
]
AMBIGUOUS = ACCEPTED_BY_MINIO | REFUSED_BY_SERVICES


@pytest.mark.parametrize("text", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_services_read_differently_is_refused_with_a_fix(text: str) -> None:
    """In one line each, for the report of a violation."""
    with pytest.raises(DocumentError) as refused:
        parse(text)

    assert "\n" not in refused.value.problem
    assert refused.value.fix


@pytest.mark.parametrize(("type_token", "place", "holder"), PLACES)
@pytest.mark.parametrize("what", ["a statement in another letter case beside", "text of text"])
def test_an_ambiguous_document_is_a_violation_in_every_resource(
    type_token: str, place: str, holder: Holder, what: str
) -> None:
    """Of every rule that would judge it, so that no exception for another rule lets it pass."""
    subject = resource(type_token, {place: AMBIGUOUS.get(what, json.dumps(what))})

    for rule in BY_HOLDER[holder]:
        violations = found(rule, subject)
        assert f"it has a document in {place} that " in violations
        assert "why: services read such a document differently" in violations


@pytest.mark.parametrize("text", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_an_ambiguous_inline_policy_of_a_role_is_a_violation(text: str) -> None:
    """It may stand beside a trust policy that is in order."""
    trusts = document(allow("sts:AssumeRole", None, Principal={"Service": "ec2.amazonaws.com"}))
    inline = [{"name": "fine", "policy": document(allow("s3:GetObject"))}, {"policy": text}]
    role = resource(AWS_ROLE, {"assumeRolePolicy": trusts, "inlinePolicies": inline})

    assert "has a document in inlinePolicies that" in found(WRITERS_ONLY_WRITE, role)
    assert "has a document in inlinePolicies that" in found(NO_WILDCARDS, role)
    assert not found(OIDC_TRUST, role)


def test_the_violation_names_both_spellings_and_the_fix() -> None:
    """The public case: MinIO takes the second list, which lets all users list."""
    text = AMBIGUOUS["a statement in another letter case beside"]
    violations = found(ANONYMOUS_ACCESS, resource(AWS_BUCKET_POLICY, {"policy": text}))

    assert "'Statement' and 'statement' in one object, of which MinIO takes the last" in violations
    assert "fix: write Statement once" in violations


def test_a_bucket_with_an_ambiguous_policy_does_not_count_as_public() -> None:
    """So it has to be closed to the public, as if it had no policy."""
    bucket = resource(AWS_BUCKET, {"bucket": "b"})
    ambiguous = resource(AWS_BUCKET_POLICY, {"bucket": "b", "policy": "{"}, name="policy")

    assert "blockPublicPolicy" in found(AWS_BUCKETS, bucket, ambiguous)


@pytest.mark.parametrize(
    "text",
    [
        document(READS, deny("s3:*", "*", Principal="*", Condition={"Bool": {"aws:x": "false"}})),
        with_more(READS, more='"Id": "mine"'),
        with_more(READS, more='"ID": "as MinIO returns it"'),
        json.dumps({"Version": "2008-10-17", "Statement": READS}),
        document({**READS, "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:x": ["a", 1]}}}),
        document({**READS, "Principal": {"AWS": "*", "CanonicalUser": "1", "Federated": "f"}}),
        document(deny("admin:*", None)),
    ],
)
def test_what_services_read_alike_is_accepted(text: str) -> None:
    """As text and as the object that it stands for."""
    assert parse(text) == parse(json.loads(text))


@pytest.mark.parametrize(
    "value",
    [
        {"Statement": UNKNOWN},
        {"Statement": [UNKNOWN]},
        {"Statement": [{**READS, "Effect": UNKNOWN}]},
        {"Statement": [{**READS, "Principal": UNKNOWN}]},
        {"Statement": [{**READS, "Principal": {"AWS": [UNKNOWN]}}]},
        {"Statement": [{**READS, "Condition": {"Bool": {"aws:x": UNKNOWN}}}]},
        {"Version": UNKNOWN, "Statement": [READS]},
    ],
)
def test_an_unknown_part_of_an_object_is_not_judged(value: Any) -> None:
    """A preview does not know it yet."""
    with pytest.raises(NotYetKnownError):
        parse(value)


@pytest.mark.parametrize("name", ["statement", "Foo", 1])
def test_an_object_with_another_element_is_refused(name: Any) -> None:
    """A program can pass an object where the provider takes text."""
    with pytest.raises(DocumentError):
        parse({"Statement": [READS], name: [LISTS]})

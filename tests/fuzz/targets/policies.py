"""Policy documents, which the pack and the services must read alike."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nix_cache.iam import access
from nix_cache.iam.documents import DocumentError, parse
from nix_cache.policy.judgement import judge
from nix_cache.policy.model import Context, Resource
from nix_cache.policy.rules import all_rules
from nix_cache.policy.rules.access import ANONYMOUS_ACCESS
from tests.fuzz.target import Shape, Target

_BUCKET_POLICY = "minio:index/s3BucketPolicy:S3BucketPolicy"
_USER_POLICY = "minio:index/iamPolicy:IamPolicy"
_LISTS = {
    "Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam::123456789012:root"]},
    "Action": ["s3:ListBucket", "s3:PutObject"],
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    "Condition": {"StringEquals": {"s3:prefix": ["x"]}},
}
_SEEDS = tuple(
    json.dumps(document).encode()
    for document in (
        access.anonymous_read_policy("b"),
        access.tls_only_policy("b"),
        access.without_administration(access.writer_policy("b")),
        access.github_trust_policy("arn:aws:iam::1:oidc-provider/github", "repo:a/b:ref:c"),
        {"Version": "2012-10-17", "Statement": [_LISTS]},
        {"Version": "2012-10-17", "Statement": [_LISTS, {**_LISTS, "Effect": "Deny"}]},
    )
)
_TOKENS = (
    *(b"Statement", b"statement", b"Effect", b"Action", b"NotAction", b"Principal", b"AWS", b"aws"),
    *(b"Resource", b"Condition", b"Id", b"Sid", b"Version", b"Allow", b"Deny", b"allow"),
    *(b"*", b"**", b"?", b"s3:*", b"s3:List*", b"S3:LISTBUCKET", b"s3:ListBucket"),
    *(b"arn:aws:s3:::b", b"arn:aws:s3:::*", b"arn:aws:s3:::b/*", b"arn:aws:s3:::?"),
    *("\u017ftatement".encode(), "s3:ListBuc\u212aet".encode()),
)
_PROBES = (
    ("s3:ListBucket", "b"),
    ("s3:PutObject", "b/nar/x"),
    ("s3:DeleteObject", "b/nar/x"),
    ("s3:PutBucketPolicy", "b"),
)


def _check_document(data: bytes) -> bool:
    """Read a document strictly, and as Go's decoder reads it into MinIO's structures."""
    text = data.decode(errors="surrogateescape")
    for type_token in (_BUCKET_POLICY, _USER_POLICY):
        resource = Resource(type_token, "it", "urn", {"policy": text})
        for rule in all_rules():
            judge(rule, resource, Context("prod"))
    opened = _opened_on_minio(text)
    bucket_policy = Resource(_BUCKET_POLICY, "it", "urn", {"policy": text})
    violations = judge(ANONYMOUS_ACCESS, bucket_policy, Context("prod")).violations
    assert violations or not opened, f"anonymous requests may {opened}, and no rule sees it"
    try:
        statements = parse(text)
    except DocumentError as mistake:
        assert mistake.problem
        assert "\n" not in mistake.problem
        assert mistake.fix
        return False
    read = _as_go_reads(text)
    assert read is not None
    assert len(read) == len(statements)
    for ours, theirs in zip(statements, read, strict=True):
        assert theirs.get("effect") == ("Allow" if ours.allows else "Deny")
        if not ours.all_but_actions:
            assert _texts(theirs.get("action")) == set(ours.actions)
        if "resource" in theirs:
            assert _texts(theirs["resource"]) == set(ours.resources)
    return True


def _opened_on_minio(text: str) -> list[str]:
    """Return what anonymous requests may do on MinIO with a bucket policy, if it takes that."""
    statements = _as_go_reads(text)
    if statements is None or not all(isinstance(one, dict) for one in statements):
        return []
    return [
        action
        for action, path in _PROBES
        if any(_applies(one, "Allow", action, path) for one in statements)
        and not any(_applies(one, "Deny", action, path) for one in statements)
    ]


def _applies(statement: Mapping[str, Any], effect: str, action: str, path: str) -> bool:
    """Return whether a statement is about a request without a credential, its conditions aside."""
    if statement.get("effect") != effect:
        return False
    if effect == "Deny" and statement.get("condition") is not None:
        return False
    principal = statement.get("principal")
    if isinstance(principal, dict):
        folded = {name.casefold(): value for name, value in principal.items()}
        principals = _texts(folded.get("aws"))
    else:
        principals = {"*"} if principal == "*" else set()
    resources = {one.removeprefix("arn:aws:s3:::") for one in _texts(statement.get("resource"))}
    return (
        any(_matches(pattern, "") or pattern == "?" for pattern in principals)
        and any(_matches(pattern, action) for pattern in _texts(statement.get("action")))
        and any(_matches(pattern, path) for pattern in resources)
    )


def _matches(pattern: str, text: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _texts(value: Any) -> set[str]:
    """Read a set of texts as MinIO does: other values become text."""
    if isinstance(value, str):
        return {value}
    return set(map(str, value)) if isinstance(value, list) else set()


def _as_go_reads(text: str) -> Sequence[Any] | None:
    """Return the statements with their elements in lower case; None where Go finds no JSON."""
    try:
        document, _ = json.JSONDecoder(object_pairs_hook=_folded).raw_decode(text.lstrip(" \t\r\n"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    found = document.get("statement")
    return found if isinstance(found, list) else [found]


def _folded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Match names without regard to case; of several, the last counts."""
    return {name.casefold(): value for name, value in pairs}


TARGETS = (Target("policy-document", _check_document, _SEEDS, Shape.JSON, tokens=_TOKENS),)

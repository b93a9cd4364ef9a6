"""What was changed outside, by values alone: no engine, no server."""

import json
from dataclasses import replace
from typing import Any

import pytest

from nix_cache.backends.drift import Act, Finding, Repair
from nix_cache.backends.minio.drift.acts import ActKind
from nix_cache.backends.minio.drift.comparison import compare
from nix_cache.backends.minio.drift.declared import (
    Declared,
    DeclaredBucket,
    DeclaredObject,
    DeclaredRule,
    Policy,
    User,
)
from nix_cache.backends.minio.drift.declared_by_state import declared
from nix_cache.backends.minio.drift.seen import Seen, SeenBucket, SeenObject, SeenUser
from nix_cache.backends.stack_state import in_clear
from nix_cache.cli.stack import refreshed, report
from nix_cache.cli.stack.check import Checked
from nix_cache.iam import policy_changes
from nix_cache.iam.access import anonymous_read_policy, without_administration, writer_policy

INFO = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
WRITE = without_administration(writer_policy("nix-cache"))
ANONYMOUS_READS = anonymous_read_policy("nix-cache")
RULES = frozenset(
    {DeclaredRule("expire-0", "0", "90d"), DeclaredRule("expire-nar", "nar/", "120d")}
)

BUCKET = DeclaredBucket(
    "urn-bucket",
    "nix-cache",
    policy=json.dumps(ANONYMOUS_READS),
    rules=RULES,
    objects=(DeclaredObject("nix-cache-info", INFO, "text/x-nix-cache-info"),),
)
USER = User("urn-user", "nixbuilder", "the-secret", {"nix-cache-write": "urn-attachment"})
POLICY = Policy("urn-policy", "nix-cache-write", json.dumps(WRITE))
MADE = Declared((BUCKET,), (USER,), (POLICY,))

SEEN_BUCKET = SeenBucket(
    policy=ANONYMOUS_READS,
    rules=RULES,
    objects={"nix-cache-info": SeenObject(INFO, "text/x-nix-cache-info")},
)
SEEN_USER = SeenUser(policies=frozenset({"nix-cache-write"}))
SEEN = Seen({"nix-cache": SEEN_BUCKET}, {"nixbuilder": SEEN_USER}, {"nix-cache-write": WRITE})


def with_bucket(**changes: Any) -> Seen:
    """Return what is there, with something about the bucket changed."""
    return replace(SEEN, buckets={"nix-cache": replace(SEEN_BUCKET, **changes)})


def with_user(**changes: Any) -> Seen:
    """Return what is there, with something about the user changed."""
    return replace(SEEN, users={"nixbuilder": replace(SEEN_USER, **changes)})


def test_what_is_as_it_was_made_is_no_finding() -> None:
    """Also where the server returns it in another order and with other names of statements."""
    [statement] = ANONYMOUS_READS["Statement"]
    spelled = {"Statement": {**statement, "Action": "s3:GetObject", "Sid": "of the server's"}}

    assert compare(MADE, SEEN) == []
    assert compare(MADE, with_bucket(policy=spelled)) == []


def only(findings: list[Finding]) -> Finding:
    """Return the finding, of which there is one."""
    [finding] = findings
    return finding


def test_a_user_whose_secret_was_changed_is_removed_before_it_is_created_again() -> None:
    """And what was derived from the credential ends too."""
    finding = only(compare(MADE, with_user(has_secret=False)))

    assert finding.what == "the user nixbuilder was given another secret"
    assert finding.repair == Repair(
        before=(Act(ActKind.REMOVE_USER, "nixbuilder"), Act(ActKind.END_TEMPORARY, "nixbuilder")),
        recreate=("urn-user", "urn-attachment"),
    )


def test_a_policy_that_the_program_attaches_besides_outlives_a_deleted_user() -> None:
    """Its resource is not the cache's, so the engine is not to create it again."""
    user = replace(USER, other_policies=frozenset({"readonly"}))

    finding = only(compare(replace(MADE, users=(user,)), replace(SEEN, users={})))

    assert finding.was == "there, with nix-cache-write, readonly"
    assert finding.repair == Repair(
        before=(Act(ActKind.END_TEMPORARY, "nixbuilder"),),
        recreate=("urn-user", "urn-attachment"),
        after=(Act(ActKind.ATTACH_POLICY, "nixbuilder", "readonly"),),
    )


def test_an_attachment_that_outlived_its_user_in_the_state_is_created_again() -> None:
    """A refresh dropped the user, and fails over the attachment ever since."""
    orphaned = replace(MADE, users=(replace(USER, urn="", secret=""),))

    finding = only(compare(orphaned, replace(SEEN, users={})))

    assert finding.repair.recreate == ("urn-attachment",)


def test_a_bucket_that_the_state_has_lost_is_reported_and_left_alone() -> None:
    """A refresh during an outage does that; only its owner knows whether it is theirs."""
    finding = only(compare(replace(MADE, buckets=(DeclaredBucket("", "nix-cache"),)), SEEN))

    assert finding.what == "the state has lost the bucket nix-cache, which is still there"
    assert finding.repair == Repair()
    assert "operations/adoption" in finding.remedy


def test_what_neither_the_state_nor_the_server_has_is_no_finding() -> None:
    """The next update makes it."""
    nothing = Declared((DeclaredBucket("", "nix-cache"),), (User("", "x"),), (Policy("", "y"),))

    assert compare(nothing, Seen()) == []


def test_a_policy_of_a_private_bucket_is_taken_away() -> None:
    """The stack has none to put in its place, so no refresh would notice."""
    private = replace(MADE, buckets=(replace(BUCKET, policy=""),))

    finding = only(compare(private, SEEN))

    assert finding.what == "anonymous requests can read objects in the bucket nix-cache"
    assert (finding.was, finding.now) == (
        "anonymous requests can do nothing",
        "anonymous requests can read objects",
    )
    assert finding.repair == Repair(before=(Act(ActKind.REMOVE_BUCKET_POLICY, "nix-cache"),))


def test_a_lifecycle_where_nothing_should_expire_is_taken_away() -> None:
    """It deletes what is pushed, and no refresh would notice."""
    everything = frozenset({DeclaredRule("all", "", "7d")})
    forever = replace(MADE, buckets=(replace(BUCKET, rules=frozenset()),))

    finding = only(compare(forever, with_bucket(rules=everything)))

    assert finding.what == (
        "the lifecycle of the bucket nix-cache has 1 rule instead of none, and deletes "
        "nix-cache-info, index.html, nix-cache.json"
    )
    assert (finding.was, finding.now) == ("nothing expires", "1 rule, after 7d")
    assert finding.repair == Repair(before=(Act(ActKind.REMOVE_LIFECYCLE, "nix-cache"),))


def test_as_many_rules_that_say_something_else_are_reported_by_one_of_them() -> None:
    """Of 281 rules no user reads all."""
    sooner = frozenset(
        {DeclaredRule("expire-0", "0", "90d"), DeclaredRule("expire-nar", "nar/", "9d")}
    )

    finding = only(compare(MADE, with_bucket(rules=sooner)))

    assert finding.what == (
        "the lifecycle of the bucket nix-cache has 1 other rules of 2, such as nar/* after 9d"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (INFO.replace("40", "10"), "nix-cache-info says Priority: 10 instead of 40"),
        (INFO.replace("Priority: 40\n", ""), "nix-cache-info no longer says Priority: 40"),
        (INFO + "Extra: 1\n", "nix-cache-info says Extra: 1, which the stack does not"),
        (INFO + "\n", "nix-cache-info has other content"),
        ("", "nix-cache-info no longer says StoreDir: /nix/store, and no longer says "),
    ],
)
def test_nix_cache_info_is_reported_line_by_line(text: str, what: str) -> None:
    """What changed, and to what."""
    objects = {"nix-cache-info": SeenObject(text, "text/x-nix-cache-info")}

    assert only(compare(MADE, with_bucket(objects=objects))).what.startswith(what)


def test_an_object_of_another_type_is_reported() -> None:
    """Browsers show a page only as what it is said to be."""
    objects = {"nix-cache-info": SeenObject(INFO, "text/plain")}

    finding = only(compare(MADE, with_bucket(objects=objects)))
    assert (finding.was, finding.now) == ("text/x-nix-cache-info", "text/plain")


def allowing(*actions: str, resource: str = "arn:aws:s3:::nix-cache/*") -> dict[str, Any]:
    """Return the writer's policy and one statement more."""
    more = {"Effect": "Allow", "Action": list(actions), "Resource": [resource]}
    return {**WRITE, "Statement": [*WRITE["Statement"], more]}


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (allowing("s3:DeleteObject"), "lets a writer delete objects"),
        (
            allowing("s3:Delete*", resource="*"),
            "lets a writer delete objects, change the bucket's policy, delete the bucket",
        ),
        (
            allowing("s3:PutObject"),
            "lets a writer replace the cache's metadata, upload anything else",
        ),
        (
            {**WRITE, "Statement": WRITE["Statement"][:-1]},
            "lets a writer administer themselves",
        ),
        (
            {**WRITE, "Statement": [WRITE["Statement"][0], WRITE["Statement"][-1]]},
            "no longer lets a writer upload store paths, write root records, pin store paths, "
            "abort uploads",
        ),
        (
            allowing("s3:GetObject"),
            "was rewritten, and still lets a writer do the same",
        ),
    ],
)
def test_a_policy_is_reported_by_what_it_lets_one_do(document: dict[str, Any], what: str) -> None:
    """And not by its text."""
    finding = only(compare(MADE, replace(SEEN, policies={"nix-cache-write": document})))

    assert finding.what == f"the policy nix-cache-write {what}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ('{"Statement": []}', "has no Statement"),
        (json.dumps(ANONYMOUS_READS)[:-1] + ', "statement": []}', "'Statement' and 'statement'"),
    ],
)
def test_a_policy_that_services_may_read_differently_is_reported_as_such(
    text: str, problem: str
) -> None:
    """It is not taken for one that permits nothing."""
    before = json.dumps(ANONYMOUS_READS)

    assert not policy_changes.same(before, text)
    assert not policy_changes.same(text, text)
    assert problem in policy_changes.in_words(text, policy_changes.is_anonymous)
    assert problem in policy_changes.bucket_policy_change("nix-cache", before, text)
    assert problem in policy_changes.policy_change("nix-cache-write", json.dumps(WRITE), text)
    assert policy_changes.in_words(None, policy_changes.is_anonymous) == "do nothing"


MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def test_secrets_are_read_where_the_export_has_them_in_clear() -> None:
    """And are nothing where it has them encrypted."""
    value = {"a": [{**MARK, "plaintext": '"s"'}, {**MARK, "ciphertext": "x"}], "b": 1}

    assert in_clear(value) == {"a": ["s", None], "b": 1}


def test_the_state_is_read_by_what_the_program_wanted() -> None:
    """The outputs may be what a user's refresh found, and old halves do not count."""
    user: dict[str, Any] = {
        "urn": "urn-user",
        "type": "minio:index/iamUser:IamUser",
        "inputs": {"name": "nixbuilder"},
        "outputs": {"name": "nixbuilder", "secret": {**MARK, "plaintext": '"s"'}},
    }
    policy = {
        "urn": "urn-policy",
        "type": "minio:index/iamPolicy:IamPolicy",
        "inputs": {"name": "nix-cache-write", "policy": "wanted"},
        "outputs": {"name": "nix-cache-write", "policy": "found"},
    }
    claim = {
        "urn": "urn-claim",
        "type": "pulumi-python:dynamic/nix-cache:NameClaim",
        "inputs": {"kind": "bucket", "name": "nix-cache"},
    }
    reservation = {
        "urn": "urn-names",
        "type": "pulumi-python:dynamic/nix-cache:NameReservation",
        "inputs": {"backend": "minio", "names": ["bucket/nix-cache", "user/ci", "user/nixbuilder"]},
    }
    old = {**user, "urn": "urn-old", "delete": True, "inputs": {"name": "former"}}

    found = declared([user, policy, claim, old])

    assert found == Declared(
        buckets=(DeclaredBucket("", "nix-cache"),),
        users=(User("urn-user", "nixbuilder", "s"),),
        policies=(Policy("urn-policy", "nix-cache-write", "wanted"),),
    )
    assert "'s'" not in repr(found)
    reserved = declared([user, policy, reservation])
    assert reserved.buckets == found.buckets
    assert reserved.users == (User("", "ci"), *found.users)


def step(op: str, kind: str, old: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
    """One step of a refresh, as the engine prints it."""
    found: dict[str, Any] = {"op": op, "old": {"urn": "a::b::c", "type": kind, "outputs": old}}
    if new is not None:
        found["new"] = {**found["old"], "outputs": new}
    return found


AWS_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
REFRESHED: dict[str, tuple[dict[str, Any], str | None]] = {
    "the same": (step("refresh", "aws:s3/bucket:Bucket", {"bucket": "b"}, {"bucket": "b"}), None),
    "deleted": (
        step("delete", "aws:iam/user:User", {"name": "ci"}, None),
        "the user ci was deleted",
    ),
    "deleted, of a type with many words": (
        step("delete", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"id": "b"}, None),
        "the bucket public access block of b was deleted",
    ),
    "a policy that lists": (
        step(
            "update",
            AWS_POLICY,
            {"bucket": "nix-cache", "policy": json.dumps(ANONYMOUS_READS)},
            {
                "bucket": "nix-cache",
                "policy": json.dumps(ANONYMOUS_READS).replace(
                    '["s3:GetObject"], "Resource": [', '["s3:*"], "Resource": ["*", '
                ),
            },
        ),
        "anonymous requests can upload store paths, write root records, pin store paths, "
        "replace the cache's metadata, upload "
        "anything else, abort uploads, delete objects, list objects, list unfinished uploads, "
        "change the bucket's policy, change the lifecycle, delete the bucket in the bucket "
        "nix-cache",
    ),
    "a policy where there was none": (
        step(
            "update",
            AWS_POLICY,
            {"bucket": "nix-cache"},
            {"bucket": "nix-cache", "policy": json.dumps(ANONYMOUS_READS)},
        ),
        "anonymous requests can read objects in the bucket nix-cache",
    ),
    "a policy in another order": (
        step(
            "update",
            AWS_POLICY,
            {"bucket": "nix-cache", "policy": json.dumps(ANONYMOUS_READS)},
            {"bucket": "nix-cache", "policy": json.dumps(ANONYMOUS_READS, sort_keys=True)},
        ),
        None,
    ),
    "a setting, and what is empty as before": (
        step(
            "update",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            {"bucket": "b", "blockPublicAcls": True, "rules": [], "region": "x"},
            {"bucket": "b", "blockPublicAcls": False, "tags": {}, "region": "x"},
        ),
        "the bucket public access block of b was changed: blockPublicAcls",
    ),
    "an object": (
        step(
            "update",
            "aws:s3/bucketObjectv2:BucketObjectv2",
            {"key": "nix-cache-info", "etag": "1"},
            {"key": "nix-cache-info", "etag": "2"},
        ),
        "nix-cache-info in the bucket was rewritten",
    ),
    "a setting": (
        step(
            "update",
            "pulumi-python:dynamic/nix-cache:B2Bucket",
            {"name": "b", "bucket_type": "allPrivate", "__provider": "x"},
            {"name": "b", "bucket_type": "allPublic", "__provider": "y"},
        ),
        "the bucket b was changed: bucket_type",
    ),
}


@pytest.mark.parametrize("case", REFRESHED)
def test_what_a_refresh_finds_is_reported_without_urns(case: str) -> None:
    """By the type's own words, and policies by what they let one do."""
    given, what = REFRESHED[case]

    assert [finding.what for finding in refreshed.findings([given])] == ([what] if what else [])


def test_findings_for_programs_name_the_command() -> None:
    """What the nightly check of a team's stack makes an issue of."""
    finding = Finding("the user ci was deleted", "there", "not there", "creates them again")

    checked = Checked([finding], refreshed={"builds": "AWS"})

    assert report.as_document(checked, "make repair STACK=prod") == {
        "drift": [
            {
                "what": "the user ci was deleted",
                "was": "there",
                "is": "not there",
                "fix": "`make repair STACK=prod` creates them again",
            }
        ],
        "checkedBy": {"builds": "refresh"},
    }


def test_a_cache_that_only_a_refresh_was_asked_about_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else an empty report would promise more than was looked at."""
    report.report(Checked([], refreshed={"builds": "AWS"}), "prod", "nix-cache stack repair")

    printed = capsys.readouterr()
    assert printed.out == "No drift: everything is as the stack prod made it.\n"
    assert "the cache builds was checked by the engine's refresh alone" in printed.err
    assert "cannot ask AWS itself" in printed.err


def test_changes_are_counted_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Also those whose past is not a mere `d` at the end."""
    report.changes("dev", {"create": 2, "refresh": 1})

    assert capsys.readouterr().out == "The stack dev is up to date (2 created, 1 refreshed).\n"

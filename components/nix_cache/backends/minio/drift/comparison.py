"""What a stack made on a MinIO server against what is there now: the findings. Pure."""

from collections.abc import Iterator

from nix_cache.backends.drift import BACK_TO_STACK, Act, Finding, Undo
from nix_cache.backends.minio.drift.declared import Bucket, Declared, Policy, User
from nix_cache.backends.minio.drift.objects import object_findings
from nix_cache.backends.minio.drift.rules import lifecycle_finding
from nix_cache.backends.minio.drift.seen import Seen, SeenBucket, SeenUser
from nix_cache.iam import policy_changes as rights

_ABSENT = "not there"
_ANEW_BUCKET = "creates it again, with the cache's metadata alone: its objects are lost"
_NEW_SECRET = "creates them again, with a new secret that must be handed out"  # noqa: S105
_ANEW = "creates it again"


def compare(declared: Declared, seen: Seen) -> list[Finding]:
    """All differences.

    Args:
        declared: what the stack made.
        seen: what of it is there.
    """
    return [
        *(finding for bucket in declared.buckets for finding in _bucket(bucket, seen)),
        *(finding for policy in declared.policies for finding in _policy(policy, seen)),
        *(finding for user in declared.users for finding in _user(user, seen)),
    ]


def _bucket(made: Bucket, seen: Seen) -> Iterator[Finding]:
    there = seen.buckets.get(made.name)
    if there is None:
        if made.urn:
            yield Finding(
                f"the bucket {made.name} was deleted, with all that was in it",
                "there",
                _ABSENT,
                _ANEW_BUCKET,
                forget=(made.urn,),
            )
        return
    if not made.urn:
        yield Finding(
            f"the state has lost the bucket {made.name}, which is still there",
            "in the state",
            "on the server alone",
            "removes it if it is empty; else import it, as the README's 'Adoption' describes",
        )
        return
    yield from _bucket_policy(made, there)
    yield from lifecycle_finding(made, there)
    if there.quota_bytes:
        yield Finding(
            f"the bucket {made.name} was given a quota, at which pushes fail",
            "no quota",
            f"{there.quota_bytes} bytes",
            "takes the quota away",
            undo=(Undo(Act.REMOVE_QUOTA, made.name),),
        )
    yield from object_findings(made, there)


def _bucket_policy(made: Bucket, there: SeenBucket) -> Iterator[Finding]:
    if not made.policy and there.policy is None:
        return
    if made.policy and there.policy and rights.same(made.policy, there.policy):
        return
    yield Finding(
        rights.bucket_policy_change(made.name, made.policy, there.policy),
        f"anonymous requests can {rights.in_words(made.policy, rights.anybody)}",
        f"anonymous requests can {rights.in_words(there.policy, rights.anybody)}",
        BACK_TO_STACK if made.policy else "removes that policy",
        undo=() if made.policy else (Undo(Act.REMOVE_BUCKET_POLICY, made.name),),
    )


def _policy(made: Policy, seen: Seen) -> Iterator[Finding]:
    there = seen.policies.get(made.name)
    if not made.urn:
        return  # the next update takes over what is there, or creates it again
    may = rights.in_words(made.document, rights.whoever_has_it)
    if there is None:
        yield Finding(
            f"the policy {made.name} was deleted: its users have no rights",
            f"its users can {may}",
            _ABSENT,
            _ANEW,
            forget=(made.urn,),
        )
    elif not rights.same(made.document, there):
        yield Finding(
            rights.policy_change(made.name, made.document, there),
            f"its users can {may}",
            f"its users can {rights.in_words(there, rights.whoever_has_it)}",
        )


def _user(made: User, seen: Seen) -> Iterator[Finding]:
    there = seen.users.get(made.name)
    meant = ", ".join(sorted(made.attachments)) or "no policy"
    if there is None:
        urns = (made.urn, *made.attachments.values())
        if known := tuple(urn for urn in urns if urn):
            yield Finding(
                f"the user {made.name} was deleted",
                f"there, with {meant}",
                _ABSENT,
                _NEW_SECRET,
                # They outlive the user, and would be those of the new user.
                undo=(Undo(Act.END_TEMPORARY, made.name),),
                forget=known,
            )
        return
    if not made.urn:
        return
    yield from _login(made, there)
    yield from _rights_of(made, there, seen)
    for key in sorted(there.access_keys):
        yield Finding(
            f"the user {made.name} was given a further access key, {key}",
            "none",
            key,
            "removes that key",
            undo=(Undo(Act.REMOVE_ACCESS_KEY, made.name, key),),
        )


def _login(made: User, there: SeenUser) -> Iterator[Finding]:
    if there.enabled and there.has_secret:
        return
    happened = "was given another secret" if there.enabled else "was disabled"
    yield Finding(
        f"the user {made.name} {happened}",
        "enabled, with the secret that the stack gave out",
        "enabled, with another secret" if there.enabled else "disabled",
        _NEW_SECRET,
        undo=ending(made.name),
        forget=(made.urn, *made.attachments.values()),
    )


def ending(user: str) -> tuple[Undo, ...]:
    """How a user ends for good: temporary credentials outlive the secret, and even the user."""
    return Undo(Act.REMOVE_USER, user), Undo(Act.END_TEMPORARY, user)


def _rights_of(made: User, there: SeenUser, seen: Seen) -> Iterator[Finding]:
    has = ", ".join(sorted(there.policies)) or "none"
    for policy in sorted({*made.attachments} - there.policies):
        if policy in seen.policies:  # one that was deleted is reported as such
            yield Finding(f"the policy {policy} was taken from the user {made.name}", policy, has)
    for policy in sorted(there.policies - {*made.attachments}):
        yield Finding(
            f"the user {made.name} was given the further policy {policy}",
            ", ".join(sorted(made.attachments)) or "none",
            has,
            "takes that policy away",
            undo=(Undo(Act.DETACH_POLICY, made.name, policy),),
        )
    for group in sorted(there.groups):
        yield Finding(
            f"the user {made.name} was put into the group {group}, and has its rights",
            "in no group",
            group,
            "takes them out of it",
            undo=(Undo(Act.LEAVE_GROUP, made.name, group),),
        )

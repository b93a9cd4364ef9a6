"""What a stack made on a MinIO server against what is there now: the findings. Pure."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache import docs
from nix_cache.backends.drift import BACK_TO_STACK, LEFT_TO_OTHERS, Act, Finding, Repair
from nix_cache.backends.minio.drift.acts import ActKind
from nix_cache.backends.minio.drift.declared import Declared, DeclaredBucket, Policy, User
from nix_cache.backends.minio.drift.objects import object_findings
from nix_cache.backends.minio.drift.rules import lifecycle_finding
from nix_cache.backends.minio.drift.seen import Seen, SeenBucket, SeenUser
from nix_cache.iam import policy_changes

_ABSENT = "not there"
_NEW_BUCKET = "creates it again, with the cache's metadata alone: the other objects are lost"
_NEW_SECRET = "creates the user again, with a new secret that must be handed out"  # noqa: S105
_CREATED_AGAIN = "creates it again"


def compare(declared: Declared, seen: Seen) -> list[Finding]:
    """Return all differences.

    Args:
        declared: what the stack made.
        seen: what of it is there.
    """
    return [
        *(finding for bucket in declared.buckets for finding in _bucket(bucket, seen)),
        *(finding for policy in declared.policies for finding in _policy(policy, seen)),
        *(finding for user in declared.users for finding in _user(user, seen)),
    ]


def _bucket(made: DeclaredBucket, seen: Seen) -> Iterator[Finding]:
    there = seen.buckets.get(made.name)
    if there is None:
        if made.urn:
            yield Finding(
                f"the bucket {made.name} was deleted, with all that was in it",
                "there",
                _ABSENT,
                _NEW_BUCKET,
                repair=Repair(recreate=(made.urn,)),
            )
        return
    if not made.urn:
        yield Finding(
            f"the state has lost the bucket {made.name}, which is still there",
            "in the state",
            "on the server alone",
            f"removes it if it is empty; else import it: see {docs.page('operations/adoption')}",
        )
        return
    yield from _bucket_policy(made, there)
    yield from lifecycle_finding(made, there)
    yield from _quota(made, there)
    yield from object_findings(made, there)


def _quota(made: DeclaredBucket, there: SeenBucket) -> Iterator[Finding]:
    if there.quota_bytes == made.quota_bytes:
        return
    now = f"{there.quota_bytes} bytes" if there.quota_bytes else "no quota"
    if made.quota_bytes:
        yield Finding(
            f"the quota of the bucket {made.name} was changed", f"{made.quota_bytes} bytes", now
        )
    else:
        yield Finding(
            f"the bucket {made.name} was given a quota, at which pushes fail",
            "no quota",
            now,
            "takes the quota away",
            repair=Repair(before=(Act(ActKind.REMOVE_QUOTA, made.name),)),
        )


def _bucket_policy(made: DeclaredBucket, there: SeenBucket) -> Iterator[Finding]:
    if not (made.policy or made.other_policies) and there.policy is None:
        return
    meant = [document for document in (made.policy, *made.other_policies) if document]
    if there.policy and any(policy_changes.same(document, there.policy) for document in meant):
        return
    if meant and not made.policy:
        yield Finding(
            policy_changes.bucket_policy_change(made.name, meant[0], there.policy),
            _anonymous_rights(meant[0]),
            _anonymous_rights(there.policy),
            LEFT_TO_OTHERS,
        )
        return
    yield Finding(
        policy_changes.bucket_policy_change(made.name, made.policy, there.policy),
        _anonymous_rights(made.policy),
        _anonymous_rights(there.policy),
        BACK_TO_STACK if made.policy else "removes that policy",
        repair=Repair()
        if made.policy
        else Repair(before=(Act(ActKind.REMOVE_BUCKET_POLICY, made.name),)),
    )


def _anonymous_rights(document: Mapping[str, Any] | str | None) -> str:
    permitted = policy_changes.in_words(document, policy_changes.is_anonymous)
    return f"anonymous requests can {permitted}"


def _policy(made: Policy, seen: Seen) -> Iterator[Finding]:
    there = seen.policies.get(made.name)
    if not made.urn:
        return  # the next update adopts what is there, or creates it again
    may = policy_changes.in_words(made.document, policy_changes.is_of_its_users)
    if there is None:
        yield Finding(
            f"the policy {made.name} was deleted: its users have no rights",
            f"its users can {may}",
            _ABSENT,
            _CREATED_AGAIN,
            repair=Repair(recreate=(made.urn,)),
        )
    elif not policy_changes.same(made.document, there):
        yield Finding(
            policy_changes.policy_change(made.name, made.document, there),
            f"its users can {may}",
            f"its users can {policy_changes.in_words(there, policy_changes.is_of_its_users)}",
        )


def _user(made: User, seen: Seen) -> Iterator[Finding]:
    there = seen.users.get(made.name)
    meant = ", ".join(sorted({*made.attachments, *made.other_policies})) or "no policy"
    if there is None:
        urns = (made.urn, *made.attachments.values())
        if known := tuple(urn for urn in urns if urn):
            yield Finding(
                f"the user {made.name} was deleted",
                f"there, with {meant}",
                _ABSENT,
                _NEW_SECRET,
                # They outlive the user, and would be those of the new user.
                repair=Repair(
                    (Act(ActKind.END_TEMPORARY, made.name),), known, _restoring(made), _lost(made)
                ),
            )
        return
    if not made.urn:
        return
    yield from _login(made, there)
    yield from _rights_of(made, there, seen)
    for key in sorted(made.other_keys.keys() - there.access_keys):
        deletion = shlex.join(["pulumi", "state", "delete", made.other_keys[key]])
        yield Finding(
            f"the access key {key} of the user {made.name} was deleted",
            "there",
            _ABSENT,
            # The provider fails every refresh over a key that is gone.
            f"leaves it to the other resource that declares it: run `{deletion}`, then `pulumi up`",
        )
    for key in sorted(there.access_keys - made.other_keys.keys()):
        yield Finding(
            f"the user {made.name} was given a further access key, {key}",
            "none",
            key,
            "removes that key",
            repair=Repair(before=(Act(ActKind.REMOVE_ACCESS_KEY, made.name, key),)),
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
        repair=renewal(made),
    )


def renewal(made: User) -> Repair:
    """Return how a user gets a new secret.

    A new secret alone would leave temporary credentials that were obtained with the old one, and
    these outlive even the user. The engine's replacement would leave no user: the provider creates
    the new one first, and then deletes the old one, which has the same name.
    """
    ending = (Act(ActKind.REMOVE_USER, made.name), Act(ActKind.END_TEMPORARY, made.name))
    recreate = (made.urn, *made.attachments.values())
    return Repair(ending, recreate, _restoring(made), _lost(made))


def _restoring(made: User) -> tuple[Act, ...]:
    """Return what restores the policies and groups of resources that are not the cache's.

    These resources stay in the state, but on the server what they declare goes with the user.
    """
    return (
        *(Act(ActKind.ATTACH_POLICY, made.name, policy) for policy in sorted(made.other_policies)),
        *(Act(ActKind.JOIN_GROUP, made.name, group) for group in sorted(made.other_groups)),
    )


def _lost(made: User) -> tuple[tuple[str, str], ...]:
    """Return what goes with the user and is not restored: only the program makes access keys."""
    keys = sorted(made.other_keys.items())
    return tuple((f"the access key {key} of the user {made.name}", urn) for key, urn in keys)


def _rights_of(made: User, there: SeenUser, seen: Seen) -> Iterator[Finding]:
    has = ", ".join(sorted(there.policies)) or "none"
    for policy in sorted({*made.attachments} - there.policies):
        if policy in seen.policies:  # one that was deleted is reported as such
            yield Finding(f"the policy {policy} was taken from the user {made.name}", policy, has)
    for policy in sorted(made.other_policies - there.policies - {*made.attachments}):
        yield Finding(
            f"the policy {policy}, which another resource attaches, was taken from the user "
            f"{made.name}",
            policy,
            has,
            "attaches it again",
            repair=Repair(after=(Act(ActKind.ATTACH_POLICY, made.name, policy),)),
        )
    for policy in sorted(there.policies - {*made.attachments} - made.other_policies):
        yield Finding(
            f"the user {made.name} was given the further policy {policy}",
            ", ".join(sorted(made.attachments)) or "none",
            has,
            "takes that policy away",
            repair=Repair(before=(Act(ActKind.DETACH_POLICY, made.name, policy),)),
        )
    for group in sorted(made.other_groups - there.groups):
        yield Finding(
            f"the user {made.name} was taken out of the group {group}, into which another resource "
            "puts the user",
            group,
            ", ".join(sorted(there.groups)) or "in no group",
            "puts the user back into it",
            repair=Repair(after=(Act(ActKind.JOIN_GROUP, made.name, group),)),
        )
    for group in sorted(there.groups - made.other_groups):
        yield Finding(
            f"the user {made.name} was put into the group {group}, and has its rights",
            "in no group",
            group,
            "takes the user out of the group",
            repair=Repair(before=(Act(ActKind.LEAVE_GROUP, made.name, group),)),
        )

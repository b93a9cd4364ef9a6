"""What a repair does to other resources of a stack, by values alone."""

from typing import Any

from nix_cache.backends.stack_state import CACHE_TYPE
from nix_cache.cli.stack.outside import effects

URN = "urn:pulumi:prod::shop::"
CACHE = {"urn": f"{URN}{CACHE_TYPE}::cache", "type": CACHE_TYPE}
BELOW = f"{URN}{CACHE_TYPE}$minio:index"


def user(**more: Any) -> dict[str, Any]:
    """A user of the cache."""
    urn = f"{BELOW}/iamUser:IamUser::ci"
    return {"urn": urn, "type": "minio:index/iamUser:IamUser", "custom": True} | more


USER = user(parent=CACHE["urn"])
ATTACHMENT = {
    "urn": f"{BELOW}/iamUserPolicyAttachment:IamUserPolicyAttachment::ci",
    "type": "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment",
    "parent": CACHE["urn"],
    "custom": True,
    "dependencies": [USER["urn"]],
}
SECRET = {
    "urn": f"{URN}aws:secretsmanager/secret:Secret::copy",
    "type": "aws:secretsmanager/secret:Secret",
    "custom": True,
    "propertyDependencies": {"value": [ATTACHMENT["urn"]]},
}


def test_what_depends_on_a_forgotten_resource_is_named_if_it_is_not_of_a_cache() -> None:
    """The engine drops it from the state too, however far the dependency reaches."""
    state = {"resources": [CACHE, USER, ATTACHMENT, SECRET]}

    dropped, whole_stack = effects(state, {USER["urn"]}, "prod")

    assert dropped.startswith("copy (Secret) will be dropped from the state, but not deleted")
    assert "`pulumi preview --refresh --stack prod`" in whole_stack
    assert list(effects(state, set(), "prod")) == [whole_stack]


def test_a_stack_with_a_cache_alone_has_nothing_to_warn_of() -> None:
    """Not even where resources of the cache are dropped, and operations on them are pending."""
    state = {
        "resources": [CACHE, USER, ATTACHMENT],
        "pending_operations": [{"type": "creating", "resource": ATTACHMENT}],
    }

    assert list(effects(state, {USER["urn"]}, "prod")) == []


def test_pending_operations_on_other_resources_are_named() -> None:
    """Nothing else would remember them after the repair."""
    pending = [{"type": "creating", "resource": SECRET}, {"type": "creating", "resource": USER}]

    [effect] = effects({"resources": [CACHE], "pending_operations": pending}, set(), "prod")

    assert effect.startswith("the pending operations on copy (Secret) will be dropped")

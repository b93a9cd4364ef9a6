"""The rules on Spaces alone, where a bucket with public reads takes no limited key."""

from collections.abc import Iterator

from nix_cache.backends.spaces.resource_types import KEY, POLICY
from nix_cache.iam.values import read, read_list
from nix_cache.policy.model import Context, Resource, Rule, RuleScope

_FULL_ACCESS = "fullaccess"


def _keys(key: Resource, context: Context) -> Iterator[str]:
    if key.type != KEY:
        return
    policies = [one for one in context.resources if one.type == POLICY]
    for grant in read_list(key.properties, "grants"):
        if read(grant, "permission") == _FULL_ACCESS:
            if not policies:
                yield "may do everything in the account, while no bucket has a policy"
            continue
        bucket = read(grant, "bucket")
        for policy in policies:
            if policy.read("bucket") == bucket:
                yield f"is limited to the bucket {bucket}, which has the policy {policy.name}"


SPACES_KEYS = Rule(
    id="spaces-keys",
    holds="On Spaces, a bucket with a policy has no limited keys, and one without has no others.",
    why="Spaces refuses the later of the two, and a half-made cache stays",
    fix="a private cache: a limited key each and no policy; a public one: keys with full access",
    check=_keys,
    scope=RuleScope.STACK,
)


def _full_access(key: Resource, _context: Context) -> Iterator[str]:
    if key.type != KEY:
        return
    for grant in read_list(key.properties, "grants"):
        if read(grant, "permission") == _FULL_ACCESS:
            yield "opens all Spaces of the account"


SPACES_FULL_ACCESS = Rule(
    id="spaces-full-access",
    holds="On Spaces, no key opens the whole account. Advisory: a public cache has no other.",
    why="its holder can read, change and delete what is in any Space of the account",
    fix="keep a public cache in a separate account or team, or make the cache private",
    check=_full_access,
    is_advisory=True,
)

RULES = (SPACES_KEYS, SPACES_FULL_ACCESS)
"""The rules."""

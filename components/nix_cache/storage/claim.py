"""A claim on a name of a storage service whose provider can be asked what exists already.

That is refused in the preview, with the way out. What has been granted once stays granted, for then
it is the cache's own that exists.
"""

from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)


class _ClaimProvider(ResourceProvider):
    """Makes nothing. What the check finds goes to the program as an input."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        granted_before = bool(_olds) and _olds.get("name") == news["name"]
        problem = "" if granted_before or news["adopt"] else news["taken"]
        return CheckResult({**news, "problem": problem}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(str(props["name"]), _granted(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        replaces = ["name"] if _olds["name"] != _news["name"] else []
        return DiffResult(changes=bool(replaces or _news["problem"]), replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_granted(_news))


def _granted(props: dict[str, Any]) -> dict[str, Any]:
    if props["problem"]:
        raise ValueError(props["problem"])
    return {key: props[key] for key in ("name", "adopt", "taken", "problem")}


class Claim(Resource, module="nix-cache", name="Claim"):
    """The right to a name on a service.

    Args:
        resource_name: the resource's name in the stack.
        name: the name.
        taken: why somebody new cannot have it; nothing if it is free.
        adopt: whether what bears the name is to be taken over.
        opts: as for any resource.
    """

    problem: pulumi.Output[str]
    """Why the name cannot be had, or nothing."""

    def __init__(
        self,
        resource_name: str,
        name: str,
        *,
        taken: str,
        adopt: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"name": name, "taken": taken, "adopt": adopt, "problem": None}
        super().__init__(_ClaimProvider(), resource_name, props, opts)

"""Keeps what the policy SDK drops: which of a resource's properties are secrets.

The engine sends them, but ``pulumi_policy`` drops the marks before a validation sees the values.
"""

from collections.abc import Mapping
from typing import Any, Final

from pulumi_policy import policy
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY

MARKS: Final = "__nix_cache_secrets"
"""The property that carries the names. The engine keeps those that begin so to itself."""


def keep_secret_marks() -> None:
    """Let every resource's properties name those of them that are secrets, under ``MARKS``."""
    functions = vars(policy)
    unmarked = functions["deserialize_properties"]

    def marked(props: dict[str, Any], proxy_secrets: bool = False) -> dict[str, Any]:
        return {**unmarked(props, proxy_secrets), MARKS: [n for n in props if _is_secret(props[n])]}

    functions["deserialize_properties"] = marked


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get(SPECIAL_SIG_KEY) == SPECIAL_SECRET_SIG

"""What waits for claims: nothing is made before all of them are granted."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import pulumi


class Claim(Protocol):
    """The right to a name on a service."""

    problem: pulumi.Output[str]
    """Why the name cannot be had, or nothing."""


_Claim = TypeVar("_Claim", bound=Claim)


def granted(
    claims: Sequence[_Claim], contested: Sequence[pulumi.Input[str]]
) -> pulumi.Output[list[_Claim]]:
    """The claims, for ``depends_on``, once all of them are granted.

    Resolving it raises ``pulumi.RunError`` with every reason why one was not.

    Args:
        claims: the claims on what the service could have already.
        contested: why other caches of the program stand in the way; what is empty does not.
    """

    def all_or_error(problems: Sequence[str]) -> list[_Claim]:
        if reasons := sorted({problem for problem in problems if problem}):
            raise pulumi.RunError("\n".join([*reasons, "Nothing was changed."]))
        return list(claims)

    problems = (claim.problem for claim in claims)
    return pulumi.Output.all(*contested, *problems).apply(all_or_error)

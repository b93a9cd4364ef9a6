"""What waits for name reservations: nothing is made before all of them are granted."""

from collections.abc import Sequence

import pulumi

from nix_cache.dynamic.name_reservation import NameReservation


def granted(
    reservations: Sequence[NameReservation], contested: Sequence[pulumi.Input[str]]
) -> pulumi.Output[list[NameReservation]]:
    """The reservations, for ``depends_on``, once all of them are granted.

    Resolving it raises ``pulumi.RunError`` with every reason why one was not.

    Args:
        reservations: of names that the service could have already.
        contested: why other caches of the program stand in the way; what is empty does not.
    """

    def all_or_error(problems: Sequence[str]) -> list[NameReservation]:
        if reasons := sorted({problem for problem in problems if problem}):
            raise pulumi.RunError("\n".join([*reasons, "Nothing was changed."]))
        return list(reservations)

    problems = (reservation.problem for reservation in reservations)
    return pulumi.Output.all(*contested, *problems).apply(all_or_error)

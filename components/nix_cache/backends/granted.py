"""What waits for name reservations: nothing is made before all of them are granted."""

from collections.abc import Sequence

import pulumi

from nix_cache.arguments import CacheSettings
from nix_cache.backends.references import problems_of_references
from nix_cache.dynamic.name_reservation import NameReservation


def granted(
    cache: CacheSettings,
    reservations: Sequence[NameReservation],
    contested: Sequence[pulumi.Input[str]],
    of_values: Sequence[pulumi.Input[str]] = (),
) -> pulumi.Output[list[NameReservation]]:
    """Return the reservations, for ``depends_on``, once all of them are granted.

    Resolving it raises ``pulumi.RunError`` with every reason why one was not, and with every
    mistake in a setting whose value was not known when the settings were checked.

    Args:
        cache: the cache.
        reservations: of names that the service could have already.
        contested: why other caches of the program stand in the way; what is empty does not.
        of_values: further mistakes in values that were not known before; what is empty is none.
    """

    def all_or_error(problems: Sequence[Sequence[str]]) -> list[NameReservation]:
        of_names, late = (sorted({problem for problem in some if problem}) for some in problems)
        if reasons := [*of_names, *late]:
            # A value that was not known before is that of a resource, which was changed by then.
            end = "The cache's storage was not changed." if late else "Nothing was changed."
            raise pulumi.RunError(cache.spelling.spell("\n".join([*reasons, end])))
        return list(reservations)

    names = [*contested, *(reservation.problem for reservation in reservations)]
    return pulumi.Output.all(names, [*problems_of_references(cache), *of_values]).apply(
        all_or_error
    )

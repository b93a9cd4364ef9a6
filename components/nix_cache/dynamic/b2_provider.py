"""What the dynamic resources of an account have in common: who asks it, and how they differ.

Providers are kept in the state by name, so each is a class of an importable module, and the SDK,
which takes a second to import, is imported only for calls to the account.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import ConfigureRequest, DiffResult, ResourceProvider
from pulumi.output import Unknown

from nix_cache.backends.b2.login import login_from

if TYPE_CHECKING:
    from nix_cache.backends.b2.account import Account


class AccountProvider(ResourceProvider):
    """Asks the account that the stack's configuration, or else the environment, describes."""

    def configure(self, req: ConfigureRequest) -> None:
        """Remember the configuration; it goes into no resource."""
        self._config = req.config

    def account(self) -> "Account":
        """Return the account.

        Raises:
            B2AccountError: it is not known, cannot be reached, or refuses the key.
        """
        from nix_cache.backends.b2.account import open_account

        return open_account(login_from(self._config.get))


def difference(
    olds: Mapping[str, Any],
    news: Mapping[str, Any],
    *,
    replaced_by: Iterable[str],
    updated_by: Iterable[str] = (),
) -> DiffResult:
    """Return what a change of inputs takes.

    Args:
        olds: the outputs that are kept, as the last refresh saw them.
        news: the inputs. One that a preview does not know yet counts as changed.
        replaced_by: names of inputs that make another resource of it.
        updated_by: names of inputs that can be changed in place.
    """

    def differs(name: str) -> bool:
        return isinstance(news[name], Unknown) or olds.get(name) != news[name]

    replaces = [name for name in replaced_by if differs(name)]
    return DiffResult(changes=bool(replaces) or any(map(differs, updated_by)), replaces=replaces)

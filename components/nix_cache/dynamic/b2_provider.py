"""What the dynamic resources of a Backblaze account have in common: who asks it.

Providers are kept in the state by name, so each is a class of an importable module, and the SDK,
which takes a second to import, is imported only for calls to the account.
"""

from typing import TYPE_CHECKING

from pulumi.dynamic import ConfigureRequest, ResourceProvider

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

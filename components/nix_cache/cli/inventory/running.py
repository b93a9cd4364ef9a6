"""How a collection shows pushes that it goes on."""

import time
from collections.abc import Callable

from nix_cache.cli.errors import ClientError
from nix_cache.formats.collection_run import (
    RUN_DELETES_WITHIN,
    RUN_KEY,
    RUN_RENEWED_AFTER,
    CollectionRun,
)


class RunNote:
    """The run object of one collection.

    Args:
        put: writes an object, given its key and content.
        clock: seconds that go on while the machine sleeps.
    """

    def __init__(
        self, put: Callable[[str, bytes], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._put = put
        self._clock = clock
        self._run: CollectionRun | None = None
        self._written = 0.0
        self.name = ""
        """The id of the collection that was begun last; empty before."""

    def begin(self) -> None:
        """Show that a collection goes on."""
        self._run = CollectionRun.new()
        self.name = self._run.run
        self._write()

    def renew(self) -> None:
        """Show that it still goes on, if that was shown some minutes ago.

        Raises:
            ClientError: it was shown too long ago, as before the machine slept. Pushes may not have
                waited, and relied on what was planned to go.
        """
        if self._run is not None and self._age() > RUN_RENEWED_AFTER.total_seconds():
            self._put(RUN_KEY, self._run.content)
            self.require_fresh()
            self._written = self._clock()

    def require_fresh(self) -> None:
        """Make sure that pushes see it, before something is deleted.

        Raises:
            ClientError: it was not written for too long. Pushes may not have waited.
        """
        if self._run is not None and self._age() > RUN_DELETES_WITHIN.total_seconds():
            raise ClientError(
                f"{RUN_KEY} was not written for more than "
                f"{RUN_DELETES_WITHIN.total_seconds() / 60:.0f} minutes, so pushes may not have "
                "waited for this collection; nothing more was removed",
                "run it again, on a machine that does not sleep",
            )

    def end(self) -> None:
        """Show that it has ended."""
        if self._run is not None:
            self._run = self._run.ended
            self._write()
            self._run = None

    def _write(self) -> None:
        assert self._run is not None
        self._put(RUN_KEY, self._run.content)
        self._written = self._clock()

    def _age(self) -> float:
        # A clock that was set back says nothing of how long it was.
        age = self._clock() - self._written
        return age if age >= 0 else float("inf")

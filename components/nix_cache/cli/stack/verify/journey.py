"""The steps of a verification, on a stack that is thrown away afterwards."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import urllib3

from nix_cache.cli.stack.verify import nix, rights
from nix_cache.cli.stack.verify.backend import Action, Backend, Role
from nix_cache.formats.cache_info import INFO_KEY, nix_cache_info

_INFO = nix_cache_info("/nix/store", want_mass_query=True, priority=40)
_HTTP = urllib3.PoolManager(timeout=30.0, retries=2)


class Stack(Protocol):
    """A stack, as far as the steps need it."""

    def set_public(self, public: bool) -> None:
        """Make the cache public or private with the next `up`."""
        ...

    def up(self, *, refresh: bool = False) -> dict[str, int]:
        """Bring it up; gives back how many resources were changed in which way."""
        ...

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        """Its outputs."""
        ...


class Journey:
    """All steps for one service.

    Args:
        backend: the service.
        stack: the stack, not up yet.
        tell: gets how each step ended, ``ok``, ``FAILED`` or ``--``, and what it was.
    """

    def __init__(self, backend: Backend, stack: Stack, tell: Callable[[str, str], None]) -> None:
        self._backend = backend
        self._stack = stack
        self._tell = tell
        self.failures = 0

    def run(self) -> None:
        """Take every step; one that fails does not keep the others from being taken.

        Raises:
            ClientError: the stack cannot be brought up.
        """
        for public in (True, False):
            kind = "public" if public else "private"
            self._stack.set_public(public)
            self._stack.up()
            if public:
                self._step("anybody reads nix-cache-info by its URL", self._reads_by_url)
                self._step("a path that is missing is not found", self._misses)
            roles = [Role.ANYBODY, Role.WRITER, *([] if public else [Role.READER])]
            for role in roles:
                self._step(
                    f"{role} of a {kind} cache can do what was declared",
                    partial(self.rights, role, public=public),
                )
            self._step("a refresh puts back what was changed", self._repairs)
            self._step("and then finds nothing to do", self._settles)
        if reason := nix.why_not(self._backend.least_nix):
            self._tell("--", f"the real Nix was not asked: {reason}")
        else:
            self._step("the real Nix pushes and pulls", self._round_trip)

    def rights(self, role: Role, *, public: bool) -> str:
        """What is wrong with what a role can do to the cache as it is up; or nothing."""
        outputs = self._stack.outputs(secrets=True)
        found = rights.can_do(outputs["manifest"], rights.actor(role, outputs))
        declared = self._backend.allowed(role, public=public)
        wrong = [f"can {action}" for action in Action if action in found - declared]
        wrong += [f"cannot {action}" for action in Action if action in declared - found]
        return ", ".join(wrong)

    def _step(self, name: str, check: Callable[[], str]) -> None:
        try:
            wrong = check()
        except Exception as failure:  # whatever it is, the other steps have something to say
            wrong = f"{type(failure).__name__}: {failure}"
        self.failures += bool(wrong)
        self._tell("FAILED" if wrong else "ok", f"{name}: {wrong}" if wrong else name)

    def _reads_by_url(self) -> str:
        answer = _HTTP.request("GET", f"{self._stack.outputs()['readUrl']}/{INFO_KEY}")
        return "" if answer.data.decode() == _INFO else f"{answer.status}: {answer.data!r}"

    def _misses(self) -> str:
        url = f"{self._stack.outputs()['readUrl']}/{'0' * 32}.narinfo"
        status = _HTTP.request("GET", url).status
        return "" if status in (403, 404) else f"the answer was {status}"

    def _repairs(self) -> str:
        """A writer replaced nix-cache-info, where the service let them."""
        changed = self._stack.up(refresh=True)
        is_replaced = (Role.WRITER, Action.REPLACE_INFO) in self._backend.beyond
        return "nothing was put back" if is_replaced and not changed else ""

    def _settles(self) -> str:
        changed = self._stack.up(refresh=True)
        return ", ".join(f"{operation} {count}" for operation, count in changed.items())

    def _round_trip(self) -> str:
        nix.round_trip(self._stack.outputs(secrets=True))
        return ""

"""The steps of a verification, on a stack that is thrown away afterwards."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.stack.verify import nix, probing, rights
from nix_cache.cli.stack.verify.backend import Action, Backend, Role
from nix_cache.formats.cache_info import INFO_KEY, nix_cache_info

_INFO = nix_cache_info("/nix/store", want_mass_query=True, priority=40)


class Stack(Protocol):
    """A stack, as far as the steps need it."""

    def set_public(self, public: bool) -> None:
        """Make the cache public or private with the next `up`."""
        ...

    def up(self, *, refresh: bool = False) -> dict[str, int]:
        """Bring the stack up; returns the number of changed resources, by operation."""
        ...

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        """Return the stack's outputs; secrets are masked unless asked for."""
        ...


class Journey:
    """All steps for one service.

    Args:
        backend: the service.
        stack: the stack, not up yet.
        report: receives the outcome of each step, ``ok``, ``FAILED``, ``WIDER`` or ``--``, and its
            name.
        environment: has the key pair of the bucket's owner.
    """

    def __init__(
        self,
        backend: Backend,
        stack: Stack,
        report: Callable[[str, str], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._environment = environment
        self._backend = backend
        self._stack = stack
        self._report = report
        self.failures = 0

    def run(self) -> None:
        """Take every step. A step that fails does not stop the others.

        Raises:
            ClientError: the stack cannot be brought up.
        """
        for public in (True, False):
            kind = "public" if public else "private"
            self._stack.set_public(public)
            self._stack.up()
            if public:
                self._step("the read URL serves nix-cache-info", self._reads_by_url)
                self._step("the read URL reports a missing path as missing", self._misses)
            roles = [Role.ANONYMOUS, Role.WRITER, *([] if public else [Role.READER])]
            for role in roles:
                self._step(
                    f"{role} to a {kind} cache can do exactly what was declared",
                    partial(self.rights, role, public=public),
                )
            self._step(f"the probes of a {kind} cache end", self._probes)
            self._step("a refresh and an update put back what was changed", self._repairs)
            self._step("a second refresh and update find nothing to do", self._settles)
        if reason := nix.why_not(self._backend.least_nix):
            self._report("--", f"the test with the real Nix was left out: {reason}")
        else:
            self._step("the real Nix pushes and pulls", self._round_trip)

    def rights(self, role: Role, *, public: bool) -> str:
        """Return the difference between what a role can do to the cache and what was declared."""
        outputs = self._stack.outputs(secrets=True)
        found = rights.can_do(outputs["manifest"], rights.actor(role, outputs))
        declared = self._backend.allowed(role, public=public)
        wrong = [f"can {action}" for action in Action if action in found - declared]
        wrong += [f"cannot {action}" for action in Action if action in declared - found]
        return ", ".join(wrong)

    def _probes(self) -> str:
        """Report every probe by itself."""
        outputs = self._stack.outputs(secrets=True)
        for outcome, text in probing.probe(self._backend, outputs, self._environment):
            self.failures += outcome == "FAILED"
            self._report(outcome, text)
        return ""

    def _step(self, name: str, check: Callable[[], str]) -> None:
        try:
            wrong = check()
        except Exception as failure:  # the other steps are taken all the same
            wrong = f"{type(failure).__name__}: {failure}"
        self.failures += bool(wrong)
        self._report("FAILED" if wrong else "ok", f"{name}: {wrong}" if wrong else name)

    def _reads_by_url(self) -> str:
        answer = self._read(INFO_KEY)
        return "" if answer.body == _INFO.encode() else f"{answer}: {answer.body!r}"

    def _misses(self) -> str:
        answer = self._read(f"{'0' * 32}.narinfo")
        return "" if answer.status in (403, 404) else f"the answer was {answer}"

    def _read(self, key: str) -> Answer:
        """Read an object by the cache's read URL, anonymously."""
        return S3Client(Transport(), self._stack.outputs()["readUrl"], "").request("GET", key)

    def _repairs(self) -> str:
        """Expect a change where the service permits the writer to replace nix-cache-info."""
        changed = self._stack.up(refresh=True)
        is_replaced = (Role.WRITER, Action.REPLACE_INFO) in self._backend.beyond
        return "nothing was put back" if is_replaced and not changed else ""

    def _settles(self) -> str:
        changed = self._stack.up(refresh=True)
        return ", ".join(f"{operation} {count}" for operation, count in changed.items())

    def _round_trip(self) -> str:
        nix.round_trip(self._stack.outputs(secrets=True))
        return ""

"""How it is tried what callers must not be able to do, and what shows that they can or cannot.

A right counts as present only if the request had its effect: the listing came, the object was
stored, the object is gone. It counts as absent only if the request was refused and the same request
by the bucket's owner succeeded at the same time: the positive control. Otherwise it is undecided.

No probe damages a cache. What is written and deleted are objects named ``nix-cache-probe-…``,
which the owner removes afterwards, and ``nix-cache-info`` is replaced by the bytes that it has.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.rights.acts import PROBES, Caller, CallerRole, ProbeAct, Probed, Site
from nix_cache.rights.client import Client, Response
from nix_cache.rights.probe_object import ProbeObject
from nix_cache.rights.trials import Outcome, judged
from nix_cache.rights.unsigned import UnsignedTrial, UnsignedVerdict

PREFIX = "nix-cache-probe-"
"""What the names of all objects of probes start with, after ``nar/`` for some."""

_LISTS = {
    "list-type=2&max-keys=1": rb"<ListBucketResult",
    "max-keys=1": rb"<ListBucketResult",
    "versions&max-keys=1": rb"<ListVersionsResult",
    "uploads&max-uploads=1": rb"<ListMultipartUploadsResult",
}
"""By query, how a listing begins."""


def probed(site: Site, callers: Sequence[Caller]) -> Iterator[Probed]:
    """Probe what all callers must not be able to do."""
    controls: dict[str, Response] = {}
    for caller in callers:
        problem = _unusable(caller)
        acts = PROBES[caller.role]
        if caller.role is CallerRole.ANONYMOUS and not site.is_public:
            acts = (ProbeAct.READ, *acts)
        for act in acts:
            if problem:
                yield Probed(str(caller), caller.role, act, Outcome.UNCLEAR, problem)
            elif found := _Probe(site, caller, controls).made(act):
                yield found


def _unusable(caller: Caller) -> str:
    """Return why refusals of a caller would show nothing; empty for one that can read."""
    if caller.role is CallerRole.ANONYMOUS:
        return ""
    answer = caller.client.request("GET", INFO_KEY)
    return "" if answer.status == 200 else f"its own read of {INFO_KEY} was answered {answer}"


@dataclass(frozen=True)
class _Probe:
    site: Site
    caller: Caller
    controls: dict[str, Response]
    """By key, the owner's put of the cache's own object: not for each caller, as a bucket may keep
    versions, and again after one that another user made, which may own what they put."""

    def made(self, act: ProbeAct) -> Probed | None:
        """Make a probe; None where the service does not have what it would try."""
        tries: dict[ProbeAct, Callable[[], Probed | None]] = {
            ProbeAct.READ: self._read,
            ProbeAct.LIST: self._list,
            ProbeAct.WRITE: lambda: self._write(act, f"nar/{_name()}"),
            ProbeAct.WRITE_FOREIGN: lambda: self._write(act, _name()),
            ProbeAct.REPLACE: self._replace,
            ProbeAct.DELETE: self._delete,
            ProbeAct.MINT: lambda: self._mint(act, self.caller.own),
            ProbeAct.MINT_OTHERS: lambda: self._mint(act, next(iter(self.caller.others), "")),
            ProbeAct.UNSIGNED: self._unsigned,
        }
        return tries[act]()

    def _probed(
        self, act: ProbeAct, outcome: Outcome, detail: object, left: Sequence[str] = ()
    ) -> Probed:
        caller = self.caller
        return Probed(str(caller), caller.role, act, outcome, str(detail), tuple(left))

    def _decided(
        self,
        act: ProbeAct,
        trial: Response,
        control: Response,
        *,
        had_effect: bool,
        left: Sequence[str],
    ) -> Probed:
        """Return what a request and its positive control show together."""
        if had_effect:
            return self._probed(act, Outcome.ALLOWED, trial, left)
        if control.status >= 300:
            detail = f"the same request by the bucket's owner was answered {control}"
            return self._probed(act, Outcome.UNCLEAR, detail, left)
        is_refused = judged(trial).outcome is Outcome.REFUSED and not trial.is_stranger
        outcome = Outcome.REFUSED if is_refused else Outcome.UNCLEAR
        return self._probed(act, outcome, trial, left)

    def _read(self) -> Probed:
        control = self.site.owner.request("GET", INFO_KEY)
        trial = self.caller.client.request("GET", INFO_KEY)
        is_read = control.status == trial.status == 200 and control.body == trial.body
        return self._decided(ProbeAct.READ, trial, control, had_effect=is_read, left=())

    def _list(self) -> Probed:
        found = []
        for query, start in _LISTS.items():
            control = self.site.owner.request("GET", query=query)
            trial = self.caller.client.request("GET", query=query)
            is_listed = trial.status == 200 and re.search(start, trial.body) is not None
            found.append(
                self._decided(ProbeAct.LIST, trial, control, had_effect=is_listed, left=())
            )
        # The first one is how every service lists; another is refused where it is not offered.
        allowed = [one for one in found if one.outcome is Outcome.ALLOWED]
        return allowed[0] if allowed else found[0]

    def _write(self, act: ProbeAct, key: str) -> Probed:
        body = secrets.token_hex(16).encode()
        with ProbeObject(self.site.owner, key) as made:
            trial = made.answered(_put(self.caller.client, key, body))
            stored = self.site.owner.request("GET", key)
            had_effect = stored.status == 200 and stored.body == body
            control = made.answered(_put(self.site.owner, key, body))
        return self._decided(act, trial, control, had_effect=had_effect, left=made.left)

    def _replace(self) -> Probed:
        present = self.site.owner.request("GET", INFO_KEY)
        if present.status != 200:
            detail = f"{INFO_KEY} by the bucket's owner was answered {present}"
            return self._probed(ProbeAct.REPLACE, Outcome.UNCLEAR, detail)
        names = ("Content-Type", "Cache-Control", "Content-Encoding")
        headers = {name: present.headers[name] for name in names if name in present.headers}

        def put(client: Client) -> Response:
            return client.request("PUT", INFO_KEY, headers=headers, body=present.body)

        trial = put(self.caller.client)
        is_replaced = trial.status < 300 and judged(trial).outcome is Outcome.ALLOWED
        if is_replaced or INFO_KEY not in self.controls:
            self.controls[INFO_KEY] = put(self.site.owner)
        control = self.controls[INFO_KEY]
        return self._decided(ProbeAct.REPLACE, trial, control, had_effect=is_replaced, left=())

    def _delete(self) -> Probed:
        key = f"nar/{_name()}"
        with ProbeObject(self.site.owner, key) as made:
            stored = made.answered(_put(self.site.owner, key, b"probe"))
            trial = made.answered(self.caller.client.request("DELETE", key))
            is_gone = self.site.owner.request("GET", key).status == 404
            had_effect = stored.status < 300 and trial.status < 300 and is_gone
            control = made.answered(self.site.owner.request("DELETE", key))
        failed = stored if stored.status >= 300 else control
        return self._decided(ProbeAct.DELETE, trial, failed, had_effect=had_effect, left=made.left)

    def _mint(self, act: ProbeAct, user: str) -> Probed | None:
        if self.caller.mint is None or self.site.can_mint is None or not user:
            return None
        trial = self.caller.mint(user)
        if trial.outcome is Outcome.REFUSED:
            control = self.site.can_mint(user)
            if control.outcome is not Outcome.ALLOWED:
                detail = f"the same request by the administrator was answered {control.answer}"
                return self._probed(act, Outcome.UNCLEAR, detail)
        left = (trial.left,) if trial.left else ()
        return self._probed(act, trial.outcome, trial.answer, left)

    def _unsigned(self) -> Probed:
        key = f"nar/{_name()}"
        site = self.site
        trial = UnsignedTrial(
            site.anonymous, site.region, key, self.caller.access_key_id, site.no_answer
        )
        with ProbeObject(self.site.owner, key) as made:
            results = trial.results()
        left = made.left
        first, *_ = results
        if not first.shows_signature:
            detail = f"the answer does not show that only the signature is missing: {first.answer}"
            return self._probed(ProbeAct.UNSIGNED, Outcome.UNCLEAR, detail, left)
        for verdict, outcome in {
            UnsignedVerdict.ACCEPTED: Outcome.ALLOWED,
            UnsignedVerdict.UNCLEAR: Outcome.UNCLEAR,
        }.items():
            those = [one for one in results if one.verdict is verdict]
            if those:
                detail = "; ".join(f"{one.name}: {one.answer}" for one in those)
                return self._probed(ProbeAct.UNSIGNED, outcome, detail, left)
        return self._probed(ProbeAct.UNSIGNED, Outcome.REFUSED, first.answer, left)


def _name() -> str:
    return f"{PREFIX}{secrets.token_hex(16)}"


def _put(client: Client, key: str, body: bytes) -> Response:
    return client.request("PUT", key, headers={"Content-Type": "text/plain"}, body=body)

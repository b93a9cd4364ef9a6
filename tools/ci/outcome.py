"""What the engine's events say of a preview or an update: changes, verdicts, errors. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pulumi.automation.events import EngineEvent, OpType, StepEventMetadata

_OPERATIONS = {
    OpType.CREATE: "create",
    OpType.UPDATE: "update",
    OpType.DELETE: "delete",
    OpType.REPLACE: "replace",
    OpType.CREATE_REPLACEMENT: "replace",
    OpType.DELETE_REPLACED: "replace",
    OpType.IMPORT: "import",
    OpType.IMPORT_REPLACEMENT: "replace",
}
"""The engine's steps that change something, as a reader knows them: a replacement is one change."""


@dataclass(frozen=True, order=True)
class ResourceChange:
    """What happens to one resource. Values are left out: some must not be public."""

    operation: str
    name: str
    kind: str
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class PolicyVerdict:
    """What a policy says against the stack, or against one of its resources."""

    policy: str
    is_mandatory: bool
    resource: str
    message: str


@dataclass(frozen=True)
class RunOutcome:
    """How a command of the engine ended.

    Attributes:
        succeeded: whether it did all that it was asked for.
        changes: what it would do or did, by resource.
        verdicts: what the policies say, those that stop it first.
        errors: its error messages.
    """

    succeeded: bool
    changes: tuple[ResourceChange, ...] = ()
    verdicts: tuple[PolicyVerdict, ...] = ()
    errors: tuple[str, ...] = ()


def outcome(log: Iterable[str], exit_code: int) -> RunOutcome:
    """Read an engine's event log.

    Args:
        log: its lines, each an event as JSON.
        exit_code: how the engine ended.
    """
    changes: dict[str, ResourceChange] = {}
    verdicts: set[PolicyVerdict] = set()
    errors: dict[str, None] = {}
    for line in log:
        event = EngineEvent.from_json(json.loads(line))
        if (step := event.resource_pre_event) and step.metadata.op in _OPERATIONS:
            # An update previews first, so each change is reported twice.
            changes[step.metadata.urn] = _change(step.metadata)
        elif said := event.policy_event:
            is_mandatory = said.enforcement_level == "mandatory"
            resource = _name(said.resource_urn or "")
            verdicts.add(
                PolicyVerdict(said.policy_name, is_mandatory, resource, said.message.strip())
            )
        elif (diagnostic := event.diagnostic_event) and diagnostic.severity == "error":
            errors[diagnostic.message.strip()] = None
    return RunOutcome(
        succeeded=exit_code == 0,
        changes=tuple(sorted(changes.values())),
        verdicts=tuple(sorted(verdicts, key=lambda v: (not v.is_mandatory, v))),
        errors=tuple(errors),
    )


def _change(step: StepEventMetadata) -> ResourceChange:
    properties = sorted(step.detailed_diff or step.diffs or ())
    kind = step.type.rpartition(":")[2]
    return ResourceChange(_OPERATIONS[step.op], _name(step.urn), kind, tuple(properties))


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]

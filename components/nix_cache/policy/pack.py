"""The rules as a policy pack. The whole pack is a folder with two files.

``PulumiPolicy.yaml`` names the virtual environment that has ``nix-cache[policy]``; ``__main__.py``
is::

    from nix_cache.policy.pack import serve

    serve(__file__)
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from nix_cache.iam.values import UNKNOWN
from nix_cache.policy import surroundings
from nix_cache.policy.judgement import EXCEPTIONS, judge
from nix_cache.policy.model import Context, Resource, Rule, RuleScope
from nix_cache.policy.rules import all_rules
from nix_cache.policy.secret_marks import MARKS, keep_secret_marks
from nix_cache.policy.storage_types import canonical
from nix_cache.shown import shown

NAME = "nix-cache"
STALE_EXCEPTIONS = "stale-exceptions"


class _Exceptions:
    """Which exceptions a rule has been given, and which of them spared something."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.settings: Mapping[str, Any] = {}
        self.used: set[str] = set()

    def stale(self) -> Iterator[str]:
        """Yield what of the rule's settings has no effect."""
        for name in self.settings.get("exceptions", {}):
            if name not in self.used:
                yield f"the exception of {self.rule.id} for {name!r} is unused: remove it"
        for key in self.settings.keys() - EXCEPTIONS.keys() - self.rule.settings.keys():
            known = ", ".join(sorted({*EXCEPTIONS, *self.rule.settings}))
            yield f"{self.rule.id} has no setting {key!r}, but {known}"


class _ResourceRule(ResourceValidationPolicy):
    """A rule on single resources."""

    def __init__(self, rule: Rule, program: Path) -> None:
        super().__init__(**_declared(rule))
        self.exceptions = _Exceptions(rule)
        self._program = program

    def validate(self, args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        """Report what is wrong with a resource."""
        self.exceptions.settings = args.get_config()
        resource = _resource(args, parent=args.opts.parent or "")
        context = _context(self.exceptions.settings, self._program)
        _report(self.exceptions, [resource], context, report_violation)


class _StackRule(StackValidationPolicy):
    """A rule on resources that depends on others."""

    def __init__(self, rule: Rule, program: Path) -> None:
        super().__init__(**_declared(rule))
        self.exceptions = _Exceptions(rule)
        self._program = program

    def validate(self, args: StackValidationArgs, report_violation: ReportViolation) -> None:
        """Report what is wrong with each resource of the stack."""
        self.exceptions.settings = args.get_config()
        resources = [_of_stack(one) for one in args.resources]
        context = _context(self.exceptions.settings, self._program, resources)
        _report(self.exceptions, resources, context, report_violation)


class _UnusedExceptions(StackValidationPolicy):
    """Reports unused exceptions. It has to be the last policy."""

    def __init__(self, all_exceptions: Sequence[_Exceptions]) -> None:
        super().__init__(
            STALE_EXCEPTIONS,
            "Every exception is still needed.",
            enforcement_level=EnforcementLevel.ADVISORY,
        )
        self._all = all_exceptions

    def validate(self, args: StackValidationArgs, report_violation: ReportViolation) -> None:
        """Report exceptions that nothing needed."""
        for exceptions in self._all:
            for what in exceptions.stale():
                report_violation(shown(what, lines=True), None)


def serve(launcher: str) -> None:
    """Serve the engine until it ends the process.

    Args:
        launcher: the pack's ``__main__.py``. The folder above the pack's is taken for the
            program's, where the stack's configuration file is.
    """
    keep_secret_marks()
    program = Path(launcher).absolute().parents[1]
    rules = [
        _StackRule(rule, program) if rule.scope is RuleScope.STACK else _ResourceRule(rule, program)
        for rule in all_rules()
    ]
    stale = _UnusedExceptions([rule.exceptions for rule in rules])
    PolicyPack(NAME, [*rules, stale], enforcement_level=EnforcementLevel.MANDATORY)


def _declared(rule: Rule) -> dict[str, Any]:
    """Return a rule as the engine takes it. Its default level is the pack's."""
    return {
        "name": rule.id,
        "description": rule.holds,
        "config_schema": PolicyConfigSchema({**EXCEPTIONS, **rule.settings}),
        "remediation_steps": rule.fix,
        "enforcement_level": EnforcementLevel.ADVISORY if rule.is_advisory else None,
    }


def _report(
    exceptions: _Exceptions,
    resources: Sequence[Resource],
    context: Context,
    report_violation: ReportViolation,
) -> None:
    """Report what is wrong with some resources.

    Raises:
        UnknownValueError: something could not be judged. The SDK reports that as an advisory.
    """
    doubts: list[str] = []
    for resource in resources:
        verdict = judge(exceptions.rule, resource, context)
        for violation in verdict.violations:
            report_violation(shown(violation, lines=True), resource.urn)
        if verdict.exception:
            exceptions.used.add(verdict.exception)
        if verdict.not_yet_known:
            doubts.append(f"{resource.name}: {verdict.not_yet_known}")
    if doubts:
        error = UnknownValueError(UNKNOWN_STRING_VALUE, [])
        error.message = shown("; ".join(doubts))
        raise error


def _context(
    settings: Mapping[str, Any], program: Path, resources: Sequence[Resource] = ()
) -> Context:
    stack = pulumi.get_stack()
    return Context(
        stack=stack,
        settings=settings,
        resources=resources,
        environment=surroundings.environment(),
        stack_file=surroundings.stack_file(pulumi.get_project(), stack, program),
    )


def _of_stack(args: PolicyResource) -> Resource:
    return _resource(
        args,
        parent=args.parent.urn if args.parent else "",
        dependencies={
            place: [one.urn for one in resources]
            for place, resources in args.property_dependencies.items()
        },
    )


def _resource(
    args: ResourceValidationArgs | PolicyResource,
    *,
    parent: str,
    dependencies: Mapping[str, Sequence[str]] | None = None,
) -> Resource:
    properties = _plain(args.props)
    marks = properties.pop(MARKS, None)
    return Resource(
        type=canonical(args.resource_type),
        name=args.name,
        urn=args.urn,
        properties=properties,
        protect=args.opts.protect,
        secrets=None if marks is None else frozenset(marks),
        parent=parent,
        dependencies=dependencies or {},
    )


def _plain(value: Any) -> Any:
    """Return a value without the SDK's proxies, which raise an error where it is not known."""
    if isinstance(value, Mapping):
        return {key: _known(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(value, index) for index in range(len(value))]
    return value


def _known(container: Any, place: Any) -> Any:
    try:
        return _plain(container[place])
    except UnknownValueError:
        return UNKNOWN

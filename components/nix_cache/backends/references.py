"""Settings that name other resources, checked once their values are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.output import Unknown
from pydantic import ValidationError

from nix_cache.arguments import CacheSettings
from nix_cache.config.problems import Problem, fix_of, problems_of, shown_unless_output
from nix_cache.config.setting import SettingsModel, is_output, is_published


def problems_of_references(cache: CacheSettings) -> Iterator[pulumi.Output[str]]:
    """For each setting that is an Output, what is wrong with its value; empty if nothing is.

    A preview that does not know the value yet finds nothing. A secret value is not shown.
    """
    publishing = _publishing(cache)
    for reference in _references(cache):
        yield reference.problem(publishing)


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """A setting whose value is an Output, or an object with Outputs among its values.

    Attributes:
        settings: the settings that it is one of.
        within: where they are, such as ``aws.cloudfront``.
        name: its name among them.
        key: which value of the object it is; None if it is the setting itself.
    """

    settings: SettingsModel
    within: str
    name: str
    key: str | None = None

    def problem(self, publishing: str) -> pulumi.Output[str]:
        """Return what is wrong with the value.

        Args:
            publishing: the settings by which the cache publishes what it is.
        """
        value = getattr(self.settings, self.name)
        output: pulumi.Output[object] = value if self.key is None else value[self.key]
        published = is_published(type(self.settings).model_fields[self.name])

        def checked(is_secret: bool) -> pulumi.Output[str]:
            if is_secret and published and publishing:
                return pulumi.Output.from_input(_text(self._published(publishing)))
            return output.apply(
                lambda value: "\n".join(
                    _text(problem, with_value=not is_secret) for problem in self._problems(value)
                ),
                run_with_unknowns=True,
            )

        is_secret: pulumi.Input[bool] = output.is_secret()
        return pulumi.Output.from_input(is_secret).apply(checked)

    @property
    def _place(self) -> str:
        alias = type(self.settings).model_fields[self.name].alias or self.name
        return f"{self.within}.{alias}" if self.key is None else f"{self.within}.{alias}.{self.key}"

    def _problems(self, value: object) -> list[Problem]:
        if isinstance(value, Unknown):
            return []
        model = type(self.settings)
        fix = fix_of(model, (self.name, *([] if self.key is None else [self.key])))
        if value is None:
            return [Problem(self._place, "", "has no value", fix)]
        if isinstance(value, int | float):
            # Only a plain value becomes text. Resources get this one as it is.
            return [Problem(self._place, shown_unless_output(value), "is not text", fix)]
        settings: dict[str, Any] = {
            name: getattr(self.settings, name) for name in model.model_fields
        }
        settings[self.name] = (
            value if self.key is None else {**settings[self.name], self.key: value}
        )
        try:
            model.model_validate(settings)
        except ValidationError as error:
            return problems_of(error, model, self.within)
        return []

    def _published(self, publishing: str) -> Problem:
        return Problem(
            self._place,
            "",
            "is a secret, but the cache publishes it in its bucket",
            f"set {publishing} to false, or use a value that is not a secret",
        )


def _references(cache: CacheSettings) -> Iterator[_Reference]:
    for index, writer in enumerate(cache.writers):
        yield from _within(writer, f"writers[{index}]")
    if cache.backend_settings is not None:
        yield from _within(cache.backend_settings, cache.backend)


def _within(settings: SettingsModel, within: str) -> Iterator[_Reference]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SettingsModel):
            yield from _within(value, f"{within}.{field.alias}")
        elif is_output(value):
            yield _Reference(settings=settings, within=within, name=name)
        elif isinstance(value, tuple):
            for index, one in enumerate(value):
                if isinstance(one, SettingsModel):
                    yield from _within(one, f"{within}.{field.alias}[{index}]")
        elif isinstance(value, dict):
            for key in (key for key, item in value.items() if is_output(item)):
                yield _Reference(settings=settings, within=within, name=name, key=key)


def _publishing(cache: CacheSettings) -> str:
    """Return the settings by which the cache publishes its location, in words; or empty."""
    objects = {
        "manifest": cache.has_manifest,
        "landingPage": cache.has_landing_page,
    }
    return " and ".join(name for name, is_there in objects.items() if is_there)


def _text(problem: Problem, *, with_value: bool = False) -> str:
    value = f" = {problem.value}" if with_value and problem.value else ""
    return f"{problem.key}{value} {problem.mistake}\n  fix: {problem.fix}"

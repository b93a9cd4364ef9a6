"""Settings that name other resources, checked once their values are known."""

from collections.abc import Iterator

import pulumi
from pulumi.output import Unknown
from pydantic import ValidationError

from nix_cache.config.problems import problems_of
from nix_cache.config.setting import SettingsModel, is_output, must_be


def problems_of_references(settings: SettingsModel, within: str) -> Iterator[pulumi.Output[str]]:
    """For each setting that is an Output, what is wrong with its value; empty if nothing is.

    A preview that does not know the value yet finds nothing.

    Args:
        settings: the settings, and those in them.
        within: the setting whose value they are.
    """
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SettingsModel):
            yield from problems_of_references(value, f"{within}.{field.alias}")
        elif is_output(value):
            yield _problem(value, settings, name, within)


def _problem(
    output: pulumi.Output[object], settings: SettingsModel, name: str, within: str
) -> pulumi.Output[str]:
    model = type(settings)
    others = {other: getattr(settings, other) for other in model.model_fields if other != name}

    def checked(value: object) -> str:
        if isinstance(value, Unknown):
            return ""
        if value is None:
            field = model.model_fields[name]
            return f"{within}.{field.alias} has no value\n  fix: set it to {must_be(field)}"
        try:
            model.model_validate({**others, name: value})
        except ValidationError as error:
            # The value is not shown: it may be a secret.
            found = problems_of(error, model, within)
            return "\n".join(f"{p.key} {p.mistake}\n  fix: {p.fix}" for p in found)
        return ""

    return output.apply(checked, run_with_unknowns=True)

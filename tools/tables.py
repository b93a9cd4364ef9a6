"""Part of `make schema`: tables in documents: settings, backends, the manifest, known faults."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nix_cache.backends.comparison import comparison
from nix_cache.backends.registry import BACKENDS
from nix_cache.cli.nix.known_faults import KNOWN_FAULTS
from nix_cache.config.catalogue import Group, Setting, all_settings
from nix_cache.formats.manifest import Manifest
from tools.bootstrap import ROOT
from tools.markdown import fields, table, words

README = ROOT / "README.md"
_TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the README and the pages of the documentation that have such a table."""
    documents = [README, *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in documents if _TABLE.search(page.read_text(encoding="utf-8"))]


def with_tables(written: str) -> str:
    """Return a page with the tables of the code between its marks.

    Args:
        written: the page as it is.

    Raises:
        KeyError: a mark names an unknown table.
    """
    tables = {
        "backends": _comparison(),
        "known-faults": table(("versions", "the Nix", "it matters if the machine"), _faults()),
        "manifest": table(("field", "type", "meaning"), _manifest()),
        "settings": _settings(_common()),
    }
    tables |= {f"settings-of-{name}": _settings(_of_backend(name)) for name in BACKENDS}
    return _TABLE.sub(lambda mark: f"{mark[1]}\n{tables[mark[2]]}\n{mark[3]}", written)


def _comparison() -> str:
    head, *rows = comparison()
    return table(head, rows)


def _faults() -> Iterator[tuple[str, ...]]:
    for fault in KNOWN_FAULTS:
        conditions = ", and ".join(sorted(fault.conditions)) or "reads any cache"
        what = f"[{fault.problem}]({fault.source}): {fault.why}"
        yield fault.affected, what, conditions


def _manifest() -> Iterator[tuple[str, ...]]:
    meanings = dict(fields(Manifest))
    properties = Manifest.model_json_schema(by_alias=True)["properties"]
    return ((f"`{name}`", _json_type(value), meanings[name]) for name, value in properties.items())


def _json_type(schema: dict[str, Any]) -> str:
    match schema:
        case {"const": constant}:
            return f"`{constant!r}`"
        case {"type": "array", "items": {"type": of}}:
            return f"list of {of}"
        case {"type": "object", "additionalProperties": {"type": of}}:
            return f"map of {of}"
        case {"anyOf": [{"$ref": _}, {"type": "null"}]}:
            return "object or null"
    return str(schema["type"])


def _common() -> Iterator[tuple[str, Setting]]:
    cache, *_ = all_settings()
    return ((s.name, s) for s in cache.present if s.name not in BACKENDS)


def _of_backend(name: str) -> Iterator[tuple[str, Setting]]:
    cache, *groups = all_settings()
    within = {group.name: group for group in groups}
    [own] = [setting for setting in cache.settings if setting.name == name]
    defaults = BACKENDS[name].program_defaults
    return (
        (key, replace(setting, default_text=defaults.get(setting.name, setting.default_text)))
        for key, setting in _leaves(within[own.kind.name], within, f"{name}.")
    )


def _leaves(group: Group, within: dict[str, Group], prefix: str) -> Iterator[tuple[str, Setting]]:
    for setting in group.present:
        yield f"{prefix}{setting.name}", setting
        if setting.kind.is_group:
            inner = within[setting.kind.name]
            yield from _leaves(inner, within, f"{prefix}{setting.name}.")


def _settings(settings: Iterable[tuple[str, Setting]]) -> str:
    rows = (
        (f"`{name}`", words(setting.default_text or "required"), words(_meaning(setting)))
        for name, setting in settings
    )
    return table(("setting `nix-cache:…`", "default", "meaning"), rows)


def _meaning(setting: Setting) -> str:
    """Return what it means, and where that does not suggest its values, also what it must be."""
    is_list_of_objects = setting.kind.items is not None and setting.kind.items.is_group
    if not (is_list_of_objects or setting.must_be.startswith("one of ")):
        return setting.meaning
    return f"{setting.meaning} Must be {setting.must_be}."

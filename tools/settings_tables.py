"""Part of `make schema`: the tables in the README that list settings and compare backends."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nix_cache.backends.comparison import comparison
from nix_cache.backends.registry import BACKENDS
from nix_cache.config.catalogue import Group, Setting, all_settings
from tools.bootstrap import ROOT

README = ROOT / "README.md"
_TABLE = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def readme(written: str) -> str:
    """The README with the tables of the code between its marks.

    Args:
        written: the file as it is.

    Raises:
        KeyError: a mark names a table that there is not.
    """
    tables = {"backends": _comparison(), "settings": _table(_common())}
    tables |= {f"settings-of-{name}": _table(_of_backend(name)) for name in BACKENDS}
    return _TABLE.sub(lambda mark: f"{mark[1]}\n{tables[mark[2]]}\n{mark[3]}", written)


def _comparison() -> str:
    head, *rows = comparison()
    return _rows(head, rows)


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


def _table(settings: Iterable[tuple[str, Setting]]) -> str:
    rows = (
        (f"`{name}`", setting.default_text or "required", _meaning(setting))
        for name, setting in settings
    )
    return _rows(("setting `nix-cache:…`", "default", "meaning"), rows)


def _meaning(setting: Setting) -> str:
    """What it means, and where that does not suggest its values, also what it must be."""
    is_list_of_objects = setting.kind.items is not None and setting.kind.items.is_group
    if not (is_list_of_objects or setting.must_be.startswith("one of ")):
        return setting.meaning
    return f"{setting.meaning} Must be {setting.must_be}."


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("``", "`")

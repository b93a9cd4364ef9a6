"""Part of `make schema`: the settings of the program in this repository, in `Pulumi.yaml`."""

from typing import Any

import yaml

from nix_cache.backends.registry import BACKENDS
from nix_cache.config.catalogue import Group, Setting, all_settings
from nix_cache.config.stack import PREFIX
from tools.bootstrap import ROOT

PROJECT = ROOT / "Pulumi.yaml"
_WIDTH = 100
_MARK = "# Written by `make schema`; edit components/nix_cache/arguments.py instead.\nconfig:\n"


def project_file(written: str) -> str:
    """`Pulumi.yaml` with the settings of the code.

    Args:
        written: the file as it is; what stands before its settings stays.
    """
    head, _, _ = written.partition(_MARK if _MARK in written else "config:\n")
    cache, *groups = all_settings()
    within = {group.name: group for group in groups}
    config = {f"{PREFIX}{s.name}": _entry(s, within) for s in cache.present}
    text = yaml.safe_dump(config, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return head + _MARK + "".join(f"  {line}\n" for line in text.splitlines())


def _entry(setting: Setting, groups: dict[str, Group]) -> dict[str, Any]:
    """One setting. The engine has no optional ones: one without a default has an empty one."""
    kind, text = setting.kind, _plain(setting.text)
    if kind.is_group:
        further = BACKENDS[setting.name].program_settings
        names = [inner.name for inner in groups[kind.name].present]
        also = "".join(f" {name} is {meaning}" for name, meaning in further.items())
        listed = f"{text.rstrip('.')}: {', '.join([*names, *further])}.{also}"
        return {"type": "object", "default": {}, "description": listed}
    if setting.was_renamed:
        return {"default": "", "description": text}  # another would stand beside the former name
    if kind.name == "array" and kind.items:
        items = [_item(item) for item in setting.default]
        # The engine has no type for a list of names and objects; the program checks it.
        typed = {} if kind.items.is_group else {"type": "array", "items": {"type": kind.items.name}}
        return {**typed, "default": items, "description": text}
    if setting.default is None and kind.name != "string":
        return {"default": "", "description": text}  # an empty one is of no other type
    default = "" if setting.default is None else setting.default
    return {"type": kind.name, "default": default, "description": text}


def _item(item: Any) -> Any:
    written = item.model_dump(exclude_unset=True, by_alias=True)
    return written["name"] if set(written) == {"name"} else written


def _plain(text: str) -> str:
    return text.replace("``", "")

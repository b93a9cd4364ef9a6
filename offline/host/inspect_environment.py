"""Run by a project's own interpreter: prints what is installed in it, as JSON.

Uses the standard library only, because nothing else is sure to be there.
"""

import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from typing import Any


def normalized(name: str) -> str:
    """Return a distribution's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def plugin_file(name: str) -> str | None:
    """Text of the pulumi-plugin.json in the module of the distribution `name`, if there is one."""
    if "." in name:
        # Looking up a module in a package would import the package.
        return None
    try:
        spec = importlib.util.find_spec(name.replace("-", "_"))
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = os.path.join(folder, "pulumi-plugin.json")
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    return None


def describe() -> dict[str, Any]:
    """Name, version and plugin file of every distribution.

    `required_by_others` lists distributions that another one needs without an extra.
    """
    packages = {}
    required = set()
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata  # read and parsed again at each access
        name = metadata["Name"]
        # The first one on the path is the one that imports find.
        if not name or normalized(name) in packages:
            continue
        packages[normalized(name)] = {
            "name": normalized(name),
            "version": metadata["Version"],
            "plugin": plugin_file(name),
        }
        # Only the older form of a distribution has its requirements elsewhere.
        for requirement in metadata.get_all("Requires-Dist") or distribution.requires or ():
            match = re.match(r"[A-Za-z0-9._-]+", requirement)
            if match and not re.search(r";.*\bextra\b", requirement):
                required.add(normalized(match[0]))
    return {
        "packages": [packages[name] for name in sorted(packages)],
        "required_by_others": sorted(required),
    }


if __name__ == "__main__":
    # This file's own folder must not hide or add modules.
    del sys.path[0]
    print(json.dumps(describe()))

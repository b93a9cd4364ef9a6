"""`make schema`: writes every file, or part of one, that is derived from the code.

A test fails while one of them differs from what the code says.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from nix_cache.backends.registry import BACKENDS
from tools.argument_types import ARGUMENT_TYPES, argument_types
from tools.bootstrap import ROOT
from tools.commands_reference import COMMANDS, commands_reference
from tools.project_config import PROJECT, project_file
from tools.reference import REFERENCE, reference
from tools.schema import SCHEMA, schema_text
from tools.tables import pages, with_tables

PLUGIN_REQUIREMENTS = ROOT / "components" / "requirements.txt"


def plugin_requirements(written: str) -> str:
    """Return what the plugin's environment has, with the extras of all backends.

    Args:
        written: the file as it is; its comments stay.
    """
    comments = [line for line in written.splitlines() if line.startswith("#")]
    return "\n".join([*comments, f".[{','.join(sorted(BACKENDS))}]", ""])


FILES: Mapping[Path, Callable[[str], str]] = {
    ARGUMENT_TYPES: lambda _: argument_types(),
    SCHEMA: lambda _: schema_text(),
    PROJECT: project_file,
    REFERENCE: lambda _: reference(json.loads(schema_text())),
    COMMANDS: lambda _: commands_reference(),
    PLUGIN_REQUIREMENTS: plugin_requirements,
    **dict.fromkeys(pages(), with_tables),
}
"""By file, what makes its text of the text that it has."""


if __name__ == "__main__":
    for path, text in FILES.items():
        written = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(text(written), encoding="utf-8")

"""`make schema`: writes every file, or part of one, that is derived from the settings.

A test fails while one of them differs from what the code says.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.argument_types import ARGUMENT_TYPES, argument_types
from tools.project_config import PROJECT, project_file
from tools.reference import REFERENCE, reference
from tools.schema import SCHEMA, schema_text
from tools.settings_tables import README, readme

FILES: Mapping[Path, Callable[[str], str]] = {
    ARGUMENT_TYPES: lambda _: argument_types(),
    SCHEMA: lambda _: schema_text(),
    PROJECT: project_file,
    README: readme,
    REFERENCE: lambda _: reference(json.loads(schema_text())),
}
"""By file, what makes its text of the text that it has."""


if __name__ == "__main__":
    for path, text in FILES.items():
        path.write_text(text(path.read_text(encoding="utf-8")), encoding="utf-8")

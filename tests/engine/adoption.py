"""The import file of an adoption, edited as its page describes."""

import json

from tests.engine.project import Project

IDS = {
    "nix-cache-bucket": "nix-cache",
    "nix-cache-anonymous-read": "nix-cache",
    "nix-cache-nixbuilder": "nixbuilder",
    "nix-cache-write-policy": "nix-cache-write",
    "nix-cache-nixbuilder-write": "nixbuilder/nix-cache-write",
}
"""By resource name, what the page says to write into the import file."""


def keep_what_exists(project: Project) -> None:
    """Write the ids of what exists into the file, and leave out what the engine makes itself."""
    file = project.folder / "import.json"
    written = json.loads(file.read_text())
    entries = [
        {**entry, **({"id": IDS[entry["name"]]} if entry["name"] in IDS else {})}
        for entry in written["resources"]
        if entry["name"] in IDS or "id" not in entry
    ]
    file.write_text(json.dumps({**written, "resources": entries}))

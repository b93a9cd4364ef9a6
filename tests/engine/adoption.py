"""The import file of an adoption, edited as its page describes."""

import json

from tests.engine.project import Project


def ids(bucket: str) -> dict[str, str]:
    """Return, by resource name, what the page says to write into the import file."""
    return {
        "nix-cache-bucket": bucket,
        "nix-cache-anonymous-read": bucket,
        "nix-cache-nixbuilder": "nixbuilder",
        "nix-cache-write-policy": f"{bucket}-write",
        "nix-cache-nixbuilder-write": f"nixbuilder/{bucket}-write",
    }


def keep_what_exists(project: Project, bucket: str = "nix-cache") -> None:
    """Write the ids of what exists into the file, and leave out what the engine makes itself."""
    file = project.folder / "import.json"
    written = json.loads(file.read_text())
    known = ids(bucket)
    entries = [
        {**entry, **({"id": known[entry["name"]]} if entry["name"] in known else {})}
        for entry in written["resources"]
        if entry["name"] in known or "id" not in entry
    ]
    file.write_text(json.dumps({**written, "resources": entries}))

"""`make schema`: writes components/schema.json, which is what other languages see."""

import json
from pathlib import Path

from nix_cache.plugin import CacheProvider

SCHEMA = Path(__file__).resolve().parent.parent / "components" / "schema.json"
"""The schema's file. A test fails while it is not what the code says."""


def schema_text() -> str:
    """The schema that the plugin serves, in the form in which it is kept."""
    served = json.loads(CacheProvider().schema or "{}")
    return json.dumps(served, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")

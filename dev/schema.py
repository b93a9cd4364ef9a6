"""`make schema`: writes components/schema.json, which is what other languages see."""

import json
import tomllib

from nix_cache.plugin import CacheProvider
from nix_cache.versions import semantic_version
from toolchain.bootstrap import ROOT

COMPONENTS = ROOT / "components"
SCHEMA = COMPONENTS / "schema.json"
"""The schema's file. A test fails while it is not what the code says."""


def schema_text() -> str:
    """The schema that the plugin serves, in the form in which it is kept."""
    served = json.loads(CacheProvider().schema or "{}")
    # An environment may still have the version that was there when it was made.
    project = tomllib.loads((COMPONENTS / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    served["version"] = semantic_version(project["version"])
    return json.dumps(served, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")

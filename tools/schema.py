"""Part of `make schema`: components/schema.json, which is what other languages see."""

import json
import tomllib

from nix_cache.schema import package_schema
from nix_cache.versions import semantic_version
from tools.bootstrap import ROOT

COMPONENTS = ROOT / "components"
SCHEMA = COMPONENTS / "schema.json"


def schema_text() -> str:
    """Return the schema that the plugin serves, in the form in which it is kept."""
    # An environment may still have the version that was there when it was made.
    project = tomllib.loads((COMPONENTS / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    served = {**package_schema(), "version": semantic_version(project["version"])}
    return json.dumps(served, indent=2, ensure_ascii=False) + "\n"

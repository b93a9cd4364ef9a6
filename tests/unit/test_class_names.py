"""One concept has one name: no two public classes of the sources share theirs."""

import ast
from collections import Counter

from tests.sources import syntax_tree
from tools.bootstrap import ROOT

FOLDERS = ("bench", "components", "offline", "policies", "tools")

STILL_SHARED = {
    "Backend",
    "Bucket",
    "BucketQuestion",
    "Credential",
    "Finding",
    "Page",
    "Result",
    "Seen",
}
"""Names that still have several meanings. Remove one here when its classes are renamed."""


def test_a_class_name_has_one_meaning() -> None:
    """Private classes are left out: their names are seen in their module alone."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    names = Counter(
        node.name
        for file in files
        for node in ast.walk(syntax_tree(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert {name for name, uses in names.items() if uses > 1} == STILL_SHARED

"""Adds the documentation to the package: its pages are in ``docs`` beside this folder."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Documentation(BuildHookInterface[Any]):
    """Puts every page into ``nix_cache/manual``, where ``nix-cache help`` looks for it.

    A source distribution contains the pages there already. An editable installation reads them
    where they are. A copy of this folder alone builds a package without pages.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the pages to the files of a build."""
        root = Path(self.root)
        pages = root.parent / "docs"
        if version == "editable" or (root / "PKG-INFO").exists():
            return
        for page in sorted(pages.rglob("*.md")):
            inside = page.relative_to(pages).as_posix()
            build_data["force_include"][str(page)] = f"nix_cache/manual/{inside}"

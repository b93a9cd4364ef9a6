"""The configuration of Sphinx, which builds the site of the documentation: `make docs`.

The pages are plain Markdown that is also read on a code host and by ``nix-cache help``, so the
navigation is here and not in them.
"""

import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

_BACKENDS = sorted(
    f"backends/{page.stem}"
    for page in Path(__file__).parents[2].glob("docs/backends/*.md")
    if page.stem != "index"
)

NAVIGATION = {
    "": ["getting-started", "concepts", "troubleshooting"],
    "Backends": ["backends/index", *_BACKENDS],
    "Guides": [
        *("guides/clients", "guides/push", "guides/ci", "guides/nixos", "guides/keys"),
        *("guides/private-caches", "guides/networks", "guides/move"),
    ],
    "Operations": [
        *("operations/environments", "operations/state", "operations/drift"),
        *("operations/retention", "operations/garbage-collection", "operations/statistics"),
        *("operations/removal", "operations/doctor", "operations/recovery"),
        *("operations/adoption", "operations/backup", "operations/compromised-writer"),
        *("upgrades", "policies"),
    ],
    "Reference": [
        *("reference/arguments", "reference/commands", "reference/manifest"),
        *("reference/limits", "reference/cache-protocol", "architecture"),
    ],
}
"""The pages by caption, in order. A page that is missing here fails the build."""

project = "nix-cache"
project_copyright = "the nix-cache authors"
html_title = "nix-cache"
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 6
myst_enable_extensions = ["alert"]
nitpicky = True

html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#20559c", "color-brand-content": "#20559c"},
    "dark_css_variables": {"color-brand-primary": "#8cbcff", "color-brand-content": "#8cbcff"},
}
html_favicon = "../../components/nix_cache/render/page/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def adapt(app: Sphinx, docname: str, source: list[str]) -> None:
    """Add the navigation to the first page, and unlink files that are not part of the site."""

    def inside(link: re.Match[str]) -> str:
        path = link[2].partition("#")[0]
        folder = posixpath.dirname(docname)
        outside = posixpath.normpath(posixpath.join(folder, path)).startswith("..")
        return link[1] if outside and "://" not in path else link[0]

    source[0] = _LINK.sub(inside, source[0])
    if docname == "index":
        for caption, pages in NAVIGATION.items():
            lines = "\n".join(pages)
            option = f":caption: {caption}\n" if caption else ""
            source[0] += f"\n```{{toctree}}\n:hidden:\n{option}\n{lines}\n```\n"


def setup(app: Sphinx) -> None:
    """Register the above."""
    assert Path(app.srcdir, "index.md").is_file()
    app.connect("source-read", adapt)

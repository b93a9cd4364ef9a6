"""Checks the language of the project: `python -m tools.prose [PATH …]`, or else the checked areas.

Vale applies the rules of `styles/NixCache`. Markdown it reads itself; what it gets of other files
are their texts, comments and names.
"""

import os
import sys
from pathlib import Path

from tools.bootstrap import ROOT
from tools.errors import BuildError, ToolError
from tools.prose.check import areas, check


def main() -> int:
    """Check the given paths, or all checked areas; return the process's exit code."""
    paths = [Path(name).resolve() for name in sys.argv[1:]]
    try:
        found = check(ROOT, paths or areas(), unused_are_errors=not paths)
    except BuildError as failure:
        print(f"prose is not checked: {failure}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    except ToolError as failure:
        found = [f"error: {failure}"]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

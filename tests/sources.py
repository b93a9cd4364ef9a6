"""The sources of this repository, as tests that look at code read them."""

import ast
import gc


def syntax_tree(source: str) -> ast.Module:
    """Return the syntax tree of a source.

    No garbage is collected meanwhile. It can report failed futures, for which Python before 3.11.8
    parses sources too, and fails (see `conftest.py`).
    """
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()

"""Closures of many small store paths, made without a build for each."""

import json
import secrets
from pathlib import Path

from tests.e2e.nix import Nix
from tests.e2e.store_paths import Closure

DEPTH = 15
"""Paths in the longest chain of references. Real closures are about this deep."""

_TIMEOUT_SECONDS = 900

# Path number n refers to the path that is `width` before it; the last `width` are the root's.
_EXPRESSION = """\
{ seed, count, width }:
let
  word = n: m: builtins.hashString "sha512" "${seed} ${toString n} ${toString m}";
  content = n: builtins.concatStringsSep "\\n" (builtins.genList (word n) 32);
  before = n: if n < width then "" else "${builtins.elemAt paths (n - width)}";
  make = n: builtins.toFile "small-${toString n}" "${content n}\\n${before n}\\n";
  paths = builtins.genList make count;
  last = builtins.genList (n: builtins.elemAt paths (count - 1 - n)) width;
in
builtins.toFile "root" (builtins.concatStringsSep "\\n" last)
"""


def add(nix: Nix, count: int) -> Closure:
    """Add a closure of some paths of 4 kB each, and a root. All are content-addressed.

    Args:
        nix: the machine to whose store they are added.
        count: how many small paths there are beside the root.
    """
    seed = secrets.token_hex(8)
    expression = nix.folder / f"{seed}.nix"
    expression.write_text(_EXPRESSION)
    width = -(-count // DEPTH)
    printed = nix.get(
        *("--eval", "--read-write-mode", "--json", str(expression), "--argstr", "seed", seed),
        *("--arg", "count", str(count), "--arg", "width", str(width)),
        program="nix-instantiate",
        timeout=_TIMEOUT_SECONDS,
    )
    root = json.loads(printed)
    paths = nix.get("--query", "--requisites", root, program="nix-store").split()
    return Closure(root, tuple(paths), {})


def file_of(nix: Nix, path: str) -> Path:
    """Return where a store path is, seen from outside of the Nix."""
    return nix.store_folder / "store" / Path(path).name

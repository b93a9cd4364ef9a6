"""Store paths made by real, input-addressed builds with ``/bin/sh`` as builder."""

import itertools
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.nix import Nix

# A chain: each path names the one before it, and the first one names the large ones.
EXPRESSION = """\
{ seed, length, files, cat }:
let
  build = name: script: env: derivation ({
    inherit name seed;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
  } // env);
  large = map (file: build "large" ''"$cat" "$file" > "$out"'' { inherit cat file; }) files;
  small = build "small" ''echo "$seed $number $before" > "$out"'';
  next = before: number: small { inherit before; number = toString number; };
in
if length == 0 then large else builtins.foldl' next large (builtins.genList (n: n) length)
"""

TIMEOUT_SECONDS = 240


@dataclass(frozen=True)
class Closure:
    """A closure that was built.

    Attributes:
        root: the path that refers to all the others.
        paths: all of them, a path after those that it refers to.
        nar_hashes: by path, the hash of what the build made.
    """

    root: str
    paths: tuple[str, ...]
    nar_hashes: dict[str, str]


def build(
    nix: Nix, length: int = 1, large_bytes: Sequence[int] = (), *, compressible: bool = True
) -> Closure:
    """Build a closure that no user has built before.

    Args:
        nix: the machine that builds.
        length: how many small paths there are, each referring to the one before it; without any,
            there has to be one large path.
        large_bytes: a size for each further path; the first small one refers to them.
        compressible: whether those hold what store paths hold, or random bytes.
    """
    seed = secrets.token_hex(8)
    expression = nix.folder / f"{seed}.nix"
    expression.write_text(EXPRESSION)
    files = []
    for number, size in enumerate(large_bytes):
        file = nix.folder / f"{seed}-{number}.data"
        if compressible:
            write_realistic_data(file, size, f"{seed}-{number}", nix.real.samples())
        else:
            file.write_bytes(os.urandom(size))
        files.append(str(file))
    quoted = " ".join(f'"{file}"' for file in files)
    root = nix.get(
        *("build", "--no-link", "--print-out-paths", "--offline", "--file", str(expression)),
        *("--argstr", "seed", seed, "--arg", "length", str(length)),
        *("--arg", "files", f"[ {quoted} ]", "--argstr", "cat", nix.real.cat()),
        timeout=TIMEOUT_SECONDS,
    )
    for name in files:
        Path(name).unlink()
    paths = nix.get("--query", "--requisites", root, program="nix-store").split()
    return Closure(root, tuple(paths), nix.nar_hashes(paths))


def write_realistic_data(target: Path, size: int, head: str, samples: Path) -> None:
    """Write data such as store paths hold.

    Args:
        target: the file to write.
        size: in bytes.
        head: what it starts with, so that it is like no other.
        samples: the folder whose files make it up, over and over. They are more than any window
            of a compressor, so that their coming again saves nothing.
    """
    files = sorted(path for path in samples.rglob("*") if path.is_file() and not path.is_symlink())
    left = size - len(head)
    with target.open("wb") as data:
        data.write(head.encode())
        for path in itertools.cycle(files):
            left -= data.write(path.read_bytes()[:left])
            if not left:
                return

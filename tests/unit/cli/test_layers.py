"""Commands import layers, and a layer imports only those below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nix_cache.cli
from nix_cache.backends.registry import BACKENDS
from tests.sources import syntax_tree

PACKAGE = "nix_cache.cli"
FOLDER = Path(nix_cache.cli.__file__).parent
BASE = frozenset({"commands", "errors", "limits", "options"})
"""Modules of the package itself that every layer may import. They import no layer."""

LAYERS = ("machine", "nix", "s3", "nars", "caches", "inventory", "upload")
"""From the lowest to the highest."""

START = frozenset({"__init__", "__main__", "app"})
"""They put the commands together, so they may import everything, and are imported by nothing."""

COMMANDS = frozenset(
    folder.name for folder in FOLDER.iterdir() if (folder / "__init__.py").exists()
) - set(LAYERS)


def allowed(part: str) -> frozenset[str]:
    """Return what the modules of a part may import of the client, beside the part itself."""
    if part in BASE:
        return BASE
    if part in LAYERS:
        return BASE | set(LAYERS[: LAYERS.index(part)])
    return BASE | set(LAYERS)


def all_imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield the whole names of what a module imports, also within functions, with their lines."""
    for node in ast.walk(syntax_tree(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield the client's parts that a module imports, also within functions, with lines."""
    for line, name in all_imports(source):
        if name.startswith(f"{PACKAGE}."):
            yield line, name.removeprefix(f"{PACKAGE}.").partition(".")[0]


def wrong_imports(part: str, source: str) -> list[str]:
    """Return the imports of a module that its part must not have."""
    return [
        f"line {line} imports {PACKAGE}.{other}"
        for line, other in imports(source)
        if other != part and other not in allowed(part)
    ]


def foreign_imports(source: str) -> list[str]:
    """Return what a module of the client imports of the engine, of boto3 or of one backend."""
    backends = tuple(f"nix_cache.backends.{name}." for name in BACKENDS)
    return [
        name
        for _, name in all_imports(source)
        if f"{name}.".startswith(("pulumi.", "pulumi_", "boto3.", *backends))
    ]


def part_of(file: Path) -> str:
    """Return a file's layer or command; of the package's own modules, their name."""
    return file.relative_to(FOLDER).with_suffix("").parts[0]


@pytest.mark.parametrize(
    "file",
    sorted(file for file in FOLDER.rglob("*.py") if part_of(file) not in START),
    ids=lambda file: str(file.relative_to(FOLDER)),
)
def test_a_module_imports_only_layers_below_it(file: Path) -> None:
    assert not wrong_imports(part_of(file), file.read_text())


@pytest.mark.parametrize(
    "file", sorted(FOLDER.rglob("*.py")), ids=lambda file: str(file.relative_to(FOLDER))
)
def test_the_client_imports_neither_the_engine_nor_a_backend(file: Path) -> None:
    """It runs without them, and what a backend can do it reads from the backend's spec."""
    assert not foreign_imports(file.read_text())


def test_there_are_the_commands_that_users_know() -> None:
    assert {"use", "push", "hook", "doctor", "gc"} <= COMMANDS
    assert not COMMANDS & BASE


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("gc", "from nix_cache.cli.push.command import push"),
        ("hook", "def f():\n    from nix_cache.cli.use import advice"),
        ("s3", "from nix_cache.cli.gc import sweep"),
        ("s3", "import nix_cache.cli.upload.session"),
        ("machine", "from nix_cache.cli.nix.program import ask"),
        ("machine", "from nix_cache.cli import nix"),
        ("limits", "from nix_cache.cli.machine import files"),
        ("doctor", "from nix_cache.cli import app"),
    ],
)
def test_an_import_past_the_layers_is_found(part: str, source: str) -> None:
    assert wrong_imports(part, source)


@pytest.mark.parametrize(
    "source",
    [
        "import pulumi",
        "def f():\n    from pulumi_minio import IamUser",
        "from boto3 import client",
        "from nix_cache.backends.minio import server",
        "from nix_cache.backends import aws",
    ],
)
def test_an_import_of_the_engine_or_a_backend_is_found(source: str) -> None:
    assert foreign_imports(source)
    assert not foreign_imports("from nix_cache.backends.registry import BACKENDS")

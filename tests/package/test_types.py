"""What an editor and a type checker know of the installed package."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.package.running import printed_by

RIGHT = """
import pulumi

from nix_cache import Backend, BinaryCache, BinaryCacheArgs, MinioArgs, WriterArgs

writer: WriterArgs = {"name": "ci-runner", "generation": 2}
server = MinioArgs(endpoint=pulumi.Output.secret("https://minio.example.org"), region="us-east-1")
args: BinaryCacheArgs = {"domain": "cache.example.org", "writers": [writer], "minio": server}
by_enum: BinaryCacheArgs = {**args, "backend": Backend.MINIO}
text = str(pulumi.get_stack())
by_text: BinaryCacheArgs = {**args, "backend": text}
cache = BinaryCache("cache", args, pulumi.ResourceOptions(protect=True))
read_url: pulumi.Output[str] = cache.read_url
keys: pulumi.Output[list[str]] = cache.public_keys
pulumi.export("url", read_url.apply(str.upper))
"""

WRONG = """
import pulumi
from nix_cache import BinaryCache, BinaryCacheArgs

no_domain: BinaryCacheArgs = {"public": True}  # typeddict-item
unknown: BinaryCacheArgs = {"domain": "a.example", "expires": 90}  # typeddict-unknown-key
text: BinaryCacheArgs = {"domain": "a.example", "priority": "40"}  # typeddict-item
writer: BinaryCacheArgs = {"domain": "a.example", "writers": ["ci"]}  # list-item
output: BinaryCacheArgs = {"domain": pulumi.Output.from_input("a.example")}  # typeddict-item
inner: BinaryCacheArgs = {"domain": "a.example", "minio": {"url": "a"}}  # typeddict-item
cache = BinaryCache("cache", {"domain": "a.example"})
length: int = cache.read_url  # assignment
cache.read_uri  # attr-defined
"""
"""Each line with the error that it is to get."""

_REPORTED = re.compile(r"^\S*wrong\.py:(\d+): error: .*\[([\w-]+)\]$", re.MULTILINE)


def type_checked(python: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Mypy over a folder's programs, which knows the installed package alone."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--no-pretty"),
            *("--python-executable", str(python), "--cache-dir", str(folder / "cache")),
            *("right.py", "wrong.py"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_a_strict_type_checker_knows_arguments_and_outputs(python: Path, tmp_path: Path) -> None:
    """It accepts what is right, and finds a wrong key, a wrong value and a wrong use."""
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    expected = {
        (str(number), line.partition("  # ")[2])
        for number, line in enumerate(WRONG.splitlines(), 1)
        if "  # " in line
    }

    reported = type_checked(python, tmp_path)

    assert "right.py" not in reported.stdout, reported.stdout
    assert expected <= set(_REPORTED.findall(reported.stdout)), reported.stdout + reported.stderr


@pytest.fixture(scope="module")
def classes(python: Path, tmp_path_factory: pytest.TempPathFactory) -> list[ast.ClassDef]:
    """Provide the public classes, as the installed package has them."""
    modules = "argument_types as a, binary_cache as b"
    program = f"from nix_cache import {modules}; print(a.__file__, b.__file__)"
    files = printed_by(python, program, tmp_path_factory.mktemp("anywhere")).split()
    trees = [ast.parse(Path(file).read_text()) for file in files]
    return [
        node
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def test_every_argument_and_output_says_what_it_means(classes: list[ast.ClassDef]) -> None:
    """In its own docstring, which an editor shows."""
    silent = [
        f"{node.name}.{ast.unparse(field.target)}"
        for node in classes
        for field, after in zip(node.body, [*node.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]
    fields = [item for node in classes for item in node.body if isinstance(item, ast.AnnAssign)]

    assert {"BinaryCache", "BinaryCacheArgs"} <= {node.name for node in classes}
    assert len(fields) > 50
    assert silent == []
    assert all(ast.get_docstring(node) for node in classes)

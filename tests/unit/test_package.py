"""What the package says where an extra is missing."""

import subprocess
import sys

WITHOUT = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refusing())
{program}
"""


def run_without(refused: set[str], program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in an interpreter that has not got some packages."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(refused=refused, program=program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_component_without_pulumi_names_the_extra() -> None:
    """A client's installation has no Pulumi, and a user may try."""
    done = run_without({"pulumi"}, "from nix_cache import BinaryCache")

    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: nix_cache.BinaryCache needs the package pulumi, which is not "
        "installed; install it with the extra of your backend: pip install 'nix-cache[minio]'"
    )


def test_the_client_works_without_pulumi() -> None:
    """None of its modules may load it, for it takes long and is not there."""
    program = """
from pkgutil import walk_packages
from importlib import import_module
from nix_cache import cli
names = [module.name for module in walk_packages(cli.__path__, "nix_cache.cli.")]
assert len(names) > 40, names
for name in names:
    import_module(name)
"""
    done = run_without({"pulumi", "pulumi_minio", "jinja2", "grpc"}, program)

    assert done.returncode == 0, done.stderr


def test_a_configuration_is_checked_without_pulumi() -> None:
    """`make` looks at it before each command."""
    program = """
from nix_cache.config.stack import checked_settings
given = {"domain": "cache.example.org", "minio": '{"endpoint": "https://minio.example.org"}'}
checked_settings({f"nix-cache:{key}": value for key, value in given.items()})
"""
    done = run_without({"pulumi", "pulumi_minio", "grpc"}, program)

    assert done.returncode == 0, done.stderr


def test_help_loads_nothing_of_what_the_commands_do() -> None:
    """It is there at once: only the options are read."""
    program = "from nix_cache.cli import app; raise SystemExit(app.run(['--help']))"
    done = run_without({"pydantic", "requests", "urllib3", "botocore", "zstandard"}, program)

    assert done.returncode == 0, done.stderr
    assert all(f" {name} " in done.stdout for name in ("use", "push", "hook", "doctor"))

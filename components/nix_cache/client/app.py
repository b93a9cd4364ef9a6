"""The command line: which commands there are, and how each of them ends."""

from typing import Annotated

import typer

from nix_cache.client import console
from nix_cache.client.doctor.command import doctor
from nix_cache.client.errors import ClientError, ExitCode
from nix_cache.client.gc.command import gc
from nix_cache.client.hook.command import hook
from nix_cache.client.push.command import push
from nix_cache.client.use.command import use

app = typer.Typer(
    name="nix-cache",
    help="Use a Nix binary cache on storage of your own: read from it, push to it, check it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nix-cache {version('nix-cache')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Options that every command has."""


app.command()(use)
app.command()(push)
app.command()(hook)
app.command()(doctor)
app.command()(gc)


def run(arguments: list[str] | None = None) -> int:
    """Run one command. One that fails without an error of its own raises ``typer.Exit``.

    Args:
        arguments: the command line without the program's name; the process's own if None.

    Returns:
        the exit code.
    """
    try:
        app(arguments, prog_name="nix-cache")
    except ClientError as failure:
        console.error(failure)
        return failure.exit_code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.FAILED
    return ExitCode.OK

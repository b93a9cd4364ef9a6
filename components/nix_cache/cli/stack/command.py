"""The commands `nix-cache stack`: their options. Their code is imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

from nix_cache.cli.errors import ExitCode
from nix_cache.cli.options import Command

DRIFTED = 2
"""The exit code of a check that found drift, as in `terraform plan -detailed-exitcode`."""

app = typer.Typer(
    name="stack",
    help="Operate a Pulumi stack that has caches: find drift, repair it, renew a credential.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Stack = Annotated[
    str | None,
    typer.Option(
        "--stack", "-s", metavar="NAME", help="The stack.", show_default="the selected one"
    ),
]
_Folder = Annotated[
    Path | None,
    typer.Option(
        "--cwd",
        "-C",
        metavar="FOLDER",
        help="The program's folder.",
        show_default="the current one",
    ),
]
_Pulumi = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The program `pulumi`.", show_default="the one on PATH"),
]
_Cache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="NAME",
        help="One cache, by its name in the program.",
        show_default="all caches of the stack",
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
_Packs = Annotated[
    list[str] | None,
    typer.Option(
        "--policy-pack",
        metavar="FOLDER",
        help="A policy pack for the update. May be given several times.",
        show_default=False,
    ),
]
_PackConfigs = Annotated[
    list[str] | None,
    typer.Option(
        "--policy-pack-config",
        metavar="FILE",
        help="The configuration of each policy pack, in the same order.",
        show_default=False,
    ),
]


@app.command(cls=Command)
def drift(
    stack: _Stack = None,
    cwd: _Folder = None,
    pulumi: _Pulumi = None,
    cache: _Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find what was changed outside the stack. Writes nothing.

    Exits 0 without drift, 2 with drift, and 1 if the stack could not be checked.
    """
    from nix_cache.cli.stack import session

    if session.drift(session.opened(stack, cwd, pulumi), cache, as_json=as_json):
        raise typer.Exit(DRIFTED)


@app.command(cls=Command)
def repair(
    stack: _Stack = None,
    cwd: _Folder = None,
    pulumi: _Pulumi = None,
    cache: _Cache = None,
    policy_pack: _Packs = None,
    policy_pack_config: _PackConfigs = None,
    yes: _Yes = False,
) -> None:
    """Put back what was changed outside the stack.

    Shows what was found and asks for confirmation first. Ends with `pulumi up --refresh`, limited
    to the resources of the caches. For these it also applies what was changed in the program.
    Other resources of the stack are left alone.
    """
    from nix_cache.cli.stack import session

    opened = session.opened(stack, cwd, pulumi, policy_pack or (), policy_pack_config or ())
    session.repair(opened, cache, yes=yes)


@app.command(cls=Command)
def renew(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's name on the server.")],
    stack: _Stack = None,
    cwd: _Folder = None,
    pulumi: _Pulumi = None,
    cache: _Cache = None,
    policy_pack: _Packs = None,
    policy_pack_config: _PackConfigs = None,
    yes: _Yes = False,
) -> None:
    """Replace the leaked credential of one user.

    Temporary credentials that were obtained with it end too. The rest of the user's cache is
    repaired as well; other resources of the stack are left alone. This is for backends whose users
    are kept on your own server.
    """
    from nix_cache.cli.stack import session

    opened = session.opened(stack, cwd, pulumi, policy_pack or (), policy_pack_config or ())
    session.renew(opened, user, cache, yes=yes)


@app.command(cls=Command)
def verify(
    backend: Annotated[
        str, typer.Argument(metavar="BACKEND", help="The storage service, such as b2.")
    ],
    pulumi: _Pulumi = None,
    yes: _Yes = False,
) -> None:
    """Test a storage service with a temporary cache. Needs an account there."""
    from nix_cache.cli.stack.verify import session

    if session.verify(backend, pulumi, yes=yes):
        raise typer.Exit(ExitCode.FAILED)

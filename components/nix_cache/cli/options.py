"""What the command lines of several commands share: options, and the form of `--help`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from nix_cache.cli.errors import UsageError

JOBS = 25
"""Requests at a time, as many as Nix's own ``http-connections``."""

WriterCache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        "--to",
        metavar="CACHE",
        help="The cache, by its name on this machine. Default: the only one that this machine "
        "pushes to.",
        show_default=False,
    ),
]
"""Which cache a command that pushes is about."""

Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", min=1, max=256, metavar="N", help="The most parallel requests."),
]
"""How many requests a command sends at a time."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
"""Whether the user agrees beforehand."""


def owner_option(rights: str, default: str = " Default: the cache's janitor.") -> Any:
    """Return the option ``--owner`` of a command that needs rights in the whole bucket.

    Args:
        rights: what the profile can do, after ``can``.
        default: who does it without the option.
    """
    return typer.Option(
        "--owner",
        metavar="PROFILE",
        help=f"A credentials profile that can {rights}.{default}",
        show_default=False,
    )


PartSize = Annotated[
    str | None,
    typer.Option(
        "--part-size",
        metavar="MIB",
        help="Upload larger files in parts of this size, for proxies that limit requests. "
        "Default: $NIX_CACHE_PART_SIZE, the cache's partSizeMib, or 16.",
        show_default=False,
    ),
]
"""The size of parts, for a command that pushes."""

LimitRate = Annotated[
    str | None,
    typer.Option(
        "--limit-rate",
        metavar="RATE",
        help="Upload at most this many bytes per second, such as 500k or 2M. "
        "Default: $NIX_CACHE_LIMIT_RATE, or no limit.",
        show_default=False,
    ),
]
"""How fast a command that pushes uploads."""

_MOST_KEPT = 36_500
"""``pin.MOST_KEPT``, without the imports that would slow every command down."""

KeepRevisions = Annotated[
    int | None,
    typer.Option(
        "--keep-revisions",
        min=1,
        max=_MOST_KEPT,
        metavar="N",
        help="Keep the store paths of the latest N revisions of the pin. Default: of the latest "
        "one.",
        show_default=False,
    ),
]
"""How many revisions of a pin are kept."""

KeepDays = Annotated[
    int | None,
    typer.Option(
        "--keep-days",
        min=1,
        max=_MOST_KEPT,
        metavar="N",
        help="Also keep the store paths that were pinned under this name within the last N days.",
        show_default=False,
    ),
]
"""Of how many days the revisions of a pin are kept."""

GRACE_DAYS = 30
"""``lifecycle.NARINFO_TTL_DAYS``, without the imports that would slow every command down."""

MOST_DAYS = 36_500
"""The longest age and grace period that commands accept, in days."""

_SOURCE = (
    "A cache by its name on this machine, a stack, a file with the output of a stack (- for "
    "standard input), or a URL. Default: the only cache that this machine uses."
)

Cache = Annotated[str | None, typer.Argument(metavar="SOURCE", help=_SOURCE, show_default=False)]
"""Which cache a command that examines one is about."""

NamedCache = Annotated[
    str | None, typer.Option("--cache", metavar="SOURCE", help=_SOURCE, show_default=False)
]
"""The same, for a command whose arguments are something else."""

SameCache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="SOURCE",
        help="SOURCE as an option, as the other commands have it.",
        show_default=False,
    ),
]
"""The same, beside the argument: `--cache` names the cache of every command that is about one."""


def one_cache(argument: str | None, option: str | None) -> str | None:
    """Return the cache that a command line names as an argument or by ``--cache``.

    Raises:
        UsageError: it names two.
    """
    if argument is not None and option is not None and argument != option:
        raise UsageError(
            f"two caches are named: {argument}, and {option} by --cache", "name one of them"
        )
    return option if argument is None else argument


Project = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="FOLDER",
        help="The folder of the Pulumi program, if SOURCE is a stack. Default: the current folder.",
        show_default=False,
    ),
]
"""Where a stack's program is."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
"""Whether the result is for programs."""


def refuse_with(option: str, values: Mapping[str, object]) -> None:
    """Refuse options that have no meaning with another one.

    Args:
        option: the other one, which is given.
        values: by name, the value of each option; None if it is not given.

    Raises:
        UsageError: one of them is given.
    """
    for name, value in values.items():
        if value is not None:
            raise UsageError(
                f"{name} has no meaning with {option}", f"leave out {name} or {option}"
            )


class Command(TyperCommand):
    """A command whose help names arguments as its usage line does, without types of Python."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line: options, then each argument."""
        pieces = ["[OPTIONS]"]
        for argument in self._arguments(ctx):
            name = f"{argument.metavar}{'...' if argument.nargs != 1 else ''}"
            pieces.append(name if argument.required else f"[{name}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of arguments and options."""
        arguments = [(argument.metavar, argument.help) for argument in self._arguments(ctx)]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        others = [p for p in self.get_params(ctx) if p.param_type_name == "option"]
        records = [record for option in others if (record := option.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl(records)

    def _arguments(self, ctx: Any) -> list[Any]:
        return [p for p in self.get_params(ctx) if p.param_type_name == "argument"]

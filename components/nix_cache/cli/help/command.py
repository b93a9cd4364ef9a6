"""The command `nix-cache help`: its options. The pages are read when it runs."""

from typing import Annotated

import typer


def help_command(
    context: typer.Context,
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC",
            help="A page, such as guides/push or push. Add #HEADING to print one section.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print a page of the documentation, or list all pages.

    On a terminal the page is formatted and shown in $PAGER. Otherwise its Markdown is printed.
    """
    from nix_cache.cli.help import pages, viewer

    if topic is None:
        viewer.show_topics(pages.all_pages())
    else:
        commands = getattr(context.find_root().command, "commands", {})
        viewer.show(pages.find(topic, commands))

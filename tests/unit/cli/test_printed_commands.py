"""Commands in messages: the real parsers take each as printed, with the stack that is meant."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from nix_cache.cli.app import program
from nix_cache.cli.commands import StackPlace, completed, completing
from nix_cache.cli.errors import ClientError, UsageError
from tests.unit.cli.printed_commands import VALUE, Printed, printed
from tools.bootstrap import ROOT

ALL = list(dict.fromkeys(printed()))
PLACE = StackPlace("org/prod", Path("/srv/our shop"))


def of(program: str) -> list[Printed]:
    """Return the commands of one program."""
    return [one for one in ALL if one.words.split()[0] == program]


def parse(words: str) -> Any:
    """Let the real parser of the client read a command line, without running it."""
    command: Any = typer.main.get_command(program())
    name, *rest = shlex.split(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    return command.make_context(name, rest)


def test_the_messages_have_commands() -> None:
    """The list is not empty by mistake, and it knows orders from mentions."""
    assert len(of("nix-cache")) > 40
    assert len(of("pulumi")) > 10
    assert sum(one.is_order for one in ALL) > 30


@pytest.mark.parametrize("one", of("nix-cache"), ids=lambda one: one.place)
def test_a_command_of_the_client_is_parsed_as_it_is_printed(one: Printed) -> None:
    """With its arguments if the reader shall run it; else the command and its options exist."""
    words = one.words
    if not one.is_order:
        words = re.sub(r"COMMAND|TOPIC", "gc", words)
        words += " --help" if "--help" not in words else ""
        with pytest.raises(typer.Exit):
            parse(words)
        return
    parse(words)


@pytest.mark.parametrize("one", of("make"), ids=lambda one: one.place)
def test_a_target_of_make_exists(one: Printed) -> None:
    """As the Makefile of a clone has it."""
    targets = re.findall(r"^([a-z0-9 -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert one.words.split()[1] in {name for names in targets for name in names.split()}


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.place)
def test_a_command_on_a_stack_names_the_stack_that_is_meant(one: Printed) -> None:
    """Whatever the message, where the stack is known; and the rest of the message stays."""
    text = completed(one.message, PLACE)

    commands = re.findall(r"`((?:pulumi|nix-cache stack (?:drift|renew|repair)) ?[^`]*)`", text)
    for command in commands:
        words = shlex.split(command)
        if "ls" in words or words[:2] in (["pulumi", "login"], ["pulumi", VALUE]):
            continue
        assert words.count("--stack") == 1, command
        if words[0] == "nix-cache":
            parse(command)
    assert completed(text, PLACE) == text
    assert completed(one.message, None) == one.message


def test_values_are_quoted_for_a_shell() -> None:
    """Folders have blanks, and URNs have dollar signs."""
    stack = StackPlace("dev", Path("/srv/our shop"), "/opt/my pulumi")

    assert stack.command("pulumi", "state", "delete", "urn:a$b::c") == (
        "'/opt/my pulumi' state delete 'urn:a$b::c' --stack dev --cwd '/srv/our shop'"
    )
    assert completed("first `nix-cache stack repair`, then", stack) == (
        "first `nix-cache stack repair --stack dev --cwd '/srv/our shop' "
        "--pulumi '/opt/my pulumi'`, then"
    )
    assert completed("`pulumi up --stack x`", stack) == "`pulumi up --stack x`"
    assert completed("`pulumi refresh`", StackPlace("dev")) == "`pulumi refresh --stack dev`"


def test_errors_within_name_the_stack_and_stay_what_they_are() -> None:
    """The type, and with it the exit code, is the same."""
    with pytest.raises(UsageError) as raised, completing(StackPlace("x")):
        raise UsageError("it is gone", "run `pulumi up`")
    assert str(raised.value) == "it is gone; run `pulumi up --stack x`"
    with pytest.raises(ClientError, match=r"run `pulumi up`$"), completing(None):
        raise ClientError("it is gone", "run `pulumi up`")

"""What a reservation on AWS asks: nothing. The program asked through its provider already.

So the program hands over why the name is taken, and this decides whether that matters.
"""

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import Config, DiffResult


def question(config: Config) -> "NameQuestion":
    """Make the question, which needs no configuration."""
    return NameQuestion()


class NameQuestion:
    """Decides on one name."""

    kept = ("name", "taken")

    def problem(self, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Explain why the name cannot be used; empty if it can. What is held stays held."""
        is_held = held.get("name") == wanted["name"]
        return "" if is_held or wanted["adopt"] else str(wanted["taken"])

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        """Replace the reservation with its name."""
        replaces = ["name"] if kept["name"] != wanted["name"] else []
        return DiffResult(changes=bool(replaces), replaces=replaces)

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        """Use the name."""
        return str(wanted["name"])

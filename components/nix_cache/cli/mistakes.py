"""Messages for mistakes on a command line, with hints for wrong guesses of its form."""

from typing import Any

_GUESSED_OPTIONS = frozenset({"--bucket", "--cache", "--from", "--name", "--source", "--to"})
"""What people type to name a cache. Similar spelling would lead from `--cache` to `--grace`."""


def explained(mistake: Any) -> str:
    """Return what is wrong with a command line, in one line, and where its options are listed.

    Args:
        mistake: what typer raised.
    """
    context = mistake.ctx
    if context is None:
        return f"{mistake.format_message().rstrip('.')}; see `nix-cache --help`"
    if refused := _refused_number(mistake):
        return f"{refused}; see `{context.command_path} --help`"
    options = {name for option in context.command.params for name in option.opts}
    problem, hint = mistake.format_message().rstrip("."), ""
    if hasattr(mistake, "possibilities") and mistake.option_name in _GUESSED_OPTIONS:
        problem = mistake.message
        hint = "name the cache with --cache" if "--cache" in options else _form(context)
    elif problem.startswith(("Got unexpected extra", "Missing argument")):
        is_further = problem.startswith("Got")
        hint = f"{_form(context)}{_named_by(options, context) if is_further else ''}"
    return "; ".join(filter(None, (problem, hint, f"see `{context.command_path} --help`")))


def _refused_number(mistake: Any) -> str | None:
    """Return what is wrong with the number after an option; None for all other mistakes."""
    found = getattr(mistake.__cause__, "errors", None)
    if found is None or mistake.param is None:
        return None
    (first, *_) = found()
    kind, limits = first["type"], first.get("ctx", {})
    given = f"{mistake.param.opts[0]} {str(first['input'])!r}"
    if kind == "greater_than_equal":
        return f"{given} is below {limits['ge']:g}; give a number of at least {limits['ge']:g}"
    if kind == "less_than_equal":
        return f"{given} is above {limits['le']:g}; give a number of at most {limits['le']:g}"
    if kind.startswith("int_"):
        return f"{given} is not a whole number; give digits alone"
    if kind.startswith("float_"):
        return f"{given} is not a number; give digits, such as 30 or 0.5"
    return None


def _form(context: Any) -> str:
    words = (context.command_path, *context.command.collect_usage_pieces(context))
    return f"give `{' '.join(words)}`"


def _named_by(options: set[str], context: Any) -> str:
    """Return how to name what people expect to be an argument."""
    if "--stack" in options:
        return ", and name the stack with --stack"
    has_source = "SOURCE" in {option.metavar for option in context.command.params}
    return ", and name the cache with --cache" if "--cache" in options and not has_source else ""

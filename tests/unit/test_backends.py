"""What the backends can do, as the check goes by it and as the README tells it."""

from nix_cache.backends import BACKENDS, EXPIRY_RULES, comparison
from nix_cache.iam.lifecycle import expiry_rules
from nix_cache.settings import CacheSettings
from toolchain.bootstrap import ROOT


def table() -> str:
    """The comparison as Markdown."""
    head, *rows = (f"| {' | '.join(row)} |" for row in comparison())
    line = f"|{' --- |' * (len(BACKENDS) + 1)}"
    return "\n".join([head, line, *rows])


def test_the_readme_compares_the_backends_as_the_code_does() -> None:
    """Whoever changes the one has to change the other."""
    assert table() in (ROOT / "README.md").read_text()


def test_every_backend_that_can_be_chosen_is_described() -> None:
    """And has settings of its own."""
    choices = CacheSettings.model_json_schema()["properties"]["backend"]["enum"]

    assert sorted(choices) == sorted(BACKENDS)
    assert set(BACKENDS) <= set(CacheSettings.model_fields)


def test_an_expiry_takes_as_many_rules_as_is_said() -> None:
    """By which it is known where it can be had."""
    assert len(expiry_rules(1)) == EXPIRY_RULES

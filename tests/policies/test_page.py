"""The page on policies lists the rules as they are."""

import json

from nix_cache.policy.judgement import EXCEPTIONS
from nix_cache.policy.rules import all_rules
from tests.pages import blocks, section

PAGE = "docs/policies.md"
LEVELS = {"mandatory", "advisory", "disabled"}


def test_the_table_has_every_rule_in_its_order_and_words() -> None:
    """Copy the rows from here when a rule changes."""
    rows = "\n".join(f"| `{rule.id}` | {rule.holds} |" for rule in all_rules())

    assert f"| --- | --- |\n{rows}\n\n" in section(PAGE, "Rules")


def test_the_example_of_a_configuration_is_one() -> None:
    """Rules, settings, levels and reasons as the engine will check them."""
    [block] = blocks(PAGE, language="json")
    example = json.loads(block.content)
    settings = {rule.id: {*EXCEPTIONS, *rule.settings} for rule in all_rules()}
    shortest = EXCEPTIONS["exceptions"]["additionalProperties"]["minLength"]

    assert {"exceptions", "developmentStacks", "janitors", "enforcementLevel"} == {
        name for config in example.values() for name in config
    }
    for rule, config in example.items():
        assert config.pop("enforcementLevel", "mandatory") in LEVELS
        assert set(config) <= settings[rule]
        assert all(len(reason) >= shortest for reason in config.get("exceptions", {}).values())

"""The reference page is what the code says."""

import json

from tools.reference import reference
from tools.schema import SCHEMA

PAGE = reference(json.loads(SCHEMA.read_text()))


def test_every_argument_and_output_has_its_line() -> None:
    """With a meaning."""
    schema = json.loads(SCHEMA.read_text())
    [cache] = schema["resources"].values()
    kinds = [cache["inputProperties"], cache["properties"]]
    kinds += [kind["properties"] for kind in schema["types"].values() if "properties" in kind]

    names = [name for kind in kinds for name in kind]
    assert len(names) > 50
    for name in names:
        assert any(
            line.startswith(f"| `{name}` |") and len(line.split(" | ")[-1]) > 10
            for line in PAGE.splitlines()
        ), name


def test_every_link_of_the_page_leads_to_a_heading_of_it() -> None:
    """As GitHub names them."""
    headings = {line[4:].lower() for line in PAGE.splitlines() if line.startswith("### ")}
    links = {part.partition(")")[0] for part in PAGE.split("](#")[1:]}

    assert links
    assert links <= headings

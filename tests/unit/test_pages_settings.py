"""The settings and arguments that documents show, checked as the program checks them."""

from typing import Any

import pytest
import yaml

from nix_cache.config.check import check
from nix_cache.config.spelling import Spelling
from tests.pages import README, Block, blocks, documents
from tests.samples import SAMPLES

PREFIX = "nix-cache:"


def settings_in(block: Block) -> dict[str, Any]:
    """Return the cache's settings in a block; empty if it is about something else."""
    written = yaml.safe_load(block.content)
    if not isinstance(written, dict):
        return {}
    found = written.get("config", written)
    return {  # YAML reads the key `on` of a workflow as a boolean
        key.removeprefix(PREFIX): value
        for key, value in found.items()
        if isinstance(key, str) and key.startswith(PREFIX)
    }


SETTINGS = [
    block
    for page in documents()
    if page == README or page.startswith("docs/")
    for block in blocks(page, language="yaml")
    if settings_in(block)
]


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: f"{block.page}:{block.line}")
def test_every_block_of_settings_is_accepted(block: Block) -> None:
    """Completed by the least that a cache needs."""
    shown = settings_in(block)
    writers = shown.get("writers", [])
    has_oidc_writers = any("githubRepository" in writer for writer in writers)
    if s3 := shown.get("s3"):
        if "iamEndpoint" not in s3:  # the page leaves the key pairs to its reader
            s3["accessKeys"] = key_pairs(is_public=shown.get("public", False))
        assert check({**SAMPLES["s3"], **shown})
    else:
        assert check({**SAMPLES["aws" if has_oidc_writers else "minio"], **shown})


def key_pairs(*, is_public: bool) -> list[dict[str, str]]:
    """Return a key pair for each user of a cache with the default writers and readers."""
    users = ["nixbuilder"] if is_public else ["nixbuilder", "nixreader"]
    return [{"user": user, "accessKeyId": "id", "secretAccessKey": "secret"} for user in users]


def test_the_page_on_keys_raises_a_generation_and_retires_it() -> None:
    """In this order."""
    first, second = (
        check({**SAMPLES["minio"], **settings_in(block)}).writers[0]
        for block in blocks("docs/guides/keys.md", language="yaml", title="Rotate a key")
    )

    assert first.generation == second.generation == 2
    assert second.trusted_generations == ()


def test_the_component_example_is_accepted() -> None:
    """Its arguments, taken out of the program in the README."""
    [program] = blocks(README, language="python")
    written = program.content
    arguments = written[written.index("{") : written.rindex("}") + 1]

    assert check(eval(arguments), spelling=Spelling.SNAKE_CASE).writers[0].name == "ci-runner"

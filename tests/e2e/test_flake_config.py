"""The settings for a flake, read by the real Nix."""

from pathlib import Path

import pytest

from tests.e2e.cache import Cache
from tests.e2e.nix import Nix


@pytest.fixture
def flake(cache: Cache, nix: Nix) -> Path:
    """Provide a flake with the settings as the stack gives them out, and an output beside them."""
    folder = nix.folder / "flake"
    folder.mkdir()
    settings = cache.outputs["flakeConfig"].removesuffix("}\n")
    (folder / "flake.nix").write_text(f'{settings}  outputs = _: {{ word = "built"; }};\n}}\n')
    return folder


def test_nix_takes_the_settings_from_a_flake_once_it_is_allowed_to(nix: Nix, flake: Path) -> None:
    """Both of them, by names that it knows; without consent it says that it leaves them out."""
    refused = nix.run("eval", "--raw", f"path:{flake}#word")
    allowed = nix.run("eval", "--raw", "--accept-flake-config", f"path:{flake}#word")

    for setting in ("extra-substituters", "extra-trusted-public-keys"):
        assert f"ignoring untrusted flake configuration setting '{setting}'" in refused.err
    assert (allowed.exit_code, allowed.out) == (0, "built"), allowed.err
    assert "warning" not in allowed.err

"""Which outputs of a derivation are content-addressed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.formats.derivation import DerivationError, floating_outputs

REST = '[],[],"x86_64-linux","/bin/sh",[],[("a","(\\"out\\",\\"\\",\\"x\\",\\"\\")")])'
PATH = f"/nix/store/{'0' * 32}-name"
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("head", "outputs"),
    [
        ('Derive([("out","","r:sha256","")],', ("out",)),
        ('Derive([("dev","","r:sha256",""),("out","","sha256","")],', ("dev", "out")),
        ('DrvWithVersion("xp-dyn-drv",[("out","","text:sha256","")],', ("out",)),
        (f'Derive([("out","{PATH}","","")],', ()),
        (f'Derive([("out","{PATH}","r:sha256","{DIGEST}")],', ()),
        ('Derive([("out","","r:sha256","impure")],', ()),
        ('Derive([("out","","","")],', ()),
        ("Derive([],", ()),
    ],
    ids=[
        "one",
        "two",
        "dynamic",
        "by inputs",
        "fixed",
        "impure",
        "by inputs that are content-addressed",
        "none",
    ],
)
def test_outputs_with_an_algorithm_alone_are_content_addressed(
    head: str, outputs: tuple[str, ...]
) -> None:
    assert floating_outputs(f"{head}{REST}".encode()) == outputs


@pytest.mark.parametrize("text", ["", "Derive", "Derive([x", 'Derive([("out","","")]', "\xff"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(DerivationError):
        floating_outputs(text.encode("latin-1"))


@given(st.binary())
def test_no_text_ends_in_another_error(content: bytes) -> None:
    with pytest.raises(DerivationError):
        floating_outputs(content)

"""What `nix path-info --json` prints is read in every form that it has had.

The forms of versions that are not here are named with the source that they were taken from. The
values are those of Nix's own tests (`src/libstore-tests/data/path-info`). `tests/e2e` reads what
the real Nix prints.
"""

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo, PathInfoError, PathInfos, parse

STORE = "/nix/store"
FOO = "n5wkd9frr45pa74if5gpz9j7mifg27fh-foo"
BAR = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-bar"
NAR_HASH = "sha256-FePFYIlMuycIXPZbWi7LGEiMmZSX9FMbaQenWBzm1Sc="
SIGNATURES = [f"asdf:{'A' * 86}==", f"qwer:{'A' * 86}=="]
CA = "fixed:r:sha256:1lr187v6dck1rjh2j6svpikcfz53wyl3qrlcbb405zlh13x0khhh"
CA_OBJECT = {"method": "nar", "hash": "sha256-EMIJ+giQ/gLIWoxmPKjno3zHZrxbGymgzGGyZvZBIdM="}

FULL = PathInfo(
    path=f"{STORE}/{FOO}",
    nar_hash=NixHash.parse(NAR_HASH),
    nar_size=34878,
    references=(f"{STORE}/{BAR}", f"{STORE}/{FOO}"),
    deriver=f"{STORE}/{BAR}.drv",
    signatures=tuple(SIGNATURES),
    ca=CA,
    ultimate=True,
    registration_time=23423,
)
EMPTY = replace(
    FULL,
    references=(),
    deriver=None,
    signatures=(),
    ca=None,
    ultimate=False,
    registration_time=None,
)

WITH_FULL_PATHS = {
    "ca": CA,
    "deriver": f"{STORE}/{BAR}.drv",
    "narHash": NAR_HASH,
    "narSize": 34878,
    "references": [f"{STORE}/{BAR}", f"{STORE}/{FOO}"],
    "registrationTime": 23423,
    "signatures": SIGNATURES,
    "ultimate": True,
}
WITH_BASE_NAMES = {
    **WITH_FULL_PATHS,
    "ca": CA_OBJECT,
    "deriver": f"{BAR}.drv",
    "references": [BAR, FOO],
    "storeDir": STORE,
}
NOTHING: dict[str, Any] = {
    "ca": None,
    "deriver": None,
    "narHash": NAR_HASH,
    "narSize": 34878,
    "references": [],
    "registrationTime": None,
    "signatures": [],
    "ultimate": False,
}

FORMS = {
    # Nix 2.18, src/libstore/store-api.cc, and Lix 2.95, lix/libstore/store-api.cc, `pathInfoToJSON`
    "a list": [{"path": FULL.path, "valid": True, **WITH_FULL_PATHS}],
    # Nix 2.19 to 2.32 and Determinate Nix 3.0 to 3.13, src/nix/path-info.cc
    "an object by path": {FULL.path: WITH_FULL_PATHS},
    # Nix 2.33 and newer, `--json-format 1`
    "format 1": {FULL.path: {**WITH_FULL_PATHS, "storeDir": STORE, "version": 1}},
    # Nix 2.33 and newer
    "format 2": {"version": 2, "storeDir": STORE, "info": {FOO: {**WITH_BASE_NAMES, "version": 2}}},
    # Nix 2.35
    "format 3": {
        "version": 3,
        "storeDir": STORE,
        "info": {
            FOO: {
                **WITH_BASE_NAMES,
                "version": 3,
                "signatures": [
                    {"keyName": name, "sig": encoded}
                    for name, _, encoded in (text.partition(":") for text in SIGNATURES)
                ],
            }
        },
    },
}

RECORDED = """{"/nix/store/ha93iipyr1sa8jk9ydhbi1kva7n8dafn-below":{"ca":null,"deriver":"/nix/store/jzk4ry02mzp6qnh5psphmb9cmgq36bcx-below.drv","narHash":"sha256-tGOOqMgRGRem+pdznGgnQwshieQ4MU1rMBY/t9dM01A=","narSize":120,"references":[],"registrationTime":1795738774,"signatures":[],"ultimate":true},"/nix/store/hmnavc682gmz6rb9d330mdnwb9scvnrb-thing":{"ca":null,"deriver":"/nix/store/5ivx0whl3xw9cqs7kmjgmydyp2igifba-thing.drv","narHash":"sha256-ubDJdbxi6GzVWl6NYJo9uaNgdHcKOogCMGpco+kqNH4=","narSize":216,"references":["/nix/store/ha93iipyr1sa8jk9ydhbi1kva7n8dafn-below","/nix/store/hmnavc682gmz6rb9d330mdnwb9scvnrb-thing"],"registrationTime":1795738774,"signatures":["example-1:hxalsJzhONTU3YE14EhrcWLu8xsi3xNIFFvrCDIyrtQtdQBFB33mwYFHZayNwHD/MMQpNqSji5uS8SD3g+F9BQ=="],"ultimate":true},"/nix/store/j3dy3qgj9x8x9jdvh1qbrhy27cq22dz8-source":{"ca":"fixed:r:sha256:0bkj3jq8aldrkpsfw52gwcabmzq3qbka1hzla7irzq3y242gh90y","deriver":null,"narHash":"sha256-HiT4BBF+4J/jUfTDoObCA/+6FONPFO70nblRhbAcci4=","narSize":120,"references":[],"registrationTime":1795738774,"signatures":[],"ultimate":false}}"""  # noqa: E501
"""Printed by Nix 2.26.3 of Debian 13: `nix path-info --json --recursive` of a path that was built
and signed, and of one that was added."""

EMPTY_FORMS = {
    # fields without a value are left out
    "a list": [
        {
            "path": EMPTY.path,
            "valid": True,
            "narHash": NAR_HASH,
            "narSize": 34878,
            "references": [],
        }
    ],
    "an object by path": {EMPTY.path: NOTHING},
    "format 2": {"version": 2, "storeDir": STORE, "info": {FOO: NOTHING}},
}


def read(document: Any) -> PathInfos:
    """Return what is read of a document."""
    return parse(json.dumps(document))


@pytest.mark.parametrize("document", FORMS.values(), ids=FORMS.keys())
def test_every_field_is_read_in_every_form(document: Any) -> None:
    assert read(document) == PathInfos({FULL.path: FULL}, ())


def test_a_recorded_output_of_nix_2_26_is_read() -> None:
    below, thing, source = sorted(parse(RECORDED).valid.values(), key=lambda info: info.path)
    assert thing.references == (below.path, thing.path)
    assert thing.deriver == f"{STORE}/5ivx0whl3xw9cqs7kmjgmydyp2igifba-thing.drv"
    assert [text.partition(":")[0] for text in thing.signatures] == ["example-1"]
    assert thing.ultimate
    assert not below.signatures
    assert source.ca == f"fixed:r:{source.nar_hash.nix32}"
    assert source.deriver is None
    assert not source.ultimate


@pytest.mark.parametrize("document", EMPTY_FORMS.values(), ids=EMPTY_FORMS.keys())
def test_fields_without_a_value_are_read_in_every_form(document: Any) -> None:
    assert read(document) == PathInfos({EMPTY.path: EMPTY}, ())


@pytest.mark.parametrize(
    "document",
    [
        [{"path": FULL.path, "valid": False}],
        {FULL.path: None},
        {"version": 2, "storeDir": STORE, "info": {FOO: None}},
    ],
)
def test_paths_that_are_not_in_the_store_are_named(document: Any) -> None:
    assert read(document) == PathInfos({}, (FULL.path,))


@pytest.mark.parametrize("document", [[], {}, {"version": 2, "storeDir": STORE, "info": {}}])
def test_nothing_is_nothing_in_every_form(document: Any) -> None:
    assert read(document) == PathInfos({}, ())


def test_a_hash_that_is_an_object_is_read() -> None:
    """As in some versions of Nix's JSON formats."""
    digest = NAR_HASH.removeprefix("sha256-")
    value = {"algorithm": "sha256", "format": "base64", "hash": digest}
    entry = {**WITH_FULL_PATHS, "narHash": value}
    assert read({FULL.path: entry}).valid == {FULL.path: FULL}


@pytest.mark.parametrize(
    ("method", "prefix"), [("flat", "fixed:"), ("text", "text:"), ("git", "fixed:git:")]
)
def test_content_addresses_are_spelled_as_narinfos_spell_them(method: str, prefix: str) -> None:
    entry = {**WITH_FULL_PATHS, "ca": {**CA_OBJECT, "method": method}}
    address = CA.replace("fixed:r:", prefix)
    assert read({FULL.path: entry}).valid == {FULL.path: replace(FULL, ca=address)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("text", "it is neither an object nor a list"),
        ([{"valid": True}], "an entry of the list names no path"),
        ({"relative-path": {}}, "path: 'relative-path' is not a store path"),
        ({FULL.path: 1}, f"the entry of {FULL.path} is not an object"),
        ({FULL.path: {**NOTHING, "narHash": "md4:x"}}, f"narHash of {FULL.path}: "),
        ({FULL.path: {**NOTHING, "narHash": None}}, "is missing or not a hash"),
        (
            {FULL.path: {**NOTHING, "narSize": "1"}},
            "narSize of .* has the wrong type",
        ),
        (
            {FULL.path: {**NOTHING, "narSize": True}},
            "narSize of .* has the wrong type",
        ),
        ({FULL.path: {**NOTHING, "narSize": 0}}, "narSize of .* is 0"),
        ({FULL.path: {**NOTHING, "references": ["../x"]}}, "'../x' is not a store path"),
        ({FULL.path: {**NOTHING, "signatures": [1]}}, "a signature of .* has an unknown form: 1"),
        ({FULL.path: {**NOTHING, "ca": {"method": "new"}}}, "ca of .* has an unknown form"),
    ],
)
def test_anything_else_is_refused_and_named(document: Any, message: str) -> None:
    with pytest.raises(PathInfoError, match=message):
        read(document)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.just(FULL.path),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text() | st.sampled_from([FULL.path, FOO, "path", "info", *NOTHING]), inner
            )
        ),
    )
)
def test_no_document_ends_in_another_error(document: Any) -> None:
    with contextlib.suppress(PathInfoError):
        read(document)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(PathInfoError, match="it is not JSON"):
        parse("warning: you did not specify '--add-root'")

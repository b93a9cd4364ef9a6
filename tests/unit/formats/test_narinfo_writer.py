"""Narinfos that we write are read as Nix reads them, and are signed by us and by others."""

from dataclasses import replace

import pytest

from nix_cache.formats import signing
from nix_cache.formats.content_address import ContentAddress, store_path
from nix_cache.formats.narinfo import Narinfo, NarinfoError, verify
from nix_cache.formats.narinfo_writer import NarFile, StoredNar, signed_narinfo, stored_nar
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo

KEY, OTHER = signing.generate("cache.example.org-ci-1"), signing.generate("other-1")
PATH = f"/nix/store/{'0' * 32}-name"
INFO = PathInfo(
    path=PATH,
    nar_hash=NixHash.of(b"nar"),
    nar_size=120,
    references=(PATH, f"/nix/store/{'1' * 32}-library"),
    deriver=f"/nix/store/{'2' * 32}-name.drv",
    signatures=(),
    ca=None,
    ultimate=True,
    registration_time=1,
)
FILE = NarFile(NixHash.of(b"file"), 70)
TEXT = ContentAddress.parse(f"text:{NixHash.of(b'text').nix32}")
ADDRESSED = replace(
    INFO,
    path=store_path(TEXT, "name", INFO.references[1:], has_self=False, store_dir="/nix/store"),
    references=INFO.references[1:],
    ca=str(TEXT),
)


def test_a_narinfo_says_what_the_store_and_the_file_are() -> None:
    """In the order and the spelling of Nix."""
    content = signed_narinfo(INFO, FILE, KEY)
    narinfo = Narinfo.parse(content)

    assert content.decode().splitlines()[:-1] == [
        f"StorePath: {PATH}",
        f"URL: nar/{NixHash.of(b'file').nix32[7:]}.nar.zst",
        "Compression: zstd",
        f"FileHash: {NixHash.of(b'file').nix32}",
        "FileSize: 70",
        f"NarHash: {NixHash.of(b'nar').nix32}",
        "NarSize: 120",
        f"References: {'0' * 32}-name {'1' * 32}-library",
        f"Deriver: {'2' * 32}-name.drv",
    ]
    assert verify(narinfo, [KEY.public_text]) == (KEY.name,)


def test_signatures_of_others_are_kept_and_an_older_one_of_ours_is_replaced() -> None:
    """So that machines that trust another key go on trusting the path."""
    others = Narinfo.parse(signed_narinfo(INFO, FILE, OTHER)).signatures
    info = replace(INFO, signatures=(f"{KEY.name}:AAAA", *others))

    narinfo = Narinfo.parse(signed_narinfo(info, FILE, KEY))

    assert verify(narinfo, [KEY.public_text, OTHER.public_text]) == (OTHER.name, KEY.name)
    assert len(narinfo.signatures) == 2


def test_a_content_address_is_part_of_it() -> None:
    """As Nix writes it: last."""
    info = replace(INFO, deriver=None, ca=f"fixed:r:sha256:{'0' * 52}")

    lines = signed_narinfo(info, FILE, KEY).decode().splitlines()

    assert lines[-1] == f"CA: fixed:r:sha256:{'0' * 52}"
    assert not [line for line in lines if line.startswith("Deriver")]


def test_what_nix_would_not_read_is_not_written() -> None:
    """A database that holds nonsense does not spread."""
    with pytest.raises(NarinfoError):
        signed_narinfo(replace(INFO, nar_size=0), FILE, KEY)


class TestStoredNar:
    """Our own narinfos are recognised without being read."""

    def test_what_is_written_is_recognised(self) -> None:
        nar = stored_nar(signed_narinfo(INFO, FILE, KEY), INFO, KEY)

        assert nar == StoredNar(FILE.key, FILE.file_size)

    def test_no_other_narinfo_is(self) -> None:
        """Wherever a byte differs, except in the name, the hash and the size of the file."""
        content = signed_narinfo(INFO, FILE, KEY)
        changed = [content[:at] + b"1" + content[at + 1 :] for at in range(len(content))]
        found = {one for one in changed if one != content and stored_nar(one, INFO, KEY)}

        assert all(Narinfo.parse(one).file_size != FILE.file_size for one in found)
        assert stored_nar(content + b"Sig: other:AAAA\n", INFO, KEY) is None
        assert stored_nar(content[:-1], INFO, KEY) is None
        assert stored_nar(content, INFO, OTHER) is None
        assert stored_nar(content, replace(INFO, nar_size=121), KEY) is None

    def test_signatures_of_a_content_addressed_path_may_be_any(self) -> None:
        """Readers do not check them, but stop at a malformed one and at any other difference."""
        content = signed_narinfo(ADDRESSED, FILE, OTHER)
        signature = content[content.index(b"Sig: ") : content.index(b"CA: ")]

        assert stored_nar(content, ADDRESSED, KEY) == StoredNar(FILE.key, FILE.file_size)
        assert stored_nar(content.replace(signature, b""), ADDRESSED, KEY)
        assert stored_nar(content.replace(signature, 2 * signature), ADDRESSED, KEY)
        for wrong in (b"Sig: a:AAAA\n", b"Sig: a\n", signature[:-2] + b"\n", b"Sig: \n"):
            assert stored_nar(content.replace(signature, wrong), ADDRESSED, KEY) is None
        end = content.index(b"NarHash")
        for at in range(end, len(content)):
            one = content[:at] + b"\0" + content[at + 1 :]
            assert stored_nar(one, ADDRESSED, KEY) is None

    def test_a_path_that_does_not_follow_from_its_address_is_not(self) -> None:
        """Readers refuse it."""
        info = replace(INFO, ca=f"text:{NixHash.of(b'text').nix32}", references=())

        assert stored_nar(signed_narinfo(info, FILE, KEY), info, KEY) is None

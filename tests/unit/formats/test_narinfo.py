"""Narinfos, hashes and content addresses: what the real cache.nixos.org serves, and its rules."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from nix_cache.formats import signing
from nix_cache.formats.content_address import ContentAddress, ContentAddressError, Method
from nix_cache.formats.narinfo import LARGEST_SIZE, Narinfo, NarinfoError, narinfo_key, verify
from nix_cache.formats.narinfo_trust import Distrust, distrust
from nix_cache.formats.nix_hash import (
    DIGEST_BYTES,
    HashFormatError,
    NixHash,
    decode_nix32,
    encode_nix32,
)
from nix_cache.iam.lifecycle import NIX32

OFFICIAL_KEY = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
"""The key that every Nix trusts from the start."""

HELLO = """\
StorePath: /nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10
URL: nar/15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx.nar.xz
Compression: xz
FileHash: sha256:15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx
FileSize: 41232
NarHash: sha256:1mi14cqk363wv368ffiiy01knardmnlyphi6h9xv6dkjz44hk30i
NarSize: 205968
References: 9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31 w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10
Sig: cache.nixos.org-1:uP5KU8MCmyRnKGlN5oEv6xWJBI5EO/Pf5aFztZuLSz8BpCcZ1fdBnJkVXhBAlxkdm/CemsgQskhwvyd2yghTAg==
"""  # noqa: E501
SOURCE = """\
StorePath: /nix/store/mg5riyrz6hva7njw82gr5ghvajklkccq-source
URL: nar/10mzlawkwj63dmnrsmxvj054icwqd23ma5si3rzgghw0dsdzq8sz.nar.xz
Compression: xz
FileHash: sha256:10mzlawkwj63dmnrsmxvj054icwqd23ma5si3rzgghw0dsdzq8sz
FileSize: 30528060
NarHash: sha256:0555pg9zcr3aazyxqb6g6q8vq3lc5zz3rnqx8ga1i3bs2q04yb4q
NarSize: 185066208
References:\x20
Sig: cache.nixos.org-1:nFS+NxdPcM46jWHq94n2CTx/0GYE9lBBtShoH8wEH1uq5RWPoLyq9t6UWzMxXHhsIfOCPdB1SUaVthPfyxpkCQ==
CA: fixed:r:sha256:0555pg9zcr3aazyxqb6g6q8vq3lc5zz3rnqx8ga1i3bs2q04yb4q
"""  # noqa: E501
"""Two narinfos as cache.nixos.org serves them: of a build, and of a source (its References line was
added)."""

hashes = st.sampled_from(sorted(DIGEST_BYTES)).flatmap(
    lambda algorithm: st.builds(
        NixHash,
        st.just(algorithm),
        st.binary(min_size=DIGEST_BYTES[algorithm], max_size=DIGEST_BYTES[algorithm]),
    )
)
base_names = st.builds(
    "{}-{}".format,
    st.text(NIX32, min_size=32, max_size=32),
    st.from_regex(r"[0-9A-Za-z+_?=-][0-9A-Za-z+._?=-]{0,39}", fullmatch=True),
)


def rendered(info: Narinfo) -> str:
    """Return a narinfo as Nix writes it."""
    optional = {
        "FileHash": info.file_hash and info.file_hash.nix32,
        "FileSize": info.file_size,
        "Deriver": info.deriver,
        "CA": info.content_address,
    }
    lines = [
        f"StorePath: {info.store_path}",
        f"URL: {info.url}",
        f"Compression: {info.compression}",
        f"NarHash: {info.nar_hash.nix32}",
        f"NarSize: {info.nar_size}",
        f"References: {' '.join(info.references)}",
        *(f"{name}: {value}" for name, value in optional.items() if value is not None),
        *(f"Sig: {signature}" for signature in info.signatures),
    ]
    return "".join(f"{line}\n" for line in lines)


narinfos = st.builds(
    Narinfo,
    store_path=base_names.map("/nix/store/{}".format),
    url=st.from_regex(r"nar/[0-9a-z.]{1,60}", fullmatch=True),
    compression=st.sampled_from(["none", "xz", "zstd"]),
    file_hash=st.none() | hashes,
    file_size=st.none() | st.integers(1, LARGEST_SIZE),
    nar_hash=hashes.filter(lambda found: found.algorithm == "sha256"),
    nar_size=st.integers(1, LARGEST_SIZE),
    references=st.lists(base_names, max_size=5).map(tuple),
    deriver=st.none() | base_names,
    signatures=st.lists(
        st.from_regex(r"[a-z-]{1,9}:[A-Za-z0-9+/]{9}", fullmatch=True), unique=True
    ).map(tuple),
    content_address=st.none() | st.builds(ContentAddress, st.sampled_from(Method), hashes),
)


def test_a_narinfo_of_the_official_cache_is_read_whole() -> None:
    """Every field of it."""
    info = Narinfo.parse(HELLO)

    assert info.store_path == "/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"
    assert info.url.startswith("nar/15zk4zsz")
    assert (info.compression, info.file_size, info.nar_size) == ("xz", 41232, 205968)
    assert info.file_hash == NixHash.parse(
        "sha256:15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx"
    )
    assert info.references[1] == info.base_name
    assert (info.deriver, info.content_address) == (None, None)
    assert info.key == "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1.narinfo"
    assert info.store_dir == "/nix/store"


@pytest.mark.parametrize("text", [HELLO, SOURCE])
def test_the_signature_of_the_official_cache_holds(text: str) -> None:
    """So the fingerprint is the one that the real signer used."""
    assert verify(Narinfo.parse(text), [OFFICIAL_KEY]) == ("cache.nixos.org-1",)


def test_references_are_signed_in_order_whatever_order_they_are_given_in() -> None:
    """Nix keeps them as a sorted set."""
    glibc, hello = (
        "9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31",
        "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10",
    )
    turned = HELLO.replace(f"{glibc} {hello}", f"{hello} {glibc} {hello}")

    assert verify(Narinfo.parse(turned), [OFFICIAL_KEY])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hello-2.10\nURL", "hello-2.11\nURL"),
        ("NarHash: sha256:1mi", "NarHash: sha256:1mj"),
        ("NarSize: 205968", "NarSize: 205969"),
        ("9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31 ", ""),
        ("org-1:uP5K", "org-1:uP5L"),
        ("org-1:uP5K", "org-2:uP5K"),
        ("org-1:uP5K", "org-1:uP5KuP5K"),
    ],
)
def test_a_tampered_narinfo_has_no_good_signature(old: str, new: str) -> None:
    """Whatever is changed of what was signed, or of the signature."""
    assert old in HELLO

    assert verify(Narinfo.parse(HELLO.replace(old, new)), [OFFICIAL_KEY]) == ()


def test_what_is_not_signed_may_change() -> None:
    """A cache may compress the NAR in another way."""
    changed = HELLO.replace("xz", "zstd").replace("41232", "50000")

    assert verify(Narinfo.parse(changed), [OFFICIAL_KEY])


def test_each_good_signature_is_named_once_in_its_order() -> None:
    """Of several keys; those that are not trusted are left out."""
    keys = {name: signing.generate(name) for name in ("b-1", "a-1", "stranger-1")}
    info = Narinfo.parse(HELLO)
    message = info.fingerprint.encode()
    signatures = [
        f"{name}:{base64.b64encode(SigningKey(key.seed).sign(message).signature).decode()}"
        for name, key in keys.items()
    ]
    signed = Narinfo.parse(
        HELLO + "".join(f"Sig: {line}\n" for line in [*signatures, signatures[0]])
    )
    trusted = [
        keys["a-1"].public_text,
        signing.generate("a-1").public_text,
        keys["b-1"].public_text,
        OFFICIAL_KEY,
    ]

    assert verify(signed, trusted) == ("cache.nixos.org-1", "b-1", "a-1")
    assert verify(signed, trusted[1:]) == ("cache.nixos.org-1", "b-1")  # the first key of a name
    assert verify(signed, []) == ()


def test_a_trusted_key_that_is_none_is_refused() -> None:
    """It would silently make every path unsigned."""
    with pytest.raises(signing.KeyFormatError):
        verify(Narinfo.parse(HELLO), ["cache.nixos.org-1:6NCH"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("StorePath: ", "Storepath: ", "StorePath is missing"),
        ("URL: ", "Url: ", "URL is missing"),
        ("URL: nar", "URL: \nX: nar", "URL is missing"),
        ("NarHash: ", "Narhash: ", "NarHash is missing"),
        ("NarSize: ", "Narsize: ", "NarSize is missing"),
        ("StorePath: ", " StorePath: ", "StorePath is missing"),
        ("StorePath: ", "no colon\nStorePath: ", "StorePath is missing"),
        ("/nix/store/w9", "nix/store/w9", "is not an absolute path"),
        ("/nix/store/w9yy", "/nix/store/e9yy", "StorePath 'e9yy"),
        ("-hello-2.10\nURL", "-\nURL", "StorePath 'w9yy"),
        ("-hello-2.10\nURL", "-.\nURL", "StorePath 'w9yy"),
        ("-hello-2.10\nURL", "-..-x\nURL", "StorePath 'w9yy"),
        ("-hello-2.10\nURL", f"-{'x' * 212}\nURL", "StorePath 'w9yy"),
        ("NarSize: 205968", "NarSize: 0", "NarSize is 0"),
        ("NarSize: 205968", "NarSize: ", "NarSize '' is not a number"),
        ("FileSize: 41232", "FileSize: -1", "FileSize '-1' is not a number of bytes below 2"),
        ("FileSize: 41232", "FileSize: ", "FileSize '' is not a number"),
        ("FileSize: 41232", "FileSize: 4 ", "FileSize '4 ' is not a number"),
        ("FileSize: 41232", "FileSize: \u0664", "FileSize '\u0664' is not a number"),
        ("FileSize: 41232", f"FileSize: {2**64}", "FileSize '18446744073709551616' is not"),
        ("NarSize: 205968", f"NarSize: {2**64}", "NarSize '18446744073709551616' is not"),
        ("NarSize: 205968", "NarSize: " + "1" * 4301, "NarSize '1111.*… is not a number"),
        ("NarHash: sha256:1m", "NarHash: sha256:1u", "NarHash: .*'u' is not a character of nix32"),
        ("NarHash: sha256:1", "NarHash: sha256:z", "NarHash: .* is more than 32 bytes"),
        ("NarHash: sha256:1m", "NarHash: sha256:", "NarHash: "),
        ("NarHash: sha256:", "NarHash: sha3:", "'sha3' is not one of md5, sha1, sha256, sha512"),
        ("NarHash: sha256:", "NarHash: ", "names no hash algorithm"),
        ("FileHash: sha256:15zk", "FileHash: sha256:15ek", "FileHash: 'e' is not a character"),
        ("References: 9df65", "References: ../9df65", "References '../9df65"),
        ("References: 9df65", "References: x\nReferences: 9df65", "References 'x' is not"),
        ("NarHash: ", "References: w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-x\nNarHash: ", "there twice"),
        ("Compression: xz\n", "Compression: xz\nDeriver: \n", "Deriver '' is not a store path"),
        ("ghTAg==\n", "ghTAg==", "was cut off"),
        ("ghTAg==\n", "ghTAg==\n\n", "has no colon"),
        ("org-1:uP5K", "org-1:%%%", "Sig 'cache.nixos.org-1:%%%.* is not KEYNAME:BASE64"),
        ("cache.nixos.org-1:uP5K", ":uP5K", "Sig ':uP5K"),
        ("Sig: cache.nixos.org-1:uP5K", "Sig: ", "Sig 'U8MC"),
        ("Sig: ", "Sig: x:\nSig: ", "Sig 'x:' is not"),
        ("Sig: ", "CA: garbage\nSig: ", "CA: 'garbage' is not text:HASH, fixed:HASH"),
        ("Sig: ", "CA: fixed:git:sha1:x\nSig: ", "CA: 'fixed:git:sha1:x'"),
        ("Sig: ", "CA: fixed:sha256\nSig: ", "CA: 'fixed:sha256' is not"),
        (HELLO, "", "StorePath is missing"),
        (HELLO, "<html>", "it is a web page or XML"),
        (HELLO, '<!DOCTYPE html>\n<a href="https://x.example.org/">\n', "it is a web page or XML"),
    ],
)
def test_a_broken_narinfo_is_refused_by_field_and_value(old: str, new: str, message: str) -> None:
    """The message names the place."""
    assert old in HELLO

    with pytest.raises(NarinfoError, match=message):
        Narinfo.parse(HELLO.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("URL: ", "URL: nar/x\nURL: "),
        ("NarSize: ", "NarSize: 7\nNarSize: "),
        ("NarSize: ", "NarSize: +"),
        ("NarSize: ", f"NarSize: {'0' * 5000}"),
        ("References: ", "References: \nReferences:  "),
        ("Sig: ", "CA: \nSig: "),
        ("Sig: ", "Deriver: unknown-deriver\nSig: "),
        ("Sig: ", "Note:\n\nSig: "),
        ("/nix/store/w9", "//nix/./store/../store//w9"),
    ],
)
def test_a_narinfo_that_is_odd_but_read_by_nix_is_read_alike(old: str, new: str) -> None:
    """Of a doubled field the last one counts; a path is made canonical."""
    assert old in HELLO

    assert Narinfo.parse(HELLO.replace(old, new, 1)) == Narinfo.parse(HELLO)


def test_a_size_of_the_file_of_0_states_none() -> None:
    """As in Nix, where 0 stands for unknown."""
    assert Narinfo.parse(HELLO.replace("FileSize: 41232", "FileSize: 0")).file_size is None


def test_a_value_on_the_next_line_is_read_as_nix_reads_it() -> None:
    """Nix skips the character after the colon, whatever it is."""
    assert Narinfo.parse(HELLO.replace("URL: ", "URL:\n")) == Narinfo.parse(HELLO)


def assert_total(content: bytes | str) -> None:
    """Check that any content gives a narinfo, or an error of one short line."""
    message = ""
    try:
        Narinfo.parse(content)
    except NarinfoError as refused:
        message = str(refused)
    assert len(message) < 400
    assert "\n" not in message


@given(st.binary() | st.lists(st.sampled_from([*HELLO.encode().splitlines(True), b":", b"x"])))
def test_any_content_is_a_narinfo_or_an_error(content: bytes | list[bytes]) -> None:
    """Never another exception, whatever a stranger stored."""
    whole = content if isinstance(content, bytes) else b"".join(content)
    assert_total(whole)


@given(st.text(), st.sampled_from(["StorePath", "NarHash", "NarSize", "References", "Sig", "CA"]))
def test_any_value_of_a_field_is_read_or_an_error(value: str, field: str) -> None:
    """Never another exception, surrogates included."""
    lines = [line for line in HELLO.splitlines() if not line.startswith(f"{field}:")]
    assert_total("\n".join([*lines, f"{field}: {value}", ""]))


def test_bytes_that_are_not_text_are_shown() -> None:
    """In a field where Nix allows them."""
    assert Narinfo.parse(HELLO.encode().replace(b"URL: n", b"URL: \xff")).url.startswith("\\xffar/")


def test_fields_that_are_not_known_are_left_alone() -> None:
    """Newer caches state more."""
    assert Narinfo.parse(HELLO + "Ending: 9\n") == Narinfo.parse(HELLO)


def test_old_narinfos_with_fewer_fields_are_read() -> None:
    """Without a compression it is bzip2; an unknown deriver is none."""
    lines = [line for line in HELLO.splitlines() if not line.startswith(("Comp", "File", "Ref"))]
    info = Narinfo.parse("\n".join([*lines, "Deriver: unknown-deriver", ""]))

    assert info.compression == "bzip2"
    assert (info.file_hash, info.file_size, info.deriver) == (None, None, None)
    assert info.references == ()


@given(narinfos)
def test_a_narinfo_is_read_as_it_was_written(info: Narinfo) -> None:
    """Whatever is in its fields."""
    assert Narinfo.parse(rendered(info)) == info


@given(hashes)
def test_a_hash_is_the_same_in_every_spelling(value: NixHash) -> None:
    """nix32, base16, base64 and SRI."""
    plain = f"{value.algorithm}:{base64.b64encode(value.digest).decode()}"
    for text in (value.nix32, value.base16, value.sri, plain):
        assert NixHash.parse(text) == value


@given(st.binary(max_size=70))
def test_nix32_goes_both_ways(digest: bytes) -> None:
    """For any number of bytes."""
    assert decode_nix32(encode_nix32(digest), len(digest)) == digest


def test_the_spellings_are_those_of_the_real_nix() -> None:
    """The hash of nothing, as `nix hash convert` spells it."""
    empty = NixHash("sha256", hashlib.sha256(b"").digest())

    assert empty.nix32 == "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
    assert empty.sri == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize(
    "text",
    [
        *("", "sha256", "sha256:", "sha256:x", "sha256-AAAA", "sha1-%", "blake3:x", "SHA256:x"),
        f"md5:{'a' * 15} {'b' * 15} ",  # `bytes.fromhex` skips blanks
        f"sha256:{'A' * 44}",
    ],
)
def test_a_text_that_is_not_a_hash_is_refused(text: str) -> None:
    """Of an unknown algorithm, of another length, or in no spelling of Nix's."""
    with pytest.raises(HashFormatError):
        NixHash.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=anything",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    ],
)
def test_spellings_that_nix_takes_for_a_hash_are_read(text: str) -> None:
    """Without padding, with odd bits or text after it, in upper case."""
    assert NixHash.parse(text) == NixHash.of(b"")


def test_a_path_addressed_by_its_content_is_recognised() -> None:
    """By computing the path, as readers do, and not by the field alone."""
    assert Narinfo.parse(SOURCE).is_content_addressed
    assert not Narinfo.parse(HELLO).is_content_addressed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CA: fixed:r:sha256:0555", "CA: fixed:r:sha256:0556"),
        ("CA: fixed:r:", "CA: fixed:"),
        ("CA: fixed:r:", "CA: text:"),
        ("-source\n", "-other\n"),
        ("References: ", "References: 9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31"),
        ("References: ", "References: mg5riyrz6hva7njw82gr5ghvajklkccq-source"),
    ],
)
def test_a_content_address_that_gives_another_path_is_none(old: str, new: str) -> None:
    """Else a CA line would make any content trusted."""
    assert old in SOURCE

    assert not Narinfo.parse(SOURCE.replace(old, new)).is_content_addressed


@pytest.mark.parametrize(
    ("references", "content", "message"),
    [
        ("w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10", "fixed:sha256:", "cannot have references"),
        ("w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10", "fixed:r:sha1:", "cannot have references"),
        ("mg5riyrz6hva7njw82gr5ghvajklkccq-source", "fixed:sha256:", "cannot have references"),
        ("mg5riyrz6hva7njw82gr5ghvajklkccq-source", "text:sha256:", "cannot refer to itself"),
        ("", "text:sha1:", "has to be sha256"),
    ],
)
def test_a_content_address_at_which_nix_stops_is_an_error(
    references: str, content: str, message: str
) -> None:
    """Even where the path is signed."""
    algorithm = content.split(":")[-2]
    address = f"{content}{'0' * (DIGEST_BYTES[algorithm] * 2)}"
    text = re.sub("CA: .*", f"CA: {address}", SOURCE).replace("s: \n", f"s: {references}\n")
    info = Narinfo.parse(text)

    with pytest.raises(ContentAddressError, match=message):
        _ = info.is_content_addressed
    assert distrust(info, [OFFICIAL_KEY]) is Distrust.UNUSABLE_ADDRESS


def test_the_key_of_a_path_is_its_hash() -> None:
    """What Nix asks the cache for."""
    path = "/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"

    assert narinfo_key(path) == "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1.narinfo"


@pytest.mark.parametrize(
    ("old", "new", "keys", "reason"),
    [
        ("x", "x", [OFFICIAL_KEY], None),
        ("x", "x", [], Distrust.UNKNOWN_KEY),
        ("Sig: ", "Gis: ", [OFFICIAL_KEY], Distrust.UNSIGNED),
        ("NarSize: 2", "NarSize: 3", [OFFICIAL_KEY], Distrust.BAD_SIGNATURE),
        (
            "Sig: ",
            "Sig: cache.nixos.org-1:AAAA\nSig: ",
            [OFFICIAL_KEY],
            Distrust.MALFORMED_SIGNATURE,
        ),
        ("Sig: ", "Sig: other-1:AAAA\nSig: ", [OFFICIAL_KEY], None),
        ("==\n", "==anything\r\n", [OFFICIAL_KEY], None),
        ("==\n", "\n", [OFFICIAL_KEY], None),
    ],
)
def test_trust_is_judged_as_nix_judges_it(
    old: str, new: str, keys: list[str], reason: Distrust | None
) -> None:
    """A valid signature counts, unless one of a trusted name is malformed."""
    assert old in HELLO

    assert distrust(Narinfo.parse(HELLO.replace(old, new, 1)), keys) is reason


def test_what_follows_from_its_content_needs_no_signature() -> None:
    """Even if it has a malformed one."""
    info = Narinfo.parse(SOURCE.replace("Sig: ", "Sig: cache.nixos.org-1:AAAA\nSig: "))

    assert distrust(info, [OFFICIAL_KEY]) is None

"""The parts of doctor that are pure: expiry, versions, settings, NARs; and how checks end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_cache.cli.caches.record import Record
from nix_cache.cli.doctor import checks, expiry, machine, report, traps
from nix_cache.cli.doctor.faults import Fault, findings
from nix_cache.cli.doctor.finding import Finding, Level, error, not_checked, ok, warning
from nix_cache.cli.doctor.paths import Wanted
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.nix.known_faults import KNOWN_FAULTS
from nix_cache.cli.nix.store_paths import hashes_in
from nix_cache.cli.nix.versions import installed
from nix_cache.cli.s3 import answers
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.formats.manifest import Manifest
from nix_cache.iam.lifecycle import NIX32, OWN_KEYS, expiry_rules
from nix_cache.iam.lifetimes import Expiry, longest_narinfo, shortest_nar

KEY = "cache.example.org-nixbuilder-1:" + "A" * 43 + "="
HASH = "0123456789abcdfghijklmnpqrsvwxyz"

hashes = st.text(NIX32, min_size=32, max_size=32)
prefixes = st.one_of(
    st.text(NIX32, max_size=3),
    st.sampled_from(["", "nar/", "nar/0", "n", "log/", "nar", f"{HASH}.narinfo"]),
)
rule_sets = st.lists(st.builds(Expiry, prefixes, st.integers(1, 200)), max_size=40)


def described(**changes: Any) -> Manifest:
    """Return a public cache."""
    return Manifest.model_validate(
        {
            "version": 1,
            "backend": "minio",
            "bucket": "nix-cache",
            "endpoint": "https://minio.example.org",
            "region": "us-east-1",
            "public": True,
            "storeDir": "/nix/store",
            "priority": 40,
            "wantMassQuery": True,
            "readUrl": "https://minio.example.org/nix-cache",
            "pushUrls": {"nixbuilder": "s3://nix-cache?profile=nixbuilder"},
            "profiles": {"nixbuilder": "nixbuilder"},
            "publicKeys": [KEY],
            "keyNames": {"nixbuilder": KEY.partition(":")[0]},
            "readers": [],
            "expireAfterDays": 0,
            "landingPage": True,
            "descriptor": True,
            **changes,
        }
    )


def levels(found: Iterator[Finding]) -> list[Level]:
    """How bad each finding is."""
    return [finding.level for finding in found]


class TestExpiry:
    """Whether what expires is safe."""

    @pytest.mark.parametrize("days", [0, 1, 45])
    def test_the_components_own_rules_are_well(self, days: int) -> None:
        """Whatever the number of days."""
        found = [Expiry(rule.prefix, rule.days) for rule in expiry_rules(days)]

        assert levels(expiry.judged(found, days)) == [Level.OK]

    @settings(deadline=None)  # how busy the machine is says nothing of the rules
    @given(rule_sets, hashes)
    def test_no_narinfo_stays_longer_than_is_said(
        self, found: list[Expiry], store_hash: str
    ) -> None:
        """Whatever the rules."""
        key = f"{store_hash}.narinfo"
        life = min((r.days for r in found if key.startswith(r.prefix)), default=float("inf"))

        assert life <= longest_narinfo(found)

    @settings(deadline=None)  # how busy the machine is says nothing of the rules
    @given(rule_sets)
    def test_some_narinfo_stays_as_long_as_is_said(self, found: list[Expiry]) -> None:
        """The figure is reached by a hash that leads away from all longer prefixes."""
        longest = max(
            min((r.days for r in found if f"{start}{'0' * 32}".startswith(r.prefix)), default=1e9)
            for start in _starts(found)
        )

        assert longest == min(longest_narinfo(found), 1e9)

    @settings(deadline=None)  # how busy the machine is says nothing of the rules
    @given(rule_sets, st.sampled_from(["", "0", "0a.nar.zst", "1"]))
    def test_no_nar_goes_sooner_than_is_said(self, found: list[Expiry], name: str) -> None:
        """Whatever the rules."""
        key = f"nar/{name}"
        life = min((r.days for r in found if key.startswith(r.prefix)), default=float("inf"))

        assert life >= shortest_nar(found)

    def test_a_rule_for_some_nars_is_judged_as_for_all(self) -> None:
        """Those few would be missed as well."""
        found = [*(Expiry(r.prefix, r.days) for r in expiry_rules(45)), Expiry("nar/0", 45)]

        assert levels(expiry.judged(found, 45)) == [Level.ERROR]

    @pytest.mark.parametrize("key", OWN_KEYS)
    def test_a_rule_that_takes_one_of_the_caches_own_objects_is_an_error(self, key: str) -> None:
        """By any beginning of its name."""
        for end in range(len(key) + 1):
            found = list(expiry.judged([Expiry(key[:end], 1000)], 0))
            assert found[0].level is Level.ERROR
            assert key in str(found[0].items)

    def test_rules_that_do_nothing_to_a_cache_are_left_out(self) -> None:
        """Disabled, by tag, of old versions, of unfinished uploads."""
        assert (
            expiries_of(
                "<Status>Disabled</Status><Prefix/><Expiration><Days>1</Days></Expiration>",
                "<Filter><Tag><Key>a</Key></Tag></Filter><Expiration><Days>1</Days></Expiration>",
                "<Filter><And><Tag/></And></Filter><Expiration><Days>1</Days></Expiration>",
                "<Filter/><AbortIncompleteMultipartUpload/>",
                "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"
                "</Expiration>",
            )
            == []
        )

    def test_rules_are_read_in_each_of_their_forms(self) -> None:
        """With a filter, with several conditions, the old way, and by date."""
        assert expiries_of(
            "<Filter><Prefix>a</Prefix></Filter><Expiration><Days>1</Days></Expiration>",
            "<Filter><And><Prefix>b</Prefix></And></Filter><Expiration><Days>2</Days></Expiration>",
            "<Prefix>c</Prefix><Expiration><Days>3</Days></Expiration>",
            "<Filter><Prefix>d</Prefix></Filter><Expiration><Date>2030-01-01</Date></Expiration>",
            "<Filter><Prefix/></Filter><Prefix>e</Prefix><Expiration><Days>4</Days></Expiration>",
        ) == [
            Expiry("a", 1),
            Expiry("b", 2),
            Expiry("c", 3),
            Expiry("d", 0),
            Expiry("", 4),
        ]


def expiries_of(*rules: str) -> list[Expiry]:
    """Return what a lifecycle of these rules removes."""
    document = "".join(f"<Rule>{rule}</Rule>" for rule in rules)
    read = answers.lifecycle(
        f"<LifecycleConfiguration>{document}</LifecycleConfiguration>".encode()
    )
    return list(expiry.expiries(read))


def _starts(found: list[Expiry]) -> Iterator[str]:
    """Yield a beginning for each way in which the rules can treat a hash."""
    yield from NIX32
    for rule in found:
        for end in range(min(len(rule.prefix), 31) + 1):
            for letter in NIX32:
                if set(rule.prefix[:end]) <= set(NIX32):
                    yield rule.prefix[:end] + letter


class TestVersions:
    """Which Nix has which trap."""

    @pytest.mark.parametrize(
        ("printed", "backend", "public", "variables", "expected"),
        [
            ("(Nix) 2.34.8", "b2", False, {}, []),
            ("(Nix) 2.34.1", "b2", False, {}, [Level.ERROR, Level.WARNING]),
            ("(Nix) 2.34.1", "b2", True, {}, [Level.WARNING]),
            ("(Nix) 2.32.9", "b2", False, {}, [Level.ERROR, Level.WARNING]),
            ("(Nix) 2.33.6", "minio", False, {}, []),
            ("(Nix) 2.32.8", "minio", False, {}, [Level.WARNING]),
            ("(Nix) 2.32.8", "minio", True, {}, []),
            ("(Nix) 2.33.1", "minio", False, {}, [Level.WARNING, Level.WARNING]),
            ("(Nix) 2.24.5", "minio", True, {}, [Level.ERROR, Level.WARNING]),
            ("(Nix) 2.28.0", "aws", False, {}, [Level.WARNING, Level.ERROR, Level.WARNING]),
            ("(Nix) 2.34.8", "minio", True, {"https_proxy": "http://p"}, [Level.WARNING]),
            ("(Nix) 2.35.0", "minio", True, {"https_proxy": "http://p"}, []),
            *(
                (f"(Nix) 2.{version}", "aws", False, {variable: "x"}, found)
                for variable in (
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                )
                for version, found in [
                    ("33.3", [Level.ERROR, Level.WARNING]),
                    ("33.4", [Level.WARNING]),
                    ("34.1", [Level.ERROR, Level.WARNING]),
                    ("34.2", [Level.WARNING]),
                ]
            ),
            # Determinate Nix has the faults of its Nix, and Lix has its own.
            ("(Determinate Nix 3.15.2) 2.33.1", "minio", False, {}, [Level.WARNING] * 2),
            ("(Determinate Nix 3.20.0) 2.34.8", "minio", False, {}, []),
            ("(Lix, like Nix) 2.95.1", "b2", False, {}, []),
            ("(Lix, like Nix) 2.91.1", "minio", False, {"https_proxy": "p"}, [Level.ERROR]),
            ("(Lix, like Nix) 2.91.1", "minio", True, {"https_proxy": "p"}, []),
        ],
    )
    def test_a_version_has_the_faults_that_are_known_of_it(
        self,
        printed: str,
        backend: str,
        public: bool,
        variables: dict[str, str],
        expected: list[Level],
    ) -> None:
        """And none that matters only elsewhere."""
        subject = Subject(described(backend=backend, public=public), environment=variables)
        nix = installed(f"nix {printed}\n")
        assert nix is not None

        found = list(traps.version_faults(nix, subject))

        assert levels(iter(found)) == expected
        assert all(one.what.startswith(nix.name) and "https://" in one.fix for one in found)

    def test_a_profile_that_logs_in_by_sso_needs_a_nix_that_knows_it(self, tmp_path: Path) -> None:
        """It is root's, as the daemon reads a private cache."""
        read_url = "s3://demo?endpoint=https://s3.example.org&profile=nixreader"
        subject = Subject(
            described(public=False, readUrl=read_url), environment={"HOME": str(tmp_path)}
        )
        nix = installed("nix (Nix) 2.33.1")
        assert nix is not None
        assert Level.ERROR not in levels(traps.version_faults(nix, subject))

        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "config").write_text("[profile nixreader]\nsso_session = work\n")

        assert "Nix 2.33.1 does not know SSO" in {
            one.what for one in traps.version_faults(nix, subject)
        }

    def test_every_known_fault_has_a_public_source_and_versions_in_order(self) -> None:
        """So that anyone can check the table."""
        for fault in KNOWN_FAULTS:
            assert fault.source.startswith("https://")
            ends = [end for gap in fault.gaps for end in gap]
            assert ends == sorted(set(ends))
            assert fault.fix.endswith(" or newer")

    @pytest.mark.parametrize("printed", ["nix (Lix, like Nix) 2.95.1", "nix (Nix) 2.34.8", "?"])
    def test_every_nix_is_tried_out_whether_it_signs(self, tmp_path: Path, printed: str) -> None:
        """Also one of an unknown version, if it reads over S3."""
        nix = tmp_path / "nix"
        nix.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{printed}'\n")
        nix.chmod(0o755)
        variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}

        def tried(*, public: bool, push_only: bool = False) -> bool:
            used = described(public=public)
            record = Record(name="demo", manifest=used, push_only=push_only)
            subject = Subject(used, record=record, environment=variables)
            return any("signs S3 requests" in one.what for one in traps.nix_version(subject))

        assert tried(public=False)
        assert not tried(public=True)
        assert not tried(public=False, push_only=True)

    @pytest.mark.parametrize("printed", ["nix (Nix)", "nix (Tvix) 1.2.3", "", "bash 5"])
    def test_an_unknown_nix_has_no_version(self, printed: str) -> None:
        """It is reported as unknown, and not judged."""
        assert installed(printed) is None

    def test_two_caches_in_use_with_one_bucket_name_are_reported(self, tmp_path: Path) -> None:
        """On two endpoints; a cache is not compared with itself."""
        variables = {"HOME": str(tmp_path), "NIX_CONF_DIR": str(tmp_path)}
        here, there = described(), described(endpoint="https://other.example.org")
        folder = tmp_path / "nix-cache"
        folder.mkdir()
        for name, manifest in (("here", here), ("there", there)):
            record = Record(name=name, manifest=manifest)
            (folder / f"{name}.json").write_text(record.model_dump_json(by_alias=True))

        found = list(traps.shared_names(Subject(here, environment=variables)))

        assert [finding.level for finding in found] == [Level.WARNING]
        assert "there" in found[0].what


class TestMachine:
    """Whether nix.conf lets a machine use the cache."""

    def test_a_machine_that_does_not_use_the_cache_is_no_error(self, tmp_path: Path) -> None:
        """A user may look at a cache from anywhere."""
        subject = Subject(described(), environment={"HOME": str(tmp_path)})

        assert levels(machine.judged({"substituters": []}, subject)) == [Level.NOT_CHECKED]


class TestChecks:
    """How checks end."""

    def test_a_check_that_breaks_off_is_an_error_and_the_others_go_on(self) -> None:
        """What it found before stays."""

        def broken(_: Subject) -> Iterator[Finding]:
            yield ok("something")
            raise ZeroDivisionError("by nothing")

        found = list(
            checks.examine(
                Subject(described()),
                [
                    checks.Check("one", "the first", lambda _: [ok("fine")]),
                    checks.Check("two", "the second", broken),
                    checks.Check("three", "the third", lambda _: [ok("fine too")]),
                ],
            )
        )

        assert [result.finding.level for result in found] == [
            Level.OK,
            Level.OK,
            Level.ERROR,
            Level.OK,
        ]
        assert (
            "the check of the second failed: ZeroDivisionError: by nothing" in found[2].finding.what
        )

    @pytest.mark.parametrize(
        ("failure", "what", "fix"),
        [
            (
                AnsweredError(403, "AccessDenied"),
                "the storage's answer ended the check of all paths: 403 AccessDenied",
                "check the endpoint and the rights of the credential, then run doctor again",
            ),
            (ClientError("the listing repeats itself", "check it"), "the listing repeats", "check"),
        ],
    )
    def test_a_known_error_that_ends_a_check_comes_with_its_fix(
        self, failure: Exception, what: str, fix: str
    ) -> None:
        """There is nothing to report to the developers, such as an owner who may not list."""

        def refused(_: Subject) -> Iterator[Finding]:
            raise failure

        check = checks.Check("paths", "all paths", refused)
        [result] = checks.examine(Subject(described()), [check])

        assert result.finding.level is Level.ERROR
        assert result.finding.what.startswith(what)
        assert result.finding.fix.startswith(fix)

    def test_a_machine_that_only_pushes_is_not_checked_for_reading(self) -> None:
        """Its Nix never asks the cache, so it has nothing to wait for or to remember."""
        there = checks.all_checks(Wanted(count=0))
        reading = {check.title for check in there if check.needs_reading}
        assert reading >= {"Nix's memory", "waits for the cache", "the daemon's credentials"}

        check = checks.Check("one", "reads", lambda _: [ok("fine")], needs_reading=True)
        record = Record(name="demo", manifest=described(), push_only=True)
        assert list(checks.examine(Subject(described()), [check]))
        assert not list(checks.examine(Subject(described(), record=record), [check]))

    def test_without_a_server_the_rest_is_not_checked(self) -> None:
        """Except what needs none."""
        found = list(
            checks.examine(
                Subject(described()),
                [
                    checks.Check("one", "the server", lambda _: [error("a", "b", "c")]),
                    checks.Check("two", "objects", lambda _: [ok("never")]),
                    checks.Check("two", "here", lambda _: [ok("fine")], needs_server=False),
                ],
            )
        )

        assert [result.finding.level for result in found] == [
            Level.ERROR,
            Level.NOT_CHECKED,
            Level.OK,
        ]

    def test_every_fault_says_why_and_what_to_do(self) -> None:
        """Except what is no fault of the cache."""
        for finding in findings({fault: ["x"] for fault in Fault}):
            assert finding.what.startswith("1 path ")
            assert finding.fix
            assert finding.why or finding.level is Level.NOT_CHECKED


class TestReport:
    """What is printed."""

    def test_many_items_are_cut_and_the_document_has_them_all(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A thousand paths would hide the other findings."""
        many = [f"path-{number}" for number in range(1000)]
        results = [
            checks.Result("paths", error("unsigned", "why", "fix", many)),
            checks.Result("paths", warning("[bold]odd[/bold]", "why", "fix")),
            checks.Result("here", not_checked("nix.conf", "no Nix")),
        ]
        report.table(results)
        printed = capsys.readouterr().out

        assert "path-9\n" in printed
        assert "path-10\n" not in printed
        assert "and 990 more; --json prints all" in printed
        assert "[bold]odd[/bold]" in printed
        assert printed.splitlines()[0] == "1 error, 1 warning, 1 not checked, 0 ok"
        assert len(json.loads(json.dumps(report.document(results)))[0]["items"]) == 1000


class TestSources:
    """Where paths and credentials come from."""

    def test_paths_are_read_from_a_file(self, tmp_path: Path) -> None:
        """Whole or by their names, each once, blank lines left out."""
        file = tmp_path / "paths"
        file.write_text(f"/nix/store/{HASH}-a\n\n{HASH}-b\n  /gnu/store/{HASH[::-1]}-c  \n")

        assert hashes_in(file) == (HASH, HASH[::-1])

    def test_a_line_that_is_not_a_path_is_reported_with_its_number(self, tmp_path: Path) -> None:
        """So that it is found in a long file."""
        file = tmp_path / "paths"
        file.write_text(f"/nix/store/{HASH}-a\n./result\n")

        with pytest.raises(UsageError, match=r"paths:2: '\./result' is not a store path"):
            hashes_in(file)

"""Answers that are not the storage's are recognised, and nothing is believed of them."""

import pytest

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError, UnansweredError
from nix_cache.cli.s3.foreign import foreign_answer
from nix_cache.cli.s3.reply import ForeignAnswerError, RedirectedError, Reply
from nix_cache.cli.s3.transport import Transport
from tests.unit.cli.misbehaving import always, answer, misbehaving
from tests.unit.cli.test_transport import QUICK

URL = "http://s3.example.org/nix-cache/x.narinfo"
PARKED = b"<!doctype html>\n<html>\n<head>\n<title>Parked</title>\n</head></html>\n"


def client(url: str) -> S3Client:
    return S3Client(Transport(QUICK), f"{url}/nix-cache", "us-east-1")


class TestPages:
    """A web page is neither an object nor an absence."""

    @pytest.mark.parametrize(
        "body",
        [
            PARKED,
            b"\xef\xbb\xbf <HTML><body>",
            b'<?xml version="1.0"?>\n<!-- x -->\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0">',
        ],
    )
    def test_a_page_is_named_whatever_was_asked_for(self, body: bytes) -> None:
        with misbehaving(always(answer(body, Content_Type="text/html"))) as server:
            s3 = client(server.url)
            for ask in (
                lambda: s3.get("nix-cache-info"),
                lambda: s3.get("x.narinfo"),
                lambda: s3.head("nar/x"),
                lambda: s3.page(),
                lambda: s3.put("nar/x", b"content", "application/x-nix-nar"),
                lambda: s3.delete(["x"]),
                lambda: s3.lifecycle(),
            ):
                with pytest.raises(ForeignAnswerError, match="not a binary cache"):
                    ask()

    def test_its_title_is_shown(self) -> None:
        found = foreign_answer(Reply(URL, 200, {}, PARKED), "GET")

        assert found is not None
        assert found.problem == (
            "http://s3.example.org is a web page ('Parked'), not a binary cache"
        )

    def test_the_landing_page_is_an_object(self) -> None:
        with misbehaving(always(answer(PARKED, Content_Type="text/html"))) as server:
            assert client(server.url).get("index.html").body == PARKED

    @pytest.mark.parametrize("body", [b"StoreDir: /nix/store\n", b"<Error/>", b"", b"<htmlx>"])
    def test_what_is_no_page_is_not_taken_for_one(self, body: bytes) -> None:
        assert foreign_answer(Reply(URL, 200, {}, body), "GET") is None

    def test_a_page_that_refuses_is_not_the_storages_refusal(self) -> None:
        """A firewall's 403 says nothing of the credential; a 404 may be that of a web server."""
        found = foreign_answer(Reply(URL, 403, {}, PARKED), "PUT")
        assert found is not None
        assert "answers 403 with a web page" in found.problem
        with (
            misbehaving(always(answer(PARKED, "404 Not Found"))) as server,
            pytest.raises(AnsweredError),
        ):
            client(server.url).get("x.narinfo")


class TestNetworks:
    """What stands between here and the storage."""

    @pytest.mark.parametrize(
        ("status", "body", "problem"),
        [
            (407, b"", "the proxy for http://s3.example.org requires a login"),
            (511, PARKED, "the network of this machine requires a login"),
            (400, b"Client sent an HTTP request to an HTTPS server.\n", "wants TLS"),
            (400, b"<html>The plain HTTP request was sent to HTTPS port", "wants TLS"),
        ],
    )
    def test_it_is_named(self, status: int, body: bytes, problem: str) -> None:
        found = foreign_answer(Reply(URL, status, {}, body), "GET")

        assert found is not None
        assert problem in found.problem
        assert found.fix

    def test_nothing_is_tried_again(self) -> None:
        """Neither a request nor a whole step."""
        with (
            misbehaving(always(answer(b"", "511 Network Authentication Required"))) as server,
            pytest.raises(UnansweredError),
        ):
            client(server.url).get("nix-cache-info")
        assert len(server.requests) == 1


class TestRedirects:
    """Each kind has its own words."""

    @pytest.mark.parametrize(
        ("location", "problem", "fix"),
        [
            (
                "https://s3.example.org/nix-cache/x.narinfo",
                "redirects to https://s3.example.org",
                "set that URL",
            ),
            (
                "https://new.example.org/store/nix-cache/x.narinfo?y",
                "redirects to https://new.example.org/store",
                "set that URL",
            ),
            (URL, "redirects to itself", "proxy in front"),
            (
                "https://login.example.org/sign-in?next=x",
                "redirects to https://login.example.org, to another page",
                "login page",
            ),
        ],
    )
    def test_the_fix_is_that_of_its_kind(self, location: str, problem: str, fix: str) -> None:
        found = foreign_answer(Reply(URL, 302, {"Location": location}, b""), "GET")

        assert isinstance(found, RedirectedError)
        assert found.problem.startswith("the endpoint http://s3.example.org redirects to ")
        assert found.problem.endswith(problem) or problem in found.problem
        assert fix in found.fix

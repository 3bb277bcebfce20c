"""Fetching what somebody else wrote an address of: our own network is never asked, and no secret leaves its host."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from adapters.http.calls import NotSentError, Timeouts, TooLateError
from adapters.http.fetched import Fetcher, NotAllowedError, is_public
from tests.support.certificates import certified

TIMES = Timeouts(5.0, 5.0, 10.0)
PUBLIC = "93.184.216.34"


class _Net(httpx2.BaseTransport):
    """The network below the client: remembers each request and answers by its path."""

    def __init__(self, answers: Mapping[str, httpx2.Response]) -> None:
        self.asked: list[httpx2.Request] = []
        self._answers = answers

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        found = self._answers[request.url.path]
        return httpx2.Response(found.status_code, headers=found.headers, stream=found.stream)


def _fetcher(
    answers: Mapping[str, httpx2.Response], found: Sequence[str] = (PUBLIC,), hosts: Sequence[str] | None = None
) -> tuple[Fetcher, _Net]:
    net = _Net(answers)
    return Fetcher(hosts, TIMES, resolve=lambda host, port: found, transport=net), net


def _answer(status: int = 200, body: bytes = b"file", **headers: str) -> httpx2.Response:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=told, stream=httpx2.ByteStream(body))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104  # an address to refuse, not to bind to
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:7f00:1::",
        "fe80::1",
        "fe80::1%lo",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "localhost",
        "",
    ],
)
def test_an_address_that_leads_to_our_own_network_is_not_public(address: str) -> None:
    """T4: loopback, private, link-local, mapped, NAT64 and 6to4 addresses are refused; Python calls some global."""
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    """What is refused is not everything."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://127.0.0.1./",
    ],
)
def test_no_way_of_writing_our_own_machine_gets_by(url: str) -> None:
    """T4: what the system's resolver takes for this machine is refused, in whatever way it is written."""
    net = _Net({"/": _answer()})
    with pytest.raises((NotAllowedError, NotSentError)):
        Fetcher(None, TIMES, transport=net).get(url, {}, 100)
    assert net.asked == []


def test_a_name_is_resolved_once_and_its_checked_address_is_asked() -> None:
    """T4: a name that leads home on its second look (rebinding) has no second look, and keeps its own certificate."""
    looks: list[str] = []

    def rebind(host: str, port: int) -> Sequence[str]:
        looks.append(host)
        return [PUBLIC] if len(looks) == 1 else ["127.0.0.1"]

    net = _Net({"/a": _answer()})
    fetched = Fetcher(None, TIMES, resolve=rebind, transport=net).get("https://files.example.com/a?b=c", {}, 100)
    assert (fetched.status, fetched.body) == (200, b"file")
    (asked,) = net.asked
    assert looks == ["files.example.com"]
    assert str(asked.url) == f"https://{PUBLIC}/a?b=c"
    assert asked.headers["host"] == "files.example.com"
    assert asked.extensions["sni_hostname"] == "files.example.com"


def test_one_private_address_among_public_ones_spoils_the_name() -> None:
    """T4: a name that leads to both is not tried at its public address first and at ours next."""
    fetcher, net = _fetcher({"/": _answer()}, [PUBLIC, "10.0.0.1"])
    with pytest.raises(NotAllowedError, match="not public"):
        fetcher.get("https://files.example.com/", {}, 100)
    assert net.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.com/",
        "https://evil.example.org/",
        "https://cdn.example.com.evil.org/",
        "https://notcdn.example.com/",
        "https://cdn.example.com:8443/",
        "https://user:pass@cdn.example.com/",
        "https://video.files.example.com@evil.example.org/",
        "ftp://cdn.example.com/",
        "gopher://cdn.example.com/",
        "//cdn.example.com/",
        "https://files.example.com/",
        "",
        "https://cdn.example.com/" + "a" * 9_000,
    ],
)
def test_only_listed_hosts_are_asked(url: str) -> None:
    """T4: a host that only looks like a listed one, another port, a user name or another scheme is never asked."""
    fetcher, net = _fetcher({}, hosts=["cdn.example.com", "*.files.example.com"])
    with pytest.raises(NotAllowedError):
        fetcher.get(url, {}, 100)
    assert net.asked == []


@pytest.mark.parametrize(
    "url", ["https://cdn.example.com/", "https://CDN.example.com/", "https://a.b.files.example.com/"]
)
def test_listed_hosts_are_asked(url: str) -> None:
    """A listed host is asked by its name or by what lies below it."""
    fetcher, net = _fetcher({"/": _answer()}, hosts=["cdn.example.com", "*.files.example.com"])
    assert fetcher.get(url, {"Authorization": "Bearer token"}, 100).body == b"file"
    assert net.asked[0].headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.org/b",
        "http://cdn.example.com/b",
        "//evil.example.org/b",
        "https://cdn.example.com:1/b",
        "",
    ],
)
def test_a_redirect_to_another_host_is_not_followed(location: str) -> None:
    """T4: neither another host nor a plain connection gets what was meant for the first one."""
    fetcher, net = _fetcher({"/a": _answer(302, b"", location=location)})
    with pytest.raises(NotAllowedError, match="redirects"):
        fetcher.get("https://cdn.example.com/a", {"Authorization": "Bearer token"}, 100)
    assert [str(asked.url.path) for asked in net.asked] == ["/a"]


def test_a_redirect_within_a_host_is_followed_a_few_times() -> None:
    """A server may move a file to another path of its own, and not without end."""
    fetcher, _ = _fetcher({"/a": _answer(302, b"", location="/b"), "/b": _answer()})
    assert fetcher.get("https://cdn.example.com/a", {}, 100).body == b"file"
    fetcher, net = _fetcher({"/a": _answer(302, b"", location="/a")})
    with pytest.raises(NotAllowedError, match="again"):
        fetcher.get("https://cdn.example.com/a", {}, 100)
    assert len(net.asked) == 4


def test_where_it_may_roam_another_listed_host_gets_no_headers() -> None:
    """A redirect to a listed host is followed where that was asked for, without the token, and to no other host."""
    net = _Net({"/a": _answer(302, b"", location="https://two.example.com/b"), "/b": _answer()})
    hosts = ("one.example.com", "two.example.com")
    fetcher = Fetcher(hosts, TIMES, roams=True, resolve=lambda host, port: [PUBLIC], transport=net)
    assert fetcher.get("https://one.example.com/a", {"Authorization": "Bearer token"}, 100).body == b"file"
    assert ["authorization" in asked.headers for asked in net.asked] == [True, False]
    assert [asked.headers["host"] for asked in net.asked] == list(hosts)
    alone = Fetcher(hosts[:1], TIMES, roams=True, resolve=lambda host, port: [PUBLIC], transport=net)
    with pytest.raises(NotAllowedError, match="not on the list"):
        alone.get("https://one.example.com/a", {}, 100)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (_answer(content_length="101"), "larger"),
        (_answer(body=b"x" * 101), "larger"),
        (_answer(content_encoding="gzip", content_type="audio/ogg"), "compressed"),
        (_answer(content_type="text/html"), "type"),
        (_answer(), "type"),
    ],
)
def test_what_is_too_large_or_of_another_type_is_not_read(answer: httpx2.Response, match: str) -> None:
    """T4, T16: no length, told or not, goes over the bound, and no type is read that nobody asked for."""
    fetcher, _ = _fetcher({"/": answer})
    types = () if match == "larger" else ("audio/",)
    with pytest.raises(NotAllowedError, match=match):
        fetcher.get("https://cdn.example.com/", {}, 100, types=types)


@pytest.mark.parametrize("status", [304, 401, 404, 410, 429, 503])
def test_a_refusal_is_handed_back_without_its_body(status: int) -> None:
    """What is no success is for whoever asked to judge, by its status and its headers."""
    fetcher, _ = _fetcher({"/": _answer(status, b"x" * 1_000, retry_after="7")})
    fetched = fetcher.get("https://cdn.example.com/", {}, 100)
    assert (fetched.status, fetched.headers["retry-after"], fetched.body) == (status, "7", b"")


def test_a_name_without_an_address_is_not_reached() -> None:
    """A resolver that fails is an error of time, not of whoever wrote the address."""

    def fail(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(NotSentError):
        Fetcher(None, TIMES, resolve=fail).get("https://cdn.example.com/", {}, 100)


@contextmanager
def _served(answer: Callable[[BaseHTTPRequestHandler], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _file(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "audio/ogg; codecs=opus")
    handler.send_header("Content-Length", "4")
    handler.end_headers()
    handler.wfile.write(b"OggS")


def test_an_origin_that_the_operator_wrote_may_be_this_machine() -> None:
    """A server of one's own is asked where it was named, whatever the list of hosts says, and only that origin."""
    with _served(_file) as port:
        fetcher = Fetcher(("cdn.example.com",), TIMES, trusted=(f"http://127.0.0.1:{port}",))
        fetched = fetcher.get(f"http://127.0.0.1:{port}/voice", {}, 100, types=("audio/",))
        assert (fetched.body, fetched.content_type) == (b"OggS", "audio/ogg")
        with pytest.raises(NotAllowedError):
            fetcher.get(f"http://127.0.0.1:{port + 1}/voice", {}, 100)


def test_an_answer_that_trickles_is_given_up() -> None:
    """Bytes that keep coming, each in time, still end at the bound of the whole."""

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        until = time.monotonic() + 20
        try:
            while time.monotonic() < until:
                handler.wfile.write(b"x")
                time.sleep(0.01)
        except OSError:
            pass  # the other side has gone, as it should

    with _served(trickle) as port:

        def end(whole_s: float) -> type[Exception]:
            fetcher = Fetcher((), Timeouts(5.0, 5.0, whole_s), trusted=(f"http://127.0.0.1:{port}",))
            with pytest.raises((TooLateError, NotSentError)) as given_up:
                fetcher.get(f"http://127.0.0.1:{port}/", {}, 1_000_000)
            return given_up.type

        # On a busy machine so short a time may be over before there is a connection; it is tried again with more then.
        assert TooLateError in map(end, (0.2, 1.0, 5.0))


def test_the_certificate_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    """Connecting to a checked address keeps the name's certificate: the right one is taken, another name's is not."""
    tls, trust = certified(tmp_path, "files.example.com")
    with _served(_file, tls) as port:

        def fetch(host: str) -> bytes:
            url = f"https://{host}:{port}"
            with httpx2.HTTPTransport(verify=trust) as transport:
                fetcher = Fetcher(
                    (), TIMES, trusted=(url,), resolve=lambda name, at: ["127.0.0.1"], transport=transport
                )
                return fetcher.get(f"{url}/", {}, 100).body

        assert fetch("files.example.com") == b"OggS"
        with pytest.raises(NotSentError):
            fetch("other.example.com")

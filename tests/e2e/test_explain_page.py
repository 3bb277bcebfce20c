"""The explain page as a rep meets it: served by the real command, opened by a link of its, shown by a browser.

Each test speaks to one served sidecar over its socket. What needs a browser takes the machine's own Chromium, and is
skipped where there is none; the browser may reach nothing but this machine, and says whether anything tried.
"""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.support.served import SECRET, Sidecar, sidecar, until

KEY, OTHER_KEY = "a-key-that-nobody-guesses-0123456789", "a-key-that-somebody-else-has-987654321"
CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
public_url = "https://sidecar.northwind.test"
explain_key_env = "EXPLAIN_KEY"
[own]
domains = ["northwind.test"]
timezone = "Europe/Berlin"
[journal]
url = "sqlite:///journal.db"
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[crm]
type = "local"
path = "crm.db"
[crm.create]
contact = "auto"
deal = "qualified"
[inference]
quiet_s = 0.0
[llm]
type = "scripted"
path = "script.json"
[policy]
mode = "auto"
[fields.risks]
type = "text"
values = []
[notes]
settle_s = 0.0
"""
HOSTILE = "<script>document.title='pwned'</script><img src='http://127.0.0.1:9/x.png'> \u202eevil\u202c"
SAID = (
    ("anna", "Hallo, ich interessiere mich für ein gebrauchtes Klavier.", "inbound"),
    ("anna", "Gern! Welches Budget haben Sie?", "outbound"),
    ("anna", "I want to buy the piano. Our budget is 4,500 EUR. " + HOSTILE, "inbound"),
    ("anna", "هل يمكنكم التوصيل؟", "inbound"),
    ("anna", "W" * 400, "inbound"),
)
SCRIPT = [
    {
        "match": "piano",
        "answer": {
            "ops": [
                {"field": "intent", "value": "buy", "evidence": [{"quote": "want to buy the piano"}]},
                {"field": "budget", "value": "4,500 EUR", "evidence": [{"quote": "4,500 EUR"}]},
                {"field": "risks", "value": HOSTILE, "evidence": [{"quote": "<script>"}]},
            ]
        },
    }
]
LINK = re.compile(r"https://sidecar\.northwind\.test(/explain/[\w:/-]+)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")


class Served(NamedTuple):
    """A sidecar that serves, and the path of a link to one field and to all of them."""

    sidecar: Sidecar
    field: str
    party: str

    def get(self, path: str, method: str = "GET") -> httpx2.Response:
        """Ask for a page as a browser does."""
        with httpx2.Client(trust_env=False) as client:
            return client.request(method, f"http://127.0.0.1:{self.sidecar.port}{path}", timeout=20)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a sidecar whose one customer wrote much, of which something is believed."""
    secrets = {"WEB_SECRET": SECRET, "EXPLAIN_KEY": f"{KEY},{OTHER_KEY}"}
    home = sidecar(tmp_path_factory.mktemp("explain"), CONFIG, secrets)
    (home.folder / "script.json").write_text(json.dumps(SCRIPT))
    with home.serve():
        for number, (who, text, direction) in enumerate(SAID):
            assert home.post("web", message(number, who, text, direction), f"d{number}") == 202
        until(lambda: "buy" in [line["intent"] for line in home.json("inbox")["relationships"]], "the intent")
        made = home.json("explain", "anna@x.test", "budget", "--link")
        whole = home.json("explain", "anna@x.test", "--link")
        yield Served(home, urlsplit(made["link"]).path, urlsplit(whole["link"]).path)


def message(number: int, who: str, text: str, direction: str) -> dict[str, Any]:
    """A message of a web chat, ours or a customer's."""
    at = (datetime.now(UTC) - timedelta(minutes=10 - number)).isoformat()
    theirs = {"email": f"{who}@x.test", "name": who.capitalize()}
    sender = (
        {"sender": theirs} if direction == "inbound" else {"sender": {"email": "bo@northwind.test"}, "customer": theirs}
    )
    data = {"message_id": f"m{number}", "conversation_id": who, "direction": direction, "text": text, "sent_at": at}
    return {"type": "message.created", "timestamp": at, "data": {**data, **sender}}


# Over the wire --------------------------------------------------------------------------------------------------------


def test_a_link_from_the_command_line_opens_the_page(served: Served) -> None:
    """Command, config, door and book fit together: the link shows the value with its words marked."""
    answer = served.get(served.field)
    assert answer.status_code == 200
    read = LexborHTMLParser(answer.text)
    assert [node.text() for node in read.css("h1")] == ["Budget: 4,500 EUR"]
    assert [node.text() for node in read.css("mark")] == ["4,500 EUR1"]
    assert "set-cookie" not in answer.headers


def test_a_link_leads_on_from_all_to_one(served: Served) -> None:
    """The links on a party's page are sealed too, and each opens."""
    read = LexborHTMLParser(served.get(served.party).text)
    paths = [urlsplit(link.attributes["href"] or "").path for link in read.css(".fields h3 a")]
    assert len(paths) >= 3
    assert {served.get(path).status_code for path in paths} == {200}


def test_the_links_that_reps_find_in_their_crm_open(served: Served) -> None:
    """What the sidecar writes beside its words leads to them; seen to fail sealed with another key."""
    shown = until(lambda: LINK.findall(served.sidecar.run("ledger", "show", "--json")), "a text with a link")
    answers = {path: served.get(path) for path in shown}
    assert {answer.status_code for answer in answers.values()} == {200}
    assert all("Anna" in answer.text for answer in answers.values())


def test_whoever_changes_a_link_sees_nothing(served: Served) -> None:
    """Another field, another customer, another day: 404, and not a word of anybody's; HEAD says the same."""
    changed = (
        served.field.replace("/budget/", "/intent/"), served.party[:-1], served.field.replace("/1-", "/1-9"),
        served.field.upper(), "/explain/",
    )  # fmt: skip
    for path in changed:
        answer = served.get(path)
        assert answer.status_code == 404, path
        assert "Anna" not in answer.text and "4,500" not in answer.text
        assert (served.get(path, "HEAD").status_code, served.get(path, "HEAD").content) == (404, b"")


def test_neither_log_nor_metrics_hold_a_link(served: Served) -> None:
    """What an operator keeps for months opens no page."""
    assert served.get(served.field).status_code == 200
    until(lambda: [e for e in served.sidecar.log if e.get("event") == "page_shown"], "the log")
    with httpx2.Client(trust_env=False) as client:
        metrics = client.get(f"http://127.0.0.1:{served.sidecar.admin_port}/metrics", timeout=20).text
    seal = served.field.rpartition("-")[2]
    kept = json.dumps(served.sidecar.log) + metrics
    assert seal not in kept and "/explain/" not in kept
    assert KEY not in kept and OTHER_KEY not in kept


# In a browser ---------------------------------------------------------------------------------------------------------


class Visit(NamedTuple):
    """A page in a browser, and whatever it asked for beside itself."""

    page: Any
    asked: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start the machine's Chromium; as root, as in a container, it has no sandbox of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


def visit(served: Served, browser: Any, path: str, width: int, **more: Any) -> Visit:
    """Open a page in a window of a width; scripts are let run, so that only the page itself keeps them out."""
    asked: list[str] = []
    page = browser.new_context(viewport={"width": width, "height": 900}, **more).new_page()
    url = f"http://127.0.0.1:{served.sidecar.port}{path}"
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: asked.append(message.text))
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    answer = page.goto(url)
    assert answer is not None and answer.ok
    asked.remove(url)
    return Visit(page, asked)


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_can_be_read_at_any_width(served: Served, browser: Any, width: int) -> None:
    """On a screen and a phone nothing runs off the side, and the quote can be seen; seen to fail without wrapping."""
    for path in (served.field, served.party):
        page, asked = visit(served, browser, path, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.eval_on_selector_all("section *", "nodes => nodes.map(n => n.getBoundingClientRect().right)")
        assert max(boxes) <= width
        assert page.locator("mark").first.is_visible()
        columns = page.eval_on_selector_all(".col", "nodes => nodes.map(n => n.getBoundingClientRect().left)")
        assert len(set(columns)) == (2 if width > 1000 else 1)
        assert asked == [], "nothing is loaded, run or complained of"


@needs_browser
def test_what_a_customer_wrote_does_nothing_in_a_browser(served: Served, browser: Any) -> None:
    """No script runs, no picture loads, no text turns around; seen to fail with the text unescaped."""
    page, asked = visit(served, browser, served.field, 390)
    assert page.title() == "Budget: where it comes from"
    assert page.locator("img, script, iframe, object, embed").count() == 0
    said = page.locator(".turn .text", has_text="piano").first.inner_text()
    assert "<script>document.title='pwned'</script>" in said and "[U+202E]evil[U+202C]" in said
    assert asked == []


@needs_browser
def test_a_number_leads_to_its_words_without_a_script(served: Served, browser: Any) -> None:
    """A rep who taps a quote lands on it, with scripts switched off; details open too."""
    page, _ = visit(served, browser, served.field, 390, java_script_enabled=False)
    page.locator("#words a.num").first.click()
    assert page.url.endswith("#q1")
    box, scrolled = page.locator("#q1").bounding_box(), page.viewport_size
    assert box is not None and scrolled is not None and 0 <= box["y"] < scrolled["height"]
    first = page.locator(".chain details").first
    first.locator("summary").click()
    assert first.locator("dd").first.is_visible()


@needs_browser
def test_words_run_the_way_that_their_letters_do(served: Served, browser: Any) -> None:
    """Arabic starts at the right, German at the left, on the same page."""
    page, _ = visit(served, browser, served.field, 1280)
    direction = "node => getComputedStyle(node).direction"
    assert page.locator(".text", has_text="التوصيل").evaluate(direction) == "rtl"
    assert page.locator(".text", has_text="Klavier").evaluate(direction) == "ltr"


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_nobody_is_shut_out(served: Served, browser: Any, width: int) -> None:
    """Contrast, headings, names and order pass the rule book of axe-core, which is not ours."""
    from axe_playwright_python.sync_playwright import Axe

    for path in (served.field, served.party):
        page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        page.set_content(served.get(path).text)  # without the headers, which would keep the judge's own script out
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

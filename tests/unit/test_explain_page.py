"""The page behind a link, judged by parsers of another make: the words, the causes, the past, and nothing obeyed."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from justhtml import JustHTML
from selectolax.lexbor import LexborHTMLParser

from sidecar.errors import PermanentError
from sidecar.explain import html, view
from sidecar.links import Linked
from tests.support.books import erase
from tests.support.houses import House, buys, op, says

UNTIL = date(2026, 3, 17)
RTL = "مرحبا، هل يمكنكم الاتصال بي غداً؟"
TAGS = "".join(chr(0xE0000 + ord(letter)) for letter in "obey me")
HOSTILE = (
    "</div></main><script>fetch('//x.test')</script><img src=x onerror=alert(1)> \" ' onmouseover=\"a\" &amp; "
    "&lt;b&gt; <!-- --> <style>*{display:none}</style> http://x.test/?a=1&b=2 javascript:alert(1) "
    f"\u202etxt.exe\u202c {TAGS} {RTL}"
)
RISKS_AS_WORDS = '[fields.risks]\ntype = "text"\nvalues = []\n'
RULES = (
    says("elsewhere", op("sentiment", "positive", "elsewhere")),
    buys(),
    says("ready", op("stage", "qualified", "ready"), steps=[
        {"who": "us", "what": "Send the prices", "due_date": "2026-03-09", "evidence": [{"quote": "ready"}]}
    ]),
    says("maybe", op("budget", "4000", "maybe", certainty="weakly_implied")),
    says("display:none", op("risks", "<b>markup</b> \u202e", "onmouseover=\"a\" &amp; &lt;b&gt;")),
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which Ann said much, in two conversations, and a rep disagreed about the stage."""
    with House(tmp_path_factory.mktemp("house"), "sqlite:///journal.db", *RULES, after=RISKS_AS_WORDS) as opened:
        opened.start()
        for number, text in enumerate(("Hello", "I want to buy", "We are ready now", HOSTILE, "maybe 4000"), 1):
            opened.hear(text, id=f"said-{number}")
        opened.answer("Thank you, Ann.")
        opened.work()
        opened.hear("I write from elsewhere", thread="another", id="other")
        (deal,) = opened.records("deal")
        opened.app.ledger.edit("deal", deal.ref, {"stage": "booked"})  # type: ignore[attr-defined]  # the local ledger
        opened.hear("Hello again")
        yield opened


def shown(house: House, field: str, record: str = "") -> LexborHTMLParser:
    """Return the page of a field of Ann's, or of a record's, as a parser of another make reads it; it must be valid."""
    linked = Linked(record or house.standing().party, field, UNTIL)
    found = view(house.journal, "local", house.app.policy, linked, ZoneInfo("Europe/London"))
    page = html(found, lambda name: f"/explain/within/{name}")
    assert len(page) < 200_000
    JustHTML(page, strict=True)  # raises at the first error that the standard names
    read = LexborHTMLParser(page)
    ids = [node.attributes["id"] for node in read.css("[id]")]
    assert len(ids) == len(set(ids)), "an id stands once"
    for link in read.css("a"):
        target = link.attributes["href"] or ""
        assert target.startswith("/explain/within/") or target.removeprefix("#") in ids, f"{target} leads nowhere"
    assert {node.tag for node in read.css("*")} <= set(OURS.split()), "no element comes from outside"
    for node in read.css("*"):
        assert not [name for name in node.attributes if name.startswith("on") or name in ("style", "src")]
    assert len(read.css("style")) == 1
    return read


OURS = (
    "html head meta title style body header main footer section nav h1 h2 h3 p ol ul li a b i bdi br blockquote div "
    "span mark sup time details summary dl dt dd"
)


def words(read: LexborHTMLParser, selector: str) -> list[str]:
    """Return the texts of elements, with white space as it is."""
    return [node.text() for node in read.css(selector)]


def test_a_quote_is_marked_where_it_was_said(house: House) -> None:
    """The mark stands on the very words, in the message they are from; seen to fail with offsets one to the right."""
    read = shown(house, "intent")
    (mark,) = read.css("mark")
    assert mark.text() == "buy1" and mark.attributes["id"] == "q1"
    turn = next(node for node in read.css("li.turn") if node.css("mark"))
    assert [text.text() for text in turn.css(".text")] == ["I want to buy1"]
    assert "quoted" in (turn.attributes["class"] or "")
    (quote,) = words(read, "blockquote")
    assert quote == "buy"
    assert [link.attributes["href"] for link in read.css("#words a.num")] == ["#q1"]
    assert words(read, "h1") == ["Intent: buy"]


def test_the_chain_leads_from_the_write_to_the_bytes(house: House) -> None:
    """An auditor sees each step, with prompt, model and cost; seen to fail with the belief explained alone."""
    read = shown(house, "intent")
    kinds = [kind for kind in words(read, ".chain .kind") if kind != "What the CRM held"]
    assert list(dict.fromkeys(kinds)) == [
        "Written to the CRM and read back", "Meant to write", "Decided", "Read out of the words", "Asked a model",
        "Whose it is", "Said or done", "How it reached us",
    ]  # fmt: skip
    details = dict(zip(words(read, ".chain dt"), words(read, ".chain dd"), strict=True))
    prompt = house.app.prompts["relationship"]
    assert details["Prompt's SHA-256"] == prompt.sha256 and details["Model"] == "scripted-1"
    assert "Cost, US dollars" in details and len(details["SHA-256 of the bytes"]) == 64


def test_the_past_says_what_we_wrote_and_what_a_person_made_of_it(house: House) -> None:
    """Both sides of a disagreement stand in their order, newest first; seen to fail without the corrections."""
    (deal,) = house.records("deal")
    read = shown(house, "stage", f"deal:{deal.ref}")
    rows = [re.split(r"\d+ Mar 2026", row)[0] for row in words(read, ".past li")]
    assert [row for row in rows if "Believed" not in row] == [
        "Put right in the CRM by A person: booked", "Written to the CRM by the sidecar: qualified",
    ]  # fmt: skip
    assert len(read.css(".past li.person")) == 1
    assert words(read, ".places .person .small")[0].startswith("A person wrote this; the sidecar leaves it")
    assert words(read, "h1") == ["Stage: booked"]


def test_what_a_person_overruled_is_shown_with_its_words(house: House) -> None:
    """Whoever wonders about a correction sees what was read, and out of which words; seen to fail without them."""
    read = shown(house, "stage")
    assert words(read, "h1") == ["Stage: booked"]
    leads = words(read, ".lead")
    assert leads[0].startswith("A person set it in the CRM: ") and leads[1].startswith(
        "Before that, qualified was read"
    )
    assert words(read, "mark") == ["ready1"]


def test_what_a_person_turned_down_is_shown_with_its_words(tmp_path: Path) -> None:
    """A field that nothing is believed of has a page that says who said no, when and to what; seen to fail with 404."""
    with House(tmp_path, "sqlite:///journal.db", *RULES, after=RISKS_AS_WORDS) as opened:
        opened.start().hear("maybe 4000, says <b>she</b>")
        opened.app.pipeline.people.review(opened.standing().party, "budget", "rita", approve=False)
        read = shown(opened, "budget")
    assert words(read, "h1") == ["Budget: nothing"]
    (lead,) = [said for said in words(read, ".lead") if "proposed" in said]
    assert re.match(r"4000 was proposed from “maybe”; rita turned it down on \d+ Mar 2026, ", lead)
    assert words(read, "mark") == ["maybe1"]
    assert "A person's word" in words(read, ".chain .kind")


def test_a_link_to_a_field_shows_its_own_conversation_only(house: House) -> None:
    """Who may see one conversation doesn't see the customer's others; seen to fail with all threads shown."""
    assert not any("elsewhere" in said for said in words(shown(house, "intent"), ".text"))
    assert words(shown(house, "sentiment"), ".text") == ["I write from elsewhere1"]
    assert len(words(shown(house, ""), ".text")) == 8


def test_a_link_to_a_party_shows_each_field_with_its_own_link(house: House) -> None:
    """The overview leads on to the causes of each value, steps and what waits included."""
    read = shown(house, "")
    links = {node.attributes["href"]: node.text() for node in read.css(".fields a") if "class" not in node.attributes}
    assert {"/explain/within/intent", "/explain/within/stage", "/explain/within/budget"} <= set(links)
    assert any(href.startswith("/explain/within/step:") and name == "Next step" for href, name in links.items() if href)
    assert any(row.startswith("Budget4000 waits for a person") for row in words(read, ".fields li"))


def test_what_waits_says_why(house: House) -> None:
    """A rep who is asked learns what for; seen to fail with believed fields alone."""
    read = shown(house, "budget")
    assert words(read, "h1") == ["Budget: 4000"]
    assert re.search(r"4000 waits for a person since .+: .+", words(read, ".lead")[0])
    assert words(read, "blockquote") == ["maybe"]


def test_a_step_is_explained_and_its_task_found(house: House) -> None:
    """What somebody is asked to do has words behind it like any field."""
    (step,) = house.standing().engagement.steps
    read = shown(house, f"step:{step.id}")
    assert words(read, "h1") == ["Next step: Send the prices"]
    assert words(read, "blockquote") == ["ready"]
    assert any(row.startswith("task:") for row in words(read, ".places b"))


def test_whatever_a_customer_writes_stays_words(house: House) -> None:
    """Markup, attributes, addresses and comments are shown letter by letter; seen to fail with the text unescaped."""
    read = shown(house, "risks")
    (text,) = [node for node in read.css(".text") if "alert" in node.text()]
    plain = re.sub(r"1(?= <!--)", "", text.text())
    expected = (
        HOSTILE.replace("\u202e", "[U+202E]").replace("\u202c", "[U+202C]").replace(TAGS, "[7 hidden characters]")
    )
    assert plain == expected
    assert words(read, "h1") == ["Risks: <b>markup</b>"], "what is believed holds no hidden sign in the first place"
    assert text.attributes["dir"] == "auto" and text.attributes["lang"] == ""
    assert not re.search("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", read.html or "")


def test_our_people_are_told_from_customers(house: House) -> None:
    """Who said it counts: what we said is set apart, in words as well as in colour."""
    ours = shown(house, "intent").css("li.turn.agent")
    assert [text.text() for node in ours for text in node.css(".text")] == ["Thank you, Ann."]
    assert "(our side)" in ours[0].text()


@pytest.mark.parametrize(
    "record, field", [("", "nosuch"), ("contact:nosuch", "ai_stage"), ("party-0", "stage"), ("party-0", "")]
)
def test_what_nobody_knows_has_no_page(house: House, record: str, field: str) -> None:
    """A link to what is not in the book, or no more, shows nothing at all."""
    with pytest.raises(PermanentError):
        shown(house, field, record)


def test_the_page_says_until_when_it_can_be_seen(house: House) -> None:
    """Who passes a link on knows what it gives away, and for how long."""
    assert "until 16 Mar 2026 (UTC)" in words(shown(house, "intent"), "footer")[0]


@pytest.mark.damages_the_book
def test_what_was_erased_is_shown_as_erased(tmp_path: Path) -> None:
    """Erased words are on no page, their place in the chain is; seen to fail with the claim's own copy shown."""
    with House(tmp_path, "sqlite:///journal.db", buys()) as house:
        house.start()
        house.hear("I want to buy a secret piano", id="m1")
        url = f"sqlite:///{tmp_path / 'journal.db'}"
        activity = house.activity("m1")
        for cause in (*(fact.id for fact in house.journal.causes(activity.id)), activity.id):
            erase(url, cause)
        read = shown(house, "intent")
        assert "These words were erased." in words(read, "#words p")
        assert "Erased" in words(read, ".chain .kind")
        assert not read.css("blockquote, mark") and "secret piano" not in read.text()

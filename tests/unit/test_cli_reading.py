"""Commands that look: inbox, explain, activities, party, work, ledger, prompts, verify, export."""

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.journal import Entry
from sidecar.model import Alert, Change, Claim, Decision, Inference, Verdict
from sidecar.report import WORDS
from tests.support.offices import Office

PHONE = "+447700900123"
RULES: list[dict[str, Any]] = [
    {
        "match": "trial lesson",
        "answer": {
            "ops": [
                {"field": "stage", "value": "qualified", "evidence": [{"quote": "trial lesson"}]},
                {"field": "intent", "value": "book", "evidence": [{"quote": "trial lesson"}]},
            ],
            "steps": [
                {
                    "who": "us", "what": "Send the prices", "due_date": "2026-11-21",
                    "evidence": [{"quote": "trial lesson"}],
                }
            ],
        },
    },
    {
        "match": "perhaps a booking",
        "answer": {
            "ops": [
                {
                    "field": "stage", "value": "booked", "certainty": "weakly_implied",
                    "evidence": [{"quote": "perhaps a booking"}],
                }
            ]
        },
    },
    {
        "match": "no longer",
        "answer": {"ops": [{"field": "stage", "value": "closed_lost", "evidence": [{"quote": "no longer"}]}]},
    },
]  # fmt: skip
HOSTILE = "\x1b]0;pwned\x07Hi \x1b[31m[bold red]there[/] \u202egnirts \x9b2Jend"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office after a busy day: one qualified, one hesitating, one lost, one hostile, a question, a poison pill."""
    office = Office(tmp_path_factory.mktemp("office")).furnish(RULES)
    office.mail("Ann Lee <ann@x.test>", "I would like a trial lesson.")
    office.mail("Ben Ho <ben@x.test>", "Good morning.")
    office.mail("Cy Old <cy@x.test>", "We are no longer interested.")
    office.mail("Eve [red] <eve@x.test>", HOSTILE, subject="[link=http://x.test]click[/link]")
    office.chat({"external_id": "v1", "name": "Phil", "phone": PHONE}, "Hello, this is Phil")
    office.chat({"external_id": "v2"}, "", kind="message.exploded")
    office.run()
    office.mail("Ben Ho <ben@x.test>", "So perhaps a booking, perhaps not.", days_ago=2)
    office.chat({"external_id": "v9", "name": "Ann Lee", "email": "ann@x.test", "phone": PHONE}, "It is me")
    office.run()
    return office


@pytest.fixture
def own(settled: Office, tmp_path: Path) -> Office:
    """A copy of that office that a test may change."""
    shutil.copytree(settled.base, tmp_path, dirs_exist_ok=True)
    return Office(tmp_path)


def _by_name(inbox: Any) -> dict[str, Any]:
    return {line["name"]: line for line in inbox["relationships"]}


def test_the_inbox_says_where_each_relationship_stands(settled: Office) -> None:
    """A line holds the name, channel, stage, intent, next step with its date, and the CRM's records."""
    ann = _by_name(settled.data("inbox"))["Ann Lee"]
    assert (ann["stage"], ann["intent"], ann["channel"]) == ("qualified", "book", "mail")
    assert ann["next_step"] == "us: Send the prices"
    assert ann["next_step_due"] == "2026-11-21"
    assert set(ann["crm"]) == {"contact", "deal"}
    assert ann["identifiers"] == ["email:ann@x.test"]


def test_the_inbox_puts_first_who_needs_a_person(own: Office) -> None:
    """Alerts come before what waits for a word, that before score; seen to fail with the order turned round."""
    with own.journal() as journal:
        (phil,) = journal.parties("phil")
        cause = next(iter(phil.known_by.values()))
        alert = Alert(
            because=(cause,), party=phil.party, rule="silent", subject=phil.party, about="x", rank=40.0,
            reason="silent in enquired", at=journal.now(),
        )  # fmt: skip
        journal.commit(Entry(facts=(journal.mint(alert),)))
    inbox = own.data("inbox")
    names = [line["name"] for line in inbox["relationships"]]
    assert names[:3] == ["Phil", "Ann Lee", "Ben Ho"]
    assert inbox["relationships"][0]["alerts"][0]["rule"] == "silent"
    assert "! silent in enquired" in own.told("inbox")


def test_the_inbox_says_what_it_asks(settled: Office) -> None:
    """A suggestion, and a question in which the party is a candidate, are reasons to look."""
    inbox = settled.data("inbox")
    lines = _by_name(inbox)
    assert lines["Ben Ho"]["suggestions"]["stage"]["value"] == "booked"
    assert any("stage: is it 'booked'?" in reason for reason in lines["Ben Ho"]["review"])
    assert lines["Ann Lee"]["questions"] == lines["Phil"]["questions"] == 1
    assert [len(q["candidates"]) for q in inbox["questions"]] == [2]


def test_the_inbox_leaves_out_what_is_closed_until_asked(settled: Office) -> None:
    """Lost relationships don't stand in the way; --all shows them."""
    assert "Cy Old" not in _by_name(settled.data("inbox"))
    closed = _by_name(settled.data("inbox", "--all"))["Cy Old"]
    assert (closed["stage"], closed["closed"]) == ("closed_lost", True)


def test_the_inbox_says_what_holds_reading(settled: Office) -> None:
    """Who looks for news that isn't read learns why, and what to do; seen to fail with the brakes left out."""
    settled.told("pause", "llm", "--reason", "the price list is odd")
    (held,) = settled.data("inbox")["held"]
    assert "the price list is odd" in held
    assert held in settled.told("inbox").replace("\n", " ")


def test_the_inbox_has_no_desks_in_it(own: Office) -> None:
    """An owner's desk is a standing, but nobody's relationship; seen to fail without the filter."""
    with own.journal() as journal:
        (ann,) = journal.parties("ann lee")
        change = next(f for f in journal.facts(kinds=("change",), party=ann.party) if isinstance(f, Change))
        task = replace(change, party="desk:", because=(ann.known_by["name"],), key="k", kind="task")
        journal.commit(Entry(facts=(journal.mint(task),)))
        assert any(s.party == "desk:" for s in journal.inbox(50))
    assert "desk:" not in {line["party"] for line in own.data("inbox", "--all")["relationships"]}
    assert "desk:" not in own.told("party", "list")


def test_the_inbox_is_bounded_and_says_so(settled: Office) -> None:
    """A limit cuts the least pressing, and the rest is counted."""
    inbox = settled.data("inbox", "--limit", "1")
    assert [line["name"] for line in inbox["relationships"]] == ["Ann Lee"]
    assert inbox["left_off"] == 3
    assert "and 3 more: --limit 4" in settled.told("inbox", "--limit", "1")


def test_an_empty_office_says_so(tmp_path: Path) -> None:
    """Nothing is said in words, and as empty lists."""
    office = Office(tmp_path).furnish([])
    assert "No relationships yet." in office.told("inbox")
    assert office.data("inbox") == {"relationships": [], "left_off": 0, "questions": [], "held": []}
    assert "No activities yet." in office.told("activities")
    assert "Nothing is left to do." in office.told("work")
    assert "No parties yet." in office.told("party", "list")
    assert "Nothing is asked." in office.told("party", "questions")
    assert "The CRM holds no such records." in office.told("ledger", "show", "contact")


@pytest.mark.parametrize(
    "command", [["inbox", "--all"], ["activities"], ["party", "list"], ["party", "show", "eve@"], ["ledger", "show"],
                ["explain", "eve@", "score"], ["party", "questions"], ["work"]],
)  # fmt: skip
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_hostile_mail_does_nothing_to_a_terminal(settled: Office, command: list[str], form: list[str]) -> None:
    """No command passes on an escape sequence or a turned reading direction; seen to fail without `plain`."""
    assert not set(settled.told(*command, *form)) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_markup_in_a_mail_is_words(settled: Office) -> None:
    """What looks like rich's markup is shown, neither obeyed nor swallowed."""
    told = settled.told("activities")
    assert "[bold red]there[/]" in told
    assert "[link=http://x.test]click[/link]" in told
    assert "Eve [red]" in told


def test_a_value_is_explained_down_to_the_words_and_bytes(settled: Office) -> None:
    """From the CRM's field one command leads to the quote, the activity and the delivery."""
    contact = _by_name(settled.data("inbox"))["Ann Lee"]["crm"]["contact"]
    found = settled.data("explain", f"contact:{contact}", "ai_stage")
    kinds, node = [], found["chain"][0]
    while True:
        kinds.append(node["kind"])
        if not node["because"]:
            break
        node = node["because"][0]
    assert kinds == ["posting", "change", "decision", "claim", "inference", "match", "activity", "delivery"]
    told = settled.told("explain", contact, "ai_stage")
    assert '"trial lesson"' in told
    assert f"sidecar activities --raw {node['id'][:21]}" in told


def test_what_became_of_a_field_is_told_with_dates_and_causes(settled: Office) -> None:
    """Where a relationship is heading, or a stage, has a history that stands under its chain; seen to fail without."""
    found = settled.data("explain", "Ann Lee", "trajectory")
    assert found["past_is_all"]
    assert [(e["what"], e["value"], bool(e["why"])) for e in found["past"]][-1] == ("believed", "steady", True)
    told = settled.told("explain", "Ann Lee", "trajectory")
    assert "what became of it" in told
    assert "and none before" in " ".join(told.split())


def test_a_belief_is_explained_by_name(settled: Office) -> None:
    """A party's field is explained without knowing an id."""
    assert settled.data("explain", "Ann Lee", "intent")["value"] == "book"
    assert settled.data("explain", "ben@x.test", "stage")["value"] == "enquired"


PAGE = {
    "SIDECAR_WEB__PUBLIC_URL": "https://sidecar.ours.test", "SIDECAR_WEB__EXPLAIN_KEY_ENV": "EXPLAIN_KEY",
    "EXPLAIN_KEY": "a-key-that-nobody-guesses-0123456789",
}  # fmt: skip


def test_a_link_is_made_for_a_field_or_for_all(settled: Office) -> None:
    """An admin hands out a page by one command; a name leads to the party, and JSON says when the link ends."""
    (told, one, all_) = (
        settled.sidecar("explain", *asked, "--link", env=PAGE)
        for asked in (["Ann Lee", "intent"], ["Ann Lee", "intent", "--json"], ["ann@x.test", "--json"])
    )
    assert (told.exit_code, one.exit_code, all_.exit_code) == (0, 0, 0)
    made = json.loads(one.stdout)
    assert told.stdout.strip() == made["link"]
    assert made["link"].startswith(f"https://sidecar.ours.test/explain/{made['record']}/intent/1-")
    assert (json.loads(all_.stdout)["record"], json.loads(all_.stdout)["field"]) == (made["record"], "")
    assert PAGE["EXPLAIN_KEY"] not in told.output + one.output + all_.output


def test_a_link_needs_a_page_and_a_field_that_is_known(settled: Office) -> None:
    """Without a key there is nothing to link to, and a misspelt field is refused before anybody gets its link."""
    assert "web.public_url: is not set" in settled.refused("explain", "Ann Lee", "intent", "--link", code=2)
    assert "fields: " in settled.sidecar("explain", "Ann Lee", "stages", "--link", env=PAGE).output
    assert "name a field" in settled.refused("explain", "Ann Lee")


def test_what_can_not_be_explained_says_what_can(settled: Office) -> None:
    """A misspelt record or field is answered with where to look."""
    assert "sidecar inbox" in settled.refused("explain", "nobody@x.test", "stage")
    assert "fields: " in settled.refused("explain", "Ann Lee", "stages")


def test_a_timeline_tells_who_said_what_and_whose_it_is(settled: Office) -> None:
    """An activity's line holds channel, kind, speaker with how that is known, words, and the match's rule."""
    (ann,) = settled.data("activities", "--party", "Ann Lee")["activities"]
    assert (ann["channel"], ann["kind"], ann["role"], ann["how"]) == ("mail", "mail", "customer", "the From line")
    assert ann["said"] == "I would like a trial lesson."
    assert (ann["outcome"], ann["rule"]) == ("party", "new")
    assert "I would like a trial lesson." in settled.told("activities", "--party", "ann@")


def test_activities_are_picked_by_channel_and_number(settled: Office) -> None:
    """The latest come, of one channel where that is asked, and stand in order of time."""
    both = settled.data("activities")["activities"]
    assert [a["at"] for a in both] == sorted(a["at"] for a in both)
    web = settled.data("activities", "--channel", "web")["activities"]
    assert {a["channel"] for a in web} == {"web"}
    assert len(web) == 2
    last = settled.data("activities", "--channel", "web", "--limit", "1")["activities"]
    assert [(a["said"], a["outcome"], a["party"]) for a in last] == [("It is me", "ambiguous", None)]
    assert settled.data("activities", "--party", "Ann Lee", "--channel", "web")["activities"] == []


def test_raw_bytes_come_out_as_they_came_in(settled: Office) -> None:
    """A pipe gets the very bytes, hostile ones too, and JSON the same in base64."""
    (eve,) = settled.data("activities", "--party", "eve@")["activities"]
    raw = settled.sidecar("activities", "--raw", eve["activity"][:20]).stdout_bytes
    assert HOSTILE.encode() in raw
    data = settled.data("activities", "--raw", eve["activity"])
    assert base64.b64decode(data["raw_base64"]) == raw
    assert settled.sidecar("activities", "--raw", data["delivery"]).stdout_bytes == raw
    assert "sidecar activities" in settled.refused("activities", "--raw", "activity-" + "f" * 16)


def test_a_models_answer_comes_out_as_it_came_in(settled: Office) -> None:
    """Whoever reads why one was of no use can look at it; its short id is enough."""
    with settled.journal() as journal:
        (read, *_) = (fact for fact in journal.facts(["inference"]) if isinstance(fact, Inference))
    assert settled.sidecar("activities", "--raw", read.id[:22]).stdout_bytes == read.answer.encode() != b""
    data = settled.data("activities", "--raw", read.id)
    assert (data["answer"], data["stop"], data["model"]) == (read.answer, read.stop, read.model)


def test_a_funnel_says_why_in_words(settled: Office) -> None:
    """People read words, programs the names of the reasons."""
    told, data = settled.told("funnel"), settled.data("funnel")
    reasons = {cell["reason"] for cell in data["cells"]}
    assert reasons <= set(WORDS)
    for reason in reasons:
        assert WORDS[reason] in told
        assert "_" not in reason or reason not in told


def test_a_party_is_found_by_whatever_one_knows(settled: Office) -> None:
    """An id, its beginning, a name or an address lead to the same party; what fits several is not guessed."""
    whole = settled.data("party", "show", "Ann Lee")["party"]
    for text in (whole, whole[:14], "ann@x.test", "ann le"):
        assert settled.data("party", "show", text)["party"] == whole
    assert "name one by its id" in settled.refused("party", "show", "@x.test")
    for text in ("nobody", "party-ffffffff", ""):
        assert "sidecar party list" in settled.refused("party", "show", text)


def test_a_party_is_shown_with_all_that_is_believed_and_posted(settled: Office) -> None:
    """What is believed, by whom and how surely, what waits, what the CRM holds: on one page."""
    told = settled.told("party", "show", "Ann Lee")
    for part in ("Believed", "Steps", "In the CRM", "scripted", "Send the prices", "contact:", "ours"):
        assert part in told
    assert "Waits for a person" in settled.told("party", "show", "Ben Ho")
    (engagement,) = settled.data("party", "show", "Ann Lee")["engagements"]
    assert engagement["fields"]["stage"]["value"] == "qualified"


def test_parties_are_listed_and_searched(settled: Office) -> None:
    """A list can be narrowed by a part of a name or address."""
    assert {p["name"] for p in settled.data("party", "list")["parties"]} >= {"Ann Lee", "Phil", "Cy Old"}
    assert [p["name"] for p in settled.data("party", "list", "ANN")["parties"]] == ["Ann Lee"]
    assert "Nobody is known by that." in settled.told("party", "list", "zzz")


def test_a_question_shows_its_candidates_with_signals(settled: Office) -> None:
    """Whoever decides sees each candidate, its score, and what it is made of."""
    (question,) = settled.data("party", "questions")["questions"]
    assert question["said"] == "It is me"
    assert {c["name"] for c in question["candidates"]} == {"Ann Lee", "Phil"}
    assert all(c["signals"] for c in question["candidates"])
    told = settled.told("party", "questions")
    assert f"phone:{PHONE}" in told
    assert "sidecar party assign" in told


def test_parked_work_is_named_with_its_reason(settled: Office) -> None:
    """What waits for a person is listed, by state where that is asked."""
    (row,) = settled.data("work", "--state", "parked")["work"]
    assert (row["kind"], row["state"]) == ("parse", "parked")
    assert row["parked_reason"] in settled.told("work")
    assert settled.data("work", "--state", "running")["work"] == []
    assert {"kind": "parse", "state": "parked", "count": 1} in settled.data("work")["counts"]


def test_the_ledger_shows_records_and_who_wrote_them(settled: Office) -> None:
    """The CRM's side can be looked at: all records, one, and the history of one."""
    contacts = settled.data("ledger", "show", "contact")["records"]
    assert {"Ann Lee", "Phil"} <= {r["fields"]["name"] for r in contacts}
    ann = next(r for r in contacts if r["fields"]["name"] == "Ann Lee")
    assert settled.data("ledger", "show", "contact", ann["ref"])["records"] == [ann]
    assert settled.data("ledger", "show", f"contact:{ann['ref']}")["records"] == [ann]
    edits = settled.data("ledger", "history", "contact", ann["ref"])["edits"]
    assert {e["author"]["kind"] for e in edits} == {"us"}
    assert "ai_stage" in settled.told("ledger", "history", "contact", ann["ref"])
    for command in ("show", "history"):
        assert "holds no contact" in settled.refused("ledger", command, "contact", "contact-999")
    assert "records of the kind" in settled.refused("ledger", "show", "spaceship")


def test_a_sound_book_is_verified(settled: Office) -> None:
    """Everything re-derives, and the exit code says so."""
    assert settled.data("verify")["faults"] == []
    assert "are what they say" in settled.told("verify")


@pytest.mark.damages_the_book
def test_a_book_that_lies_is_found_out(own: Office) -> None:
    """A decision that applies a claim without evidence is named, and the exit code says so."""
    with own.journal() as journal:
        claim = next(f for f in journal.facts(kinds=("claim",)) if isinstance(f, Claim) and f.evidence)
        decision = next(f for f in journal.effects(claim.id, "decision") if isinstance(f, Decision))
        bare = journal.mint(replace(claim, position=999, evidence=(), verified=False))
        applied = replace(decision, claim=bare.id, because=(bare.id,), verdict=Verdict.APPLY)
        lie = journal.mint(applied)
        journal.commit(Entry(facts=(bare, lie)))
    result = own.sidecar("verify", "--json")
    assert result.exit_code == 1
    assert [f["fact"] for f in json.loads(result.stdout)["faults"]] == [lie.id]


def test_a_party_is_exported_alone(settled: Office, tmp_path: Path) -> None:
    """What is known of one person leaves as JSON Lines, with their bytes and without anybody else's."""
    lines = [json.loads(line) for line in settled.told("export", "--party", "Ben Ho").splitlines()]
    text = json.dumps(lines)
    assert {"delivery", "activity", "match", "claim"} <= {line["kind"] for line in lines}
    assert "ben@x.test" in text
    assert "ann@x.test" not in text
    out = tmp_path / "ben.jsonl"
    summary = settled.data("export", "--party", "Ben Ho", "--out", str(out))
    assert summary["lines"] == len(lines) == len(out.read_text().splitlines())
    assert out.stat().st_mode & 0o077 == 0


def test_an_export_overwrites_nothing(settled: Office, tmp_path: Path) -> None:
    """A file that is there stays as it is, and one that can't be made is said in a line."""
    out = tmp_path / "kept"
    out.write_text("mine")
    assert "overwrites nothing" in settled.refused("export", "--out", str(out))
    assert out.read_text() == "mine"
    assert "can't be written" in settled.refused("export", "--out", str(tmp_path / "no" / "folder"))


def test_packs_are_shown_with_what_counts_and_how_to_take_them_up(settled: Office) -> None:
    """An admin reads what a pack would ask before it asks anybody, and the line that takes it up."""
    listed = settled.data("prompts", "packs")["packs"]
    assert {pack["name"] for pack in listed} == {"lead", "bant", "meddic", "appointment"}
    assert not any(pack["taken_up"] for pack in listed)
    assert "authority" in settled.told("prompts", "packs")
    told = settled.told("prompts", "packs", "bant")
    assert "## field: authority" in told
    assert "### Does not count" in told
    assert 'packs = ["bant"]' in told
    assert "known are appointment, bant" in settled.refused("prompts", "packs", "bnat")


def test_the_prompts_in_force_are_listed(settled: Office) -> None:
    """Each prompt shows its state and hash, and none differs from its file here."""
    (prompt,) = settled.data("prompts", "list")["prompts"]
    assert (prompt["name"], prompt["state"], len(prompt["sha256"])) == ("relationship", "in force", 64)
    assert "is what is in force" in settled.told("prompts", "diff", "relationship")
    assert "known are relationship" in settled.refused("prompts", "diff", "nonsense")

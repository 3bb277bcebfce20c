"""Voice notes end to end: a signed webhook, a file of Meta's, a transcriber, a stage with a quote of what was said."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.journal import Entry, Touch
from sidecar.model import Activity, Claim, Delivery, WorkKey, WorkKind
from sidecar.pipeline.brakes import pause, resume
from sidecar.pipeline.listening import Listening
from sidecar.pipeline.sources import SOURCE
from sidecar.ports import HookRequest
from sidecar.verify import verify
from tests.e2e.test_meta import NUMBER, WABA, parties, served
from tests.support.houses import House, op, says
from tests.support.served import until
from tests.twins.meta import MetaTwin
from tests.twins.transcriptions import Transcriptions
from tests.twins.wire.faults import Status
from tests.unit.web_wire import ask, post

VOICE = b"OggS" + bytes(range(256)) * 20
WORDS = [(" Guten Tag, hier ist Anna Weber.", 0.01, -0.2), (" Wir nehmen die Schulung am Donnerstag", 0.02, -0.2),
         (" für zwölf Personen.", 0.02, -0.3)]  # fmt: skip
HEARD = "Guten Tag, hier ist Anna Weber. Wir nehmen die Schulung am Donnerstag für zwölf Personen."
QUOTE = "für zwölf Personen"
RULES = [says(QUOTE, op("stage", "qualified", QUOTE), op("intent", "buy", QUOTE))]
CONFIG = """
[channels.meta]
type = "meta"
secret_env = "META_SECRET"
token_env = "META_TOKEN"
graph_url = "{graph}"
max_wait_s = 0.0
calls_per_s = 1000
[transcriber]
type = "openai"
base_url = "{ears}"
model = "whisper-1"
max_retries = 0
"""
OTHER = """
[channels.other]
type = "meta"
secret_env = "META_SECRET"
token_file = "token"
graph_url = "{graph}"
max_wait_s = 0.0
calls_per_s = 1000
"""


class Spoken:
    """A house whose WhatsApp and transcriber are twins; without a port, requests come in behind the door."""

    def __init__(self, house: House, meta: MetaTwin, ears: Transcriptions, port: int | None) -> None:
        self.house, self.meta, self.ears, self.port, self.channel = house, meta, ears, port, "meta"

    def speak(self, id: str = "wamid.1", media: str = "7700", raw: bytes = VOICE, **told: Any) -> None:
        """Let Anna send a voice note, of which Meta tells by its id."""
        digest = self.meta.keep(media, raw, "audio/ogg; codecs=opus")
        audio = {"id": media, "mime_type": "audio/ogg; codecs=opus", "sha256": digest, "voice": True, **told}
        self.tell({"id": id, "type": "audio", "audio": audio})

    def tell(self, message: dict[str, Any]) -> None:
        """Post a message of Anna's as Meta does."""
        stamp = str(int(self.house.clock().timestamp()))
        value = {
            "metadata": {"display_phone_number": "15550783881", "phone_number_id": NUMBER},
            "contacts": [{"profile": {"name": "Anna Weber"}, "wa_id": "491715550100"}],
            "messages": [{"from": "491715550100", "timestamp": stamp, **message}],
        }
        entry = {"id": WABA, "changes": [{"value": value, "field": "messages"}]}
        raw, signature = self.meta.webhook({"object": "whatsapp_business_account", "entry": [entry]})
        headers = {"x-hub-signature-256": signature, "content-type": "application/json"}
        if self.port is None:
            self.house.app.receive(self.channel, HookRequest(headers, raw)).result(20)
            return
        heard = ask(self.port, post(raw, path="/hooks/meta", headers=headers))
        assert (heard.status, heard.body) == (200, b"EVENT_RECEIVED")

    def activities(self, kind: str = "message") -> list[Activity]:
        """Return what is in the book of a kind, in order of time."""
        found = [a for a in self.house.facts("activity") if isinstance(a, Activity) and a.kind == kind]
        return sorted(found, key=lambda activity: (activity.at, activity.version))

    def waiting(self) -> int:
        """Return how many pieces of hearing are not done."""
        counts = self.house.journal.work_counts()
        return sum(n for (kind, state), n in counts.items() if kind == WorkKind.MEDIA and state != "done")


@contextmanager
def spoken(folder: Path, *, transcriber: bool = True, more: str = "", door: bool = False) -> Iterator[Spoken]:
    """A house with both twins, which serves a door where one is needed."""
    with MetaTwin() as meta, Transcriptions() as ears:
        ears.ears.said[VOICE] = list(WORDS)
        config = CONFIG.format(graph=meta.url, ears=ears.base_url)
        config = config if transcriber else config.partition("[transcriber]")[0]
        env = {"META_SECRET": meta.secret, "META_TOKEN": meta.token}
        after = config + more.replace("{graph}", meta.url)
        made = House(folder, "sqlite:///journal.db", *RULES, after=after, env=env)
        with made.start() as house, served(house) if door else nullcontext() as port:
            yield Spoken(house, meta, ears, port)


def test_a_german_voice_note_becomes_a_stage_with_a_quote_of_its_words(tmp_path: Path) -> None:
    """What Anna says into her telephone is hers, can be quoted, and leads back to the file's hash and the message."""
    with spoken(tmp_path, door=True) as it:
        it.speak()
        it.house.work()
        noted, words = it.activities()
        assert (noted.text, noted.said) == ("[voice note]", ())
        assert (words.text, words.external_id, words.at) == (HEARD, noted.external_id, noted.at)
        assert words.actor == noted.actor
        assert [(s.start, s.end, s.role) for s in words.said] == [(0, len(HEARD), noted.actor.role)]
        (party,) = {it.house.journal.party_of(a.id) for a in (noted, words)}
        standing = it.house.journal.standing(party or "")
        assert standing is not None and standing.engagement.stage == "qualified"
        quotes = [e for c in it.house.facts("claim") if isinstance(c, Claim) for e in c.evidence if e.quote == QUOTE]
        assert {e.activity for e in quotes} == {words.id}
        record = next(d for d in it.house.facts("delivery") if isinstance(d, Delivery) and d.key.startswith("media:"))
        assert record.because == (noted.id,)
        whole = it.house.journal.get(record.id)
        assert isinstance(whole, Delivery) and VOICE[:64] not in whole.raw
        assert not list(verify(it.house.journal, it.house.app.channels))
        (contact,) = it.house.records("contact")
        assert contact.fields["phone"] == "+491715550100"
        assert not it.house.parked()


def test_a_voice_note_is_fetched_and_heard_once(tmp_path: Path) -> None:
    """The same webhook again, and the same work again, ask nobody a second time."""
    with spoken(tmp_path) as it:
        for _ in range(3):
            it.speak()
        it.house.work()
        assert it.meta.log.counts["files"] == it.ears.log.counts["transcriptions"] == 1
        assert len(it.activities()) == 2


def test_without_a_transcriber_nothing_is_fetched(tmp_path: Path) -> None:
    """A voice note stays named in brackets, and its file stays where it is."""
    with spoken(tmp_path, transcriber=False) as it:
        it.speak()
        it.house.work()
        assert [a.text for a in it.activities()] == ["[voice note]"]
        assert not it.meta.log.counts
        assert not it.waiting()


def test_a_transcriber_that_is_away_holds_up_nobody(tmp_path: Path) -> None:
    """While nobody hears, what was written is read; once somebody does, the party is read again with the words."""
    with spoken(tmp_path) as it:
        fault = it.ears.fault(Status(503, {}), times=None)
        it.speak()
        it.tell({"id": "wamid.2", "type": "text", "text": {"body": "Did you get my message?"}})
        it.house.work()
        assert fault.struck and it.waiting() == 1
        asked = len(it.house.llm.questions)
        assert asked and "Did you get my message?" in it.house.llm.heard[-1]
        it.ears.heal()
        it.house.clock.move(3_600)
        it.house.work()
        assert not it.waiting()
        assert len(it.house.llm.questions) > asked
        assert HEARD in [a.text for a in it.activities()]


def test_what_can_t_be_heard_any_more_is_said_and_ends_there(tmp_path: Path) -> None:
    """A file that is gone, altered, or refused is a status with its reason: nothing is parked, and nothing waits."""
    with spoken(tmp_path) as it:
        it.speak("wamid.gone", "7701")
        it.meta.files.pop("7701")
        it.speak("wamid.altered", "7702", sha256="A" * 43 + "=")
        it.speak("wamid.strange", "7703", raw=b"no voice that anybody knows")
        it.speak("wamid.elsewhere", "7704")
        it.house.work()
        told = {a.external_id.partition(":")[0]: " ".join(a.problems) for a in it.activities("status")}
        assert "doesn't have it any more" in told["wamid.gone"]
        assert "not the file that the message named" in told["wamid.altered"]
        assert "refused the file" in told["wamid.strange"]
        assert sum(a.text == HEARD for a in it.activities()) == 1
        assert not it.house.parked() and not it.waiting()


def test_a_file_s_address_leads_nowhere_but_to_meta(tmp_path: Path) -> None:
    """T4: an answer that names another host, or this machine, gets no request and no token."""
    with spoken(tmp_path) as it, MetaTwin() as stranger:
        for n, url in enumerate((f"{stranger.url}/files/1", "https://evil.example.org/", "http://169.254.169.254/")):
            it.meta.elsewhere = url
            it.speak(f"wamid.{n}", f"77{n}")
            it.house.work()
        assert not stranger.log.counts
        problems = [problem for a in it.activities("status") for problem in a.problems]
        assert len(problems) == 3


def test_a_message_that_was_taken_back_is_not_heard(tmp_path: Path) -> None:
    """Words that were unsaid before anybody heard them stay unheard."""
    with spoken(tmp_path) as it:
        it.ears.fault(Status(503, {}), times=None)
        it.speak()
        it.house.work()
        it.house.clock.move(60)
        it.tell({"id": "wamid.2", "type": "revoke", "revoke": {"original_message_id": "wamid.1"}})
        it.house.work()
        it.ears.heal()
        it.house.clock.move(3_600)
        it.house.work()
        assert not it.waiting()
        assert [a.text for a in it.activities()] == ["[voice note]"]


def test_a_wrong_token_is_the_operator_s_and_is_made_good(tmp_path: Path) -> None:
    """A token that Meta refuses pauses the channel's files and names its setting; with the right one they are heard."""
    with spoken(tmp_path) as it:
        right, it.meta.token = it.meta.token, "another"
        it.speak()
        it.house.work()
        assert "channels.meta.token_env" in it.house.journal.paused()["media:meta"].reason
        assert not it.house.parked()
        it.meta.token = right
        it.house.clock.move(3_600)
        until(lambda: it.house.work() and HEARD in [a.text for a in it.activities()], "the voice note to be heard")
        assert not it.house.journal.paused()


def test_a_wrong_token_of_one_channel_keeps_no_other_from_being_heard(tmp_path: Path) -> None:
    """What Meta refuses one app holds that app's files alone, asked for once in five minutes; seen to fail at first."""
    (tmp_path / "token").write_text("another")
    (tmp_path / "token").chmod(0o600)
    with spoken(tmp_path, more=OTHER) as it:
        it.meta.token = "another"
        for n in range(3):
            it.speak(f"wamid.{n}", f"77{n}")
        it.house.work()
        asked = it.meta.log.counts["object"]
        assert 1 <= asked <= 2 and it.waiting() == 3, "two at a time may be refused before it is known"
        it.channel = "other"
        it.speak("wamid.other", "7800")
        it.house.work()
        assert [a.channel for a in it.activities() if a.text == HEARD] == ["other"]
        assert it.waiting() == 3 and list(it.house.journal.paused()) == ["media:meta"]
        assert it.meta.log.counts["object"] == asked + 1, "the refused one isn't asked for again and again"


def test_a_file_is_not_fetched_from_another_account(tmp_path: Path) -> None:
    """While its channel names another source than was read, a file stays where it is, and is heard once that is
    settled; seen to fail by being fetched all the same.
    """
    (tmp_path / "token").write_text("another")
    (tmp_path / "token").chmod(0o600)
    with spoken(tmp_path, more=OTHER + 'pages = ["1"]\n') as it:
        it.meta.token, it.channel = "another", "other"
        it.house.journal.set_meta(SOURCE + "other", "graph.elsewhere.test")
        it.speak()
        it.house.work()
        assert "names another source" in it.house.journal.paused()["media:other"].reason
        assert it.waiting() == 1 and not it.meta.log.counts["object"] and not it.house.parked()
        it.house.journal.set_meta(SOURCE + "other", it.house.app.channel("other").source)
        it.house.clock.move(3_600)
        until(lambda: it.house.work() and HEARD in [a.text for a in it.activities()], "the voice note to be heard")
        assert not it.house.journal.paused()


def test_a_pause_of_a_channel_s_files_is_a_person_s_to_end(tmp_path: Path) -> None:
    """Files that a person told us to leave alone are, until that person says otherwise."""
    with spoken(tmp_path) as it:
        pause(it.house.journal, "media:meta", "somebody: not these")
        it.speak()
        it.house.work()
        it.house.clock.move(3_600)
        it.house.work()
        assert it.waiting() == 1 and not it.meta.log.counts
        assert resume(it.house.journal, "media:meta")
        it.house.clock.move(3_600)
        until(lambda: it.house.work() and HEARD in [a.text for a in it.activities()], "the voice note to be heard")


def test_words_that_were_heard_and_taken_back_count_no_more(tmp_path: Path) -> None:
    """A deletion takes what was said in the message with it; seen to fail with an id of its own for the words."""
    with spoken(tmp_path) as it:
        it.speak()
        it.house.work()
        (party,) = parties(it.house)
        standing = it.house.journal.standing(party)
        assert standing is not None and standing.engagement.fields["intent"].value == "buy"
        it.house.clock.move(60)
        it.tell({"id": "wamid.2", "type": "revoke", "revoke": {"original_message_id": "wamid.1"}})
        it.house.work()
        standing = it.house.journal.standing(party)
        assert standing is not None and standing.engagement.fields["intent"].value is None
        assert HEARD not in "".join(turn.text for turn in it.house.llm.questions[-1].new)


def test_nobody_hears_who_must_not_be_processed(tmp_path: Path) -> None:
    """A voice note of somebody on the list goes to no transcriber, and its file is not fetched."""
    with spoken(tmp_path, more='[relevance]\ndo_not_process = ["+491715550100"]\n') as it:
        it.speak()
        it.house.work()
        assert not it.meta.log.counts and not it.ears.log.counts
        assert not it.waiting()


def test_a_provider_that_is_away_until_the_end_is_given_up(tmp_path: Path) -> None:
    """While the file may still come it is asked for again; a day after its end the book says why it wasn't had."""
    with spoken(tmp_path) as it:
        it.meta.fault(Status(503, {}), times=None)
        it.speak()
        it.house.work()
        it.house.clock.move(7 * 86_400)
        it.house.work()
        assert it.waiting() == 1
        it.house.clock.move(2 * 86_400)
        it.house.work()
        (told,) = it.activities("status")
        assert "could not be fetched before" in " ".join(told.problems)
        assert not it.waiting() and not it.house.parked()


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "5"}], ids=["silent", "hopeful"])
def test_a_file_that_a_transcriber_never_answers_about_is_fetched_seldom_and_given_up(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """Each try fetches the file again, so they become hourly, and end a day after its end at the provider.

    Seen to fail with a fetch every quarter of an hour, with no end, and with the endpoint's own hope believed.
    """
    with spoken(tmp_path) as it:
        it.ears.fault(Status(503, {}, headers), times=None)
        it.speak()
        for _ in range(24):
            it.house.work()
            it.house.clock.move(900)
        assert 10 < it.meta.log.counts["files"] < 15
        it.house.clock.move(9 * 86_400)
        it.house.work()
        (told,) = it.activities("status")
        assert "gave no answer about it" in " ".join(told.problems)
        assert not it.waiting() and not it.house.parked()


def test_a_pause_of_the_transcriber_keeps_what_comes(tmp_path: Path) -> None:
    """While a person has paused it nothing is fetched and everything else goes on; resumed, all is heard."""
    with spoken(tmp_path) as it:
        pause(it.house.journal, "transcriber", "somebody: a new one comes")
        it.speak()
        it.house.work()
        assert it.waiting() == 1 and not it.meta.log.counts
        assert [a.text for a in it.activities()] == ["[voice note]"]
        assert resume(it.house.journal, "transcriber")
        until(lambda: it.house.work() and HEARD in [a.text for a in it.activities()], "the voice note to be heard")


def test_more_than_a_day_s_minutes_waits_for_tomorrow(tmp_path: Path) -> None:
    """What is over the bound is not fetched, says why it waits, and is heard tomorrow; the books know what it cost.

    A note of the twin's takes six seconds. Seen to fail without the bound.
    """
    with spoken(tmp_path, more="daily_minutes = 0.15\nusd_per_minute = 0.5\n") as it:
        for n in range(4):
            it.speak(f"wamid.{n}", f"77{n}")
            it.house.work()
        assert (it.waiting(), it.ears.log.counts["transcriptions"], it.meta.log.counts["files"]) == (2, 2, 2)
        waits = [row.waits_for or "" for row in it.house.journal.work("waiting") if row.work.kind is WorkKind.MEDIA]
        assert len(waits) == 2 and all("transcriber.daily_minutes = 0.15" in told for told in waits)
        (told,) = [c for c in it.house.app.conditions.now() if c.rule == "budget"]
        assert (told.subject, "transcriber.daily_minutes" in told.summary) == ("transcriber", True)
        today = it.house.clock().date()
        heard = it.house.journal.heard(today, today)
        assert (heard.files, heard.minutes, heard.usd) == (2, 0.2, 0.1)
        it.house.journal.rebuild()
        assert it.house.journal.heard(today, today) == heard
        it.house.clock.move(86_400)
        it.house.work()
        assert not it.waiting() and it.house.journal.heard(today, it.house.clock().date()).files == 4


def test_many_that_wait_for_an_ear_come_back_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred that are turned away don't all ask again in two seconds; seen to fail with one wait for all."""
    monkeypatch.setattr("sidecar.pipeline.listening.MAX_AT_ONCE", 0)
    with spoken(tmp_path) as it:
        listening, journal = Listening(it.house.app.pipeline.parts), it.house.journal
        keys = [WorkKey(WorkKind.MEDIA, f"activity-{n}") for n in range(100)]
        journal.commit(Entry(touches=tuple(Touch(key) for key in keys)))
        for lease in journal.claim(keys, 60):
            listening.hear(lease)
        waits = [row.due_at - it.house.clock() for row in journal.work("waiting") if row.due_at]
        assert len(waits) == 100
        assert min(waits) == timedelta(seconds=2) and max(waits) == timedelta(seconds=40)
        assert sum(wait <= timedelta(seconds=4) for wait in waits) <= 10


def test_many_voice_notes_are_heard_a_few_at_a_time(tmp_path: Path) -> None:
    """A burst of voice notes is heard whole, each once, however few are heard at the same time."""
    with spoken(tmp_path) as it:
        for n in range(12):
            raw = VOICE + bytes([n])
            it.ears.ears.said[raw] = [(f" Nachricht {n}.", 0.01, -0.2)]
            it.speak(f"wamid.{n}", f"88{n:02}", raw=raw)
        it.house.work()
        until(lambda: it.house.work() >= 0 and not it.waiting(), "all of them to be heard")
        heard = sorted(a.text for a in it.activities() if a.said)
        assert heard == sorted(f"Nachricht {n}." for n in range(12))
        assert it.ears.log.counts["transcriptions"] == 12

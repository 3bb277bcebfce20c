"""Canaries: after a busy day full of failures, no secret and no customer's word stands where it doesn't belong.

One sidecar, running as operations run it, lives through what goes wrong in practice: forged webhooks, systems outside
that repeat all that they were sent in their errors, poison, defects of ours whose error texts quote customers, commands
that are refused. Then everything that leaves it is searched: each log line, the private listener's answers, what
commands print that aren't meant to show people, the process list, the URLs that were asked for. Each search is paired
with a look that there was something to find.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.test_gmail import connect
from tests.support.canaries import PEOPLE, SECRETS, leaked
from tests.support.dropped import drop
from tests.support.parrots import NOTHING, MailParrot, ModelParrot, PostParrot
from tests.support.saboteur import AT_START, KINDS
from tests.support.served import Sidecar, sidecar, until
from tests.twins.gmail import GmailTwin
from tests.twins.wire.faults import Status

ROOT = Path(__file__).parents[2]
CONFIG = """
[web]
host = "127.0.0.1"
port = 0
admin_port = 0
public_url = "https://sidecar.acme.test"
explain_key_env = "EXPLAIN_KEY"
[own]
domains = ["acme.test"]
[channels.web]
type = "webhook"
secret_env = "WEB_SECRET"
[channels.mail]
type = "imap"
host = "127.0.0.1"
port = {imap_port}
tls = false
username = "{colleague}"
password_env = "MAIL_PASSWORD"
every_s = 1
[channels.post]
type = "imap"
host = "127.0.0.1"
port = {imap_port}
tls = false
username = "in-{colleague}"
password_env = "POST_PASSWORD"
every_s = 1
[channels.api]
type = "gmail"
mailbox = "{colleague}"
client_id = "client-of-the-twin"
client_secret_env = "GMAIL_CLIENT_SECRET"
base_url = "{gmail_url}"
accounts_url = "{gmail_url}"
token_url = "{gmail_url}"
certs_url = "{gmail_url}"
every_s = 1
max_wait_s = 0
[tokens]
key_env = "TOKENS_KEY"
[channels.drop]
type = "maildrop"
path = "drop"
transcripts = true
every_s = 1
settle_s = 0.1
[crm]
type = "local"
path = "data/crm.db"
[crm.create]
contact = "auto"
[llm]
type = "anthropic"
base_url = "{llm_url}"
max_retries = 0
[inference]
quiet_s = 0.1
[policy]
mode = "auto"
[ops.webhook]
url_env = "OPS_URL"
secret_env = "OPS_SECRET"
[ops.smtp]
host = "127.0.0.1"
port = {smtp_port}
tls = false
username = "sidecar"
password_env = "SMTP_PASSWORD"
from = "{colleague}"
to = ["{colleague}"]
"""
ENV = {
    "WEB_SECRET": SECRETS["webhook secret"],
    "MAIL_PASSWORD": SECRETS["mailbox password"],
    "POST_PASSWORD": SECRETS["second mailbox password"],
    "ANTHROPIC_API_KEY": SECRETS["model key"],
    "OPS_URL": SECRETS["alert address"],
    "OPS_SECRET": SECRETS["alert secret"],
    "SMTP_PASSWORD": SECRETS["SMTP password"],
    "EXPLAIN_KEY": SECRETS["explain key"],
    "TOKENS_KEY": SECRETS["tokens key"],
    "GMAIL_CLIENT_SECRET": SECRETS["client secret"],
    "PYTHONPATH": str(ROOT),
}
MOODS: tuple[int | str, ...] = (400, 500, 529, 413, "refuses", "rambles", "quotes")
IMPERSONAL = (
    ("--help",), ("check",), ("work",), ("work", "--json"), ("verify",), ("provision",), ("prompts", "list"),
    ("run", "--until-idle"), ("backup", "copy.db"), ("backfill", "mail", "--since", "2026-01-01"), ("pause", "ledger"),
    ("work", "--retry", "parse", "delivery-0"), ("mode",), ("alerts", "test"), ("healthcheck",),
)  # fmt: skip
"""Commands that tell of the machinery, and not of people; how they end doesn't matter here."""


@dataclass
class Day:
    """What left the sidecar on that day."""

    box: Sidecar
    model: ModelParrot
    mail: MailParrot
    answers: list[tuple[str, int, str]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    processes: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def ask(self, path: str) -> None:
        """Ask the private listener."""
        with httpx2.Client(trust_env=False) as client:
            answer = client.get(f"http://127.0.0.1:{self.box.admin_port}{path}", timeout=20)
        self.answers.append((path, answer.status_code, answer.text))

    def tell(self, *words: str, env: Mapping[str, str] | None = None) -> None:
        """Keep what a command says, on both streams."""
        command = [sys.executable, "-m", self.box.module, "--config", str(self.box.folder / "config.toml"), *words]
        done = subprocess.run(
            command, env={**self.box.env, **(env or {})}, cwd=self.box.folder, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        self.told[" ".join(words)] = done.stdout + done.stderr


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The whole day, lived once."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "drop").mkdir()
    with ModelParrot() as model, MailParrot() as mail, PostParrot() as post, GmailTwin(PEOPLE["colleague"]) as gmail:
        ports = {"imap_port": mail.port, "smtp_port": post.port, "gmail_url": gmail.url}
        config = CONFIG.format(llm_url=model.url, colleague=PEOPLE["colleague"], **ports)
        box = sidecar(folder, config, ENV)
        _let_in(box, gmail)
        box.module = "tests.support.saboteur"
        lived = Day(box, model, mail)
        with box.serve():
            _google_repeats_it_all(lived, gmail)
            _work_goes_wrong(lived)
            _look_at_a_page(lived)
            for path in ("/healthz", "/readyz", "/metrics", f"/{PEOPLE['surname']}"):
                lived.ask(path)
            lived.processes = _seen_by_others(box)
        for words in IMPERSONAL:
            lived.tell(*words)
        assert post.refused, "the alerts must have tried to log in"
        lived.asked = [request.path for request in gmail.requests]
        yield lived


def _let_in(box: Sidecar, gmail: GmailTwin) -> None:
    """Let somebody have consented to the mailbox, whose tokens are canaries."""
    authority = gmail.authority
    authority.client_secret = SECRETS["client secret"]
    authority.fixed_refresh, authority.fixed_access = SECRETS["refresh token"], SECRETS["access token"]
    connect(box, gmail, "api")


def _google_repeats_it_all(day: Day, gmail: GmailTwin) -> None:
    """Let Google quote each of our secrets, and people's words, in the ways in which it refuses."""
    quoted = " ".join([*SECRETS.values(), *PEOPLE.values()])
    row = {"reason": quoted, "message": quoted}
    until(lambda: gmail.calls("history"), "the mailbox to be read")
    gmail.fault(Status(403, {"error": {"code": 403, "message": quoted, "errors": [row]}}), path="/history", times=None)
    until(
        lambda: [e for e in _events(day.box, "adapter_paused") if e["scope"] == "channel:api"], "the API to be paused"
    )
    refusal = {"error": quoted, "error_description": quoted}
    gmail.fault(Status(400, refusal), path="/token", times=None)
    gmail.authority.accesses.clear()
    day.tell("check")
    assert gmail.calls("token") >= 2


def _look_at_a_page(day: Day) -> None:
    """Open the page of all that is known of the customer, as a rep does."""
    found = day.box.json("explain", PEOPLE["address"], "--link")
    with httpx2.Client(trust_env=False) as client:
        path = found["link"].removeprefix("https://sidecar.acme.test")
        answer = client.get(f"http://127.0.0.1:{day.box.port}{path}", timeout=20)
    assert answer.status_code == 200 and leaked(answer.text, PEOPLE) and not leaked(answer.text, SECRETS)
    until(lambda: _events(day.box, "page_shown"), "the log to tell of it")


def _work_goes_wrong(day: Day) -> None:
    """Feed it everything; between two steps wait for the trouble, so that each has happened."""
    box, model = day.box, day.model
    assert _forge(box) == {401, 404, 405, 413}
    model.text = _quoting(PEOPLE["words"])
    assert box.post("web", _message(PEOPLE["words"]), "good", secret=ENV["WEB_SECRET"]) == 202
    _drop(box.folder)
    until(lambda: _events(box, "work_parked"), "the unreadable files to be parked")
    until(lambda: day.mail.refused >= 2 and _events(box, "adapter_paused"), "the mailbox to be paused")
    for number, mood in enumerate(MOODS):
        _ask_the_model(day, mood, number)
    for number, kind in enumerate(KINDS):
        text = f"sabotage:{kind} {PEOPLE['words']} {PEOPLE['accented name']}"
        assert box.post("web", _message(text, f"s{number}"), f"s{number}", secret=ENV["WEB_SECRET"]) == 202
    assert box.post("web", _message("sabotage_door"), "door", secret=ENV["WEB_SECRET"]) == 503
    until(lambda: len(_events(box, "work_broke")) >= 3 and _events(box, "library"), "the defects")
    model.mood = 401
    assert box.post("web", _message(PEOPLE["words"], "last", "99"), "last", secret=ENV["WEB_SECRET"]) == 202
    until(lambda: [e for e in _events(box, "adapter_paused") if e["scope"] == "llm"], "the model to be paused")


def _ask_the_model(day: Day, mood: int | str, number: int) -> None:
    before = len(day.model.bodies)
    day.model.mood = mood
    text = f"Question {number}: {PEOPLE['words']}"
    assert day.box.post("web", _message(text, f"m{number}", f"{number}"), f"m{number}", secret=ENV["WEB_SECRET"]) == 202
    until(lambda: any(text in body for body in day.model.bodies[before:]), f"the model to be asked ({mood})")


def _forge(box: Sidecar) -> set[int]:
    """Knock at the door in every wrong way, with people's names in every place that a request has."""
    body = json.dumps(_message(PEOPLE["words"]))
    name, key = PEOPLE["address"], ENV["WEB_SECRET"]
    with httpx2.Client(trust_env=False, base_url=f"http://127.0.0.1:{box.port}", timeout=20) as door:
        answers = [
            door.post("/hooks/web", content=body),
            door.post("/hooks/web", content=body, headers={"webhook-id": name, "webhook-signature": key}),
            door.post(f"/hooks/web?token={key}&name={name}", content=body),
            door.post(f"/hooks/{name}", content=body),
            door.post(f"/hooks/{PEOPLE['surname'].lower()}", content=body),
            door.get("/hooks/web", params={"q": PEOPLE["name"]}),
            door.get(f"/explain/{name}/{PEOPLE['surname']}/1-20000-{'a' * 32}", params={"key": ENV["EXPLAIN_KEY"]}),
            door.post("/hooks/web", content=b"x" * 2_000_000, headers={"x-name": name}),
        ]
    wrong = "whsec_" + "A" * 43 + "="
    assert box.post("web", _message(PEOPLE["words"]), "forged", secret=wrong) == 401
    return {answer.status_code for answer in answers}


def _message(text: str, key: str = "1", who: str = "") -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    sender = {
        "external_id": PEOPLE["visitor"] + who, "name": PEOPLE["name"] if not who else f"Guest {who}",
        "email": PEOPLE["address"] if not who else f"guest{who}@{PEOPLE['domain']}", "role": "customer",
    } | ({} if who else {"phone": PEOPLE["phone"]})  # fmt: skip
    data = {
        "message_id": f"{who}-{key}", "conversation_id": f"c-{PEOPLE['visitor']}{who}", "direction": "inbound",
        "sender": sender, "text": text, "sent_at": now, "attachments": [],
    }  # fmt: skip
    return {"type": "message.created", "timestamp": now, "data": data}


def _quoting(words: str) -> str:
    op = {"field": "intent", "op": "set", "value": "buy", "certainty": "stated",
          "evidence": [{"activity": "a1", "quote": words}]}  # fmt: skip
    summary = f"{PEOPLE['name']} of {PEOPLE['company']} asks."
    return json.dumps({**json.loads(NOTHING), "ops": [op], "summary": summary})


def _drop(folder: Path) -> None:
    """Drop a good mail, and files that can't be read, whose names and insides are full of names."""
    head = (
        f"From: {PEOPLE['name']} <{PEOPLE['second address']}>\r\nTo: desk@acme.test\r\nSubject: {PEOPLE['subject']}\r\n"
    )
    date = "Date: Mon, 16 Nov 2026 10:00:00 +0000\r\n"
    good = f"{head}{date}Message-ID: <1@{PEOPLE['domain']}>\r\n\r\n{PEOPLE['words']}, {PEOPLE['phone']}\r\n"
    bomb = f'{head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + "--b\r\n\r\nx\r\n" * 100_000 + "--b--"
    odd = f"{head}X-{PEOPLE['surname']}: =?x-unknown?B?////?=\r\nDate: {PEOPLE['name']}\r\n\r\n{PEOPLE['words']}\r\n"
    files = {
        f"{PEOPLE['file name']}.eml": good, f"{PEOPLE['file name']}-2.eml": bomb, f"{PEOPLE['file name']}-3.eml": odd,
        f"{PEOPLE['file name']}.pdf": PEOPLE["words"], f"{PEOPLE['file name']}.vtt": f"WEBVTT\n\n{PEOPLE['words']} -->",
        f"{PEOPLE['file name']}.vtt.meta.toml": f"{PEOPLE['surname']} = {PEOPLE['words']}",
        f"{PEOPLE['accented name']}.srt": "\x80", f"notes.{PEOPLE['surname']}": "x",
    }  # fmt: skip
    for name, text in files.items():
        drop(folder / "drop" / name, text)


def _events(box: Sidecar, name: str) -> list[dict[str, Any]]:
    return [entry for entry in list(box.log) if entry.get("event") == name]


def _seen_by_others(box: Sidecar) -> dict[str, str]:
    """Return what the process list says of the sidecar, and of its children, who need no secret."""
    assert box.process is not None
    pid = box.process.pid
    seen = {"command line": Path(f"/proc/{pid}/cmdline").read_text()} if Path("/proc/self").exists() else {}
    for thread in Path(f"/proc/{pid}/task").glob("*/comm"):
        seen[f"thread {thread.parent.name}"] = _read_of(thread)
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read_of(children).split():
            seen[f"child {child}"] = "".join(_read_of(Path(f"/proc/{child}/{part}")) for part in ("cmdline", "environ"))
    return seen


def _read_of(path: Path) -> str:
    """Return what the kernel tells, nothing of a thread or child that has ended since it was listed."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_no_log_line_holds_a_canary(day: Day) -> None:
    """Secrets and customers' words stay out of the log, whatever went wrong.

    Seen to fail with httpx2's INFO log let through, with error texts in `work_broke`, and with pydantic's own texts.
    """
    found = {json.dumps(entry)[:300]: leaks for entry in day.box.log if (leaks := leaked(json.dumps(entry)))}
    assert not found, "\n".join(f"{leaks}: {entry}" for entry, leaks in found.items())
    events = {entry.get("event") for entry in day.box.log}
    assert {"hook_rejected", "hook_failed", "work_parked", "work_broke", "adapter_paused", "library"} <= events
    assert not _events(day.box, "not JSON"), "a log is for machines, down to its last line"


def test_the_private_listener_shows_no_canary(day: Day) -> None:
    """Health, readiness and metrics tell of the installation, never of customers, and of no secret."""
    statuses = {path: status for path, status, _ in day.answers}
    assert (statuses["/healthz"], statuses["/metrics"]) == (200, 200)
    assert not [(path, leaks) for path, _, text in day.answers if (leaks := leaked(text))]


def test_commands_about_the_machinery_name_nobody(day: Day) -> None:
    """Whoever looks after the process needs no permission to see customers, and no secret is shown to anybody."""
    assert "parked" in day.told["work"] and "channels.mail.password_env" in day.told["check"]
    found = {words: leaks for words, text in day.told.items() if (leaks := leaked(text))}
    assert not found, "\n".join(f"{words}: {leaks}\n{day.told[words][-1500:]}" for words, leaks in found.items())


def test_the_process_list_shows_no_canary(day: Day) -> None:
    """Whoever may run `ps` on that machine learns nothing; children get no environment that they don't need."""
    assert not sys.platform.startswith("linux") or "command line" in day.processes
    assert not [(name, leaks) for name, text in day.processes.items() if (leaks := leaked(text))]


def test_no_url_and_no_prompt_holds_a_secret(day: Day) -> None:
    """What is asked of a model may quote a customer, but no secret stands in a prompt, and nothing at all in a URL."""
    assert len(day.model.targets) > 5 and any(leaked(body, PEOPLE) for body in day.model.bodies)
    assert not [target for target in day.model.targets if leaked(target)]
    assert day.asked and not [target for target in day.asked if leaked(target)]
    assert not [leaks for body in day.model.bodies if (leaks := leaked(body, SECRETS))]


def test_what_is_kept_and_handed_out_holds_no_secret(day: Day) -> None:
    """Journal, CRM, backup and export hold customers' words, as they must, and no secret in any form."""
    day.tell("export")
    day.tell("inbox", "--json")
    kept = {
        path: path.read_bytes() for path in day.box.folder.rglob("*") if path.is_file() and path.name != "config.toml"
    }
    kept |= {Path(words): day.told[words].encode() for words in ("export", "inbox --json")}
    assert {"journal.db", "crm.db", "copy.db"} <= {path.name for path in kept}
    assert leaked(kept[Path("export")], PEOPLE)
    assert not [(path.name, leaks) for path, raw in kept.items() if (leaks := leaked(raw, SECRETS))]


@pytest.mark.parametrize("words", [("serve",), ("run", "--until-idle")])
def test_a_defect_that_ends_a_command_quotes_nobody(day: Day, words: tuple[str, ...]) -> None:
    """What a container's log keeps of a crash at the start is its type and its places; seen to fail with its text."""
    day.tell(*words, env={AT_START: f"{PEOPLE['words']} {SECRETS['model key']}"})
    assert not leaked(day.told[" ".join(words)])
    assert "a defect of ours: ValueError at" in day.told[" ".join(words)]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://sidecar:{password}@127.0.0.1:1/book?connect_timeout=2", "postgresql://sidecar:{password}@[127/book",
        "mysql://sidecar:{password}@127.0.0.1/book", "{password}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", [("serve",), ("backup", "copy.db")])
def test_a_database_that_cant_be_opened_keeps_its_password(url: str, words: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever is wrong with the journal's URL, no command repeats it; seen to fail with the URL in the error."""
    secret = SECRETS["database password"]
    config = '[journal]\nurl_env = "JOURNAL_URL"\n[web]\nport = 0\nadmin_port = 1\n'
    box = sidecar(tmp_path, config, {"JOURNAL_URL": url.format(password=secret)})
    command = [sys.executable, "-m", "sidecar", "--config", str(tmp_path / "config.toml"), *words]
    done = subprocess.run(
        command, env=dict(box.env), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and done.stdout + done.stderr
    assert not leaked(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr

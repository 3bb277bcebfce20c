"""A small Twilio on a loopback socket: messages, calls, recordings, transcripts; its lists, and what it posts.

What people do on their telephones are methods here, `webhook` returns the form that Twilio would post of a message or
call, and `signed` its signature, which Twilio's own validator makes. The lists filter by days of UTC and turn pages as
Twilio's do; that their shape is Twilio's is for its SDK to say, which reads them in `test_twilio_twin`.

Source: twilio-python 9.13.0 (its resources and `RequestValidator`), read and run 2026-11-23.
"""

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.twins.twilio import rows
from tests.twins.wire.passing import Log, Logged, Reply, Request
from tests.twins.wire.twin import Twin
from twilio.request_validator import RequestValidator

ACCOUNT, TOKEN = "AC" + "b" * 32, "0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
Row = rows.Row


class TwilioTwin(Twin):
    """One account: `with TwilioTwin() as twin: ... twin.url ...`, which is the address of both of its APIs."""

    def __init__(self, account: str = ACCOUNT, token: str = TOKEN, *, port: int = 0, most_rows: int = 1000) -> None:
        self.account, self.token, self.most_rows = account, token, most_rows
        self.lock = threading.RLock()
        self.messages: dict[str, Row] = {}
        self.calls_made: dict[str, Row] = {}
        self.recordings: dict[str, Row] = {}
        self.transcripts: dict[str, Row] = {}
        self.sentences: dict[str, list[Row]] = {}
        self.files: dict[str, tuple[Row, bytes]] = {}
        self.stored: dict[str, bytes] = {}
        self.store_url = ""
        self.key = ("SK" + "1" * 32, "a-secret-of-an-api-key")
        self._count = 0
        log = Log()
        super().__init__(_Gateway(self, log), log, 0, port)

    # Hands ------------------------------------------------------------------------------------------------------

    def texts(self, sender: str, target: str, body: str, at: datetime, **told: Any) -> str:
        """Let somebody send a message to a number of the account; return its sid."""
        sid = self.sid("SM")
        with self.lock:
            self.messages[sid] = rows.message(
                self.account, sid, at, **{"from": sender, "to": target, "body": body, **told}
            )
        return sid

    def sends(self, sender: str, target: str, body: str, at: datetime) -> str:
        """Let the account send a message."""
        return self.texts(sender, target, body, at, direction="outbound-api", status="delivered")

    def attaches(self, message: str, content_type: str, content: bytes) -> str:
        """Put a file to a message; return the file's sid."""
        sid = self.sid("ME")
        with self.lock:
            row = self.messages[message]
            row["num_media"] = str(int(row["num_media"]) + 1)
            at = parsedate_to_datetime(row["date_sent"])
            self.files[sid] = (rows.media(self.account, sid, message, at, content_type), content)
        return sid

    def empties(self, message: str) -> None:
        """Take a message's words away, as its owner may by the API."""
        with self.lock:
            self.messages[message]["body"] = ""

    def deletes(self, message: str) -> None:
        """Delete a message."""
        with self.lock:
            del self.messages[message]

    def rings(self, caller: str, called: str, at: datetime, lasts_s: int = 73, **told: Any) -> str:
        """Let somebody call, inbound unless `direction` says else; return the call's sid."""
        sid = self.sid("CA")
        with self.lock:
            ended = at + timedelta(seconds=lasts_s)
            self.calls_made[sid] = rows.call(self.account, sid, at, ended, **{"from": caller, "to": called, **told})
        return sid

    def records(self, call: str, content: bytes = b"", **told: Any) -> str:
        """Record a call; return the recording's sid."""
        sid = self.sid("RE")
        with self.lock:
            at = parsedate_to_datetime(self.calls_made[call]["start_time"])
            self.recordings[sid] = rows.recording(self.account, sid, call, at, **told)
            self.stored[f"/2010-04-01/Accounts/{self.account}/Recordings/{sid}.mp3"] = content
        return sid

    def transcribes(self, source: str, said: Sequence[tuple[int, str]], at: datetime, **told: Any) -> str:
        """Write down a recording, sentence by sentence with its channel; return the transcript's sid."""
        sid = self.sid("GT")
        with self.lock:
            self.transcripts[sid] = rows.transcript(self.account, sid, source, at, **told)
            self.sentences[sid] = [
                rows.sentence(self.sid("GX"), index, channel, words) for index, (channel, words) in enumerate(said)
            ]
        return sid

    def sid(self, prefix: str) -> str:
        """Return an id that nobody has yet."""
        with self.lock:
            self._count += 1
            return f"{prefix}{self._count:032x}"

    # Webhooks ---------------------------------------------------------------------------------------------------

    def webhook(self, sid: str, **told: str) -> bytes:
        """Return the form that Twilio posts of a message, a call or a recording."""
        with self.lock:
            made = {"SM": self._of_message, "CA": self._of_call, "RE": self._of_recording}[sid[:2]](sid)
        return urlencode({"AccountSid": self.account, "ApiVersion": "2010-04-01", **made, **told}).encode()

    def live(self, call: str, sequence: int, words: str, at: datetime, **told: str) -> bytes:
        """Return the form that Twilio posts of words while they are said."""
        data = json.dumps({"transcript": words, "confidence": 0.97})
        made = {
            "AccountSid": self.account,
            "CallSid": call,
            "TranscriptionSid": f"GT{call[2:]}",
            "TranscriptionEvent": "transcription-content",
            "TranscriptionData": data,
            "Track": "inbound_track",
            "Final": "true",
            "LanguageCode": "en-GB",
            "SequenceId": str(sequence),
            "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        return urlencode({**made, **told}).encode()

    def hint(self, transcript: str) -> bytes:
        """Return the body by which Twilio says that a transcript is there."""
        told = {"account_sid": self.account, "service_sid": "GA" + "e" * 32, "transcript_sid": transcript}
        return json.dumps(told | {"event_type": "voice_intelligence_transcript_available"}).encode()

    def signed(self, url: str, body: bytes, token: str | None = None) -> tuple[str, dict[str, str]]:
        """Return the address that is called with a body, and the headers with Twilio's own signature of it."""
        validator = RequestValidator(token or self.token)
        if body[:1] == b"{":
            at = f"{url}{'&' if '?' in url else '?'}bodySHA256={validator.compute_hash(body.decode())}"
            return at, {"X-Twilio-Signature": validator.compute_signature(at, {}), "Content-Type": "application/json"}
        params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return url, {"X-Twilio-Signature": validator.compute_signature(url, params), "Content-Type": FORM}

    def _of_message(self, sid: str) -> dict[str, str]:
        row = self.messages[sid]
        made = {"MessageSid": sid, "SmsMessageSid": sid, "SmsSid": sid, "SmsStatus": "received", "Body": row["body"]}
        if row["direction"] != "inbound":
            made = {"MessageSid": sid, "SmsSid": sid, "SmsStatus": row["status"], "MessageStatus": row["status"]}
        files = [row for row, _ in self.files.values() if row["parent_sid"] == sid]
        for number, file in enumerate(files):
            made[f"MediaUrl{number}"] = f"https://api.twilio.com{file['uri'].removesuffix('.json')}"
            made[f"MediaContentType{number}"] = file["content_type"]
        return {**made, "From": row["from"], "To": row["to"], "NumMedia": str(len(files)), "NumSegments": "1"}

    def _of_call(self, sid: str) -> dict[str, str]:
        row = self.calls_made[sid]
        made = {"CallSid": sid, "From": row["from"], "To": row["to"], "CallStatus": row["status"]}
        made |= {"Direction": row["direction"], "CallDuration": row["duration"], "Timestamp": row["end_time"]}
        parent = {"ParentCallSid": row["parent_call_sid"]} if row["parent_call_sid"] else {}
        return {**made, **parent, "CallbackSource": "call-progress-events", "SequenceNumber": "3", "ForwardedFrom": ""}

    def _of_recording(self, sid: str) -> dict[str, str]:
        row = self.recordings[sid]
        made = {"RecordingSid": sid, "CallSid": row["call_sid"], "RecordingStatus": row["status"]}
        made |= {"RecordingDuration": row["duration"], "RecordingChannels": str(row["channels"])}
        return {**made, "RecordingSource": row["source"], "RecordingStartTime": row["start_time"]}


class _Gateway:
    """Answers requests for the account."""

    def __init__(self, twin: TwilioTwin, log: Log) -> None:
        self.twin, self.log, self.defects = twin, log, list[str]()

    def answer(self, request: Request, *, answered: bool = True, fault: str = "") -> Reply:
        """Do what a request asks for and return the reply."""
        with self.twin.lock:
            reply = self._reply(request)
            self.note(request, reply, self.operation(request), answered=answered, fault=fault)
            return reply

    def note(self, request: Request, reply: Reply | None, operation: str, *, answered: bool, fault: str) -> None:
        """Write a request into the log."""
        status, size_bytes = (reply.status, len(reply.body)) if reply else (None, 0)
        told = (request.method, request.target, operation, 1, status, len(request.body), size_bytes, request.body)
        self.log.add(Logged(*told, answered, fault))

    def operation(self, request: Request) -> str:
        """Return the last word of the path that is no sid."""
        steps = urlsplit(request.target).path.removesuffix(".json").split("/")
        return next(step.lower() for step in reversed(steps) if len(step) != 34)

    def reply(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a reply with a body of JSON."""
        return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def dressed(self, body: Any) -> Any:
        """Return a fault's body as it is."""
        return body

    def _reply(self, request: Request) -> Reply:
        twin, parts = self.twin, urlsplit(request.target)
        if parts.path.startswith("/store/"):
            row, content = twin.files[parts.path.rpartition("/")[2]]
            return Reply(200, content, {"Content-Type": row["content_type"]})
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        known = (f"{twin.account}:{twin.token}", ":".join(twin.key))
        if given not in [base64.b64encode(pair.encode()).decode() for pair in known]:
            return self.reply(401, {"code": 20003, "message": "Authenticate", "status": 401})
        if parts.path in twin.stored:
            return Reply(200, twin.stored[parts.path], {"Content-Type": "audio/mpeg"})
        steps, query = parts.path.strip("/").split("/"), dict(parse_qsl(parts.query, keep_blank_values=True))
        if steps[:2] == ["v2", "Transcripts"]:
            return self._intelligence(steps[2:], query, parts.path)
        if steps[:3] == ["2010-04-01", "Accounts", twin.account]:
            return self._api([step.removesuffix(".json") for step in steps[3:]], query, parts.path)
        return self._lacking(parts.path)

    def _api(self, steps: list[str], query: Mapping[str, str], path: str) -> Reply:
        lists: dict[str, tuple[dict[str, Row], str]] = {
            "Messages": (self.twin.messages, "DateSent"),
            "Calls": (self.twin.calls_made, "StartTime"),
            "Recordings": (self.twin.recordings, "DateCreated"),
        }
        if steps[0] in lists and len(steps) <= 2:
            held, name = lists[steps[0]]
            if len(steps) == 2:
                return self.reply(200, held[steps[1]]) if steps[1] in held else self._lacking(path)
            return self._page(list(held.values()), steps[0].lower(), name, query, path)
        if len(steps) == 3 and steps[2] == "Media" and steps[1] in self.twin.messages:
            found = [row for row, _ in self.twin.files.values() if row["parent_sid"] == steps[1]]
            return self._page(found, "media_list", "DateCreated", query, path)
        if len(steps) == 4 and steps[3] in self.twin.files:
            at = f"{self.twin.store_url or self.twin.url}/store/{steps[3]}"
            return Reply(307, b"", {"Location": at})
        return self._lacking(path)

    def _page(self, found: list[Row], key: str, name: str, query: Mapping[str, str], path: str) -> Reply:
        """A page of a list, newest first; the rest stands behind `next_page_uri`."""
        column = {"DateSent": "date_sent", "StartTime": "start_time", "DateCreated": "date_created"}[name]
        kept = [row for row in found if _is_within(parsedate_to_datetime(row[column]).date().isoformat(), name, query)]
        kept = [row for row in kept if query.get("ParentCallSid") in (None, row.get("parent_call_sid"))]
        kept.sort(key=lambda row: (parsedate_to_datetime(row[column]), row["sid"]), reverse=True)
        size, page = self._size(query), int(query.get("Page", "0"))
        shown, rest = kept[page * size : (page + 1) * size], kept[(page + 1) * size :]
        following = {**query, "PageSize": str(size), "Page": str(page + 1), "PageToken": f"PA{page}"}
        return self.reply(
            200,
            {
                key: shown,
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + len(shown) - 1,
                "uri": path,
                "first_page_uri": f"{path}?PageSize={size}&Page=0",
                "previous_page_uri": None,
                "next_page_uri": f"{path}?{urlencode(following)}" if rest else None,
            },
        )

    def _intelligence(self, steps: list[str], query: Mapping[str, str], path: str) -> Reply:
        if len(steps) == 2 and steps[1] == "Sentences" and steps[0] in self.twin.sentences:
            return self._meta_page(self.twin.sentences[steps[0]], "sentences", query, path)
        if steps:
            found = self.twin.transcripts.get(steps[0])
            return self.reply(200, found) if found and len(steps) == 1 else self._lacking(path)
        after, before = query.get("AfterDateCreated", ""), query.get("BeforeDateCreated", "9999")
        kept = [row for row in self.twin.transcripts.values() if after <= row["date_created"] < before]
        kept.sort(key=lambda row: row["date_created"], reverse=True)
        return self._meta_page(kept, "transcripts", query, path)

    def _meta_page(self, found: list[Row], key: str, query: Mapping[str, str], path: str) -> Reply:
        size, page = self._size(query), int(query.get("Page", "0"))
        at = f"https://intelligence.twilio.com{path}"
        following = urlencode({**query, "PageSize": str(size), "Page": str(page + 1), "PageToken": f"PT{page}"})
        meta = {
            "page": page,
            "page_size": size,
            "first_page_url": f"{at}?PageSize={size}&Page=0",
            "previous_page_url": None,
            "url": at,
            "next_page_url": f"{at}?{following}" if len(found) > (page + 1) * size else None,
            "key": key,
        }
        return self.reply(200, {"meta": meta, key: found[page * size : (page + 1) * size]})

    def _size(self, query: Mapping[str, str]) -> int:
        return min(int(query.get("PageSize", "50")), self.twin.most_rows)

    def _lacking(self, path: str) -> Reply:
        told = f"The requested resource {path} was not found"
        return self.reply(404, {"code": 20404, "message": told, "status": 404})


def _is_within(day: str, name: str, query: Mapping[str, str]) -> bool:
    """Say whether a day fits the filters `Name`, `Name>` and `Name<`, whose sign of equality is the form's own."""
    exact, first, last = query.get(name, day), query.get(f"{name}>", day), query.get(f"{name}<", day)
    return first[:10] <= day <= last[:10] and exact[:10] == day

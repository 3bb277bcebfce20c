"""Outside systems at their worst: each error that they answer with repeats all that it was sent, secrets included.

Vendors do that: an API quotes the request that it refuses, a mail server the line that it doesn't understand. So what
comes back from outside must be treated like what went out.
"""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOTHING = json.dumps({"ops": [], "steps": [], "summary": "", "needs_full_reread": False})


class ModelParrot:
    """The Messages API on a socket; `mood` says how it answers: a status, or `answers`, `refuses`, `rambles`, `quotes`.

    It remembers each request's target, and its body: what may not hold a secret.
    """

    def __init__(self) -> None:
        self.mood: int | str = "answers"
        self.text = NOTHING
        self.targets: list[str] = []
        self.bodies: list[str] = []
        parrot = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers.get("content-length", 0))).decode())

            def _answer(self, body: str) -> None:
                parrot.targets.append(self.path)
                parrot.bodies.append(body)
                status, answer = parrot._said(f"{self.path} {self.headers}", body)
                raw = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (("content-type", "application/json"), ("content-length", str(len(raw)))):
                    self.send_header(name, value)
                self.send_header("request-id", "req-of-a-parrot")
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                """Stay silent, as a test's other side should."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "ModelParrot":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _said(self, head: str, body: str) -> tuple[int, dict[str, Any]]:
        if isinstance(self.mood, int):
            error = {"type": "invalid_request_error", "message": f"{head} {body}"}
            return self.mood, {"type": "error", "error": error}
        if not body:
            return 200, {"type": "model", "id": "any", "display_name": head, "created_at": "2026-01-01T00:00:00Z"}
        # Without the head: no model is shown the key, and an answer is kept whole.
        text = {"rambles": body, "quotes": json.dumps({"ops": [{"field": body}], body: 1})}
        message = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
            "content": [{"type": "text", "text": text.get(self.mood, self.text)}],
            "stop_reason": "refusal" if self.mood == "refuses" else "end_turn",
            "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 9},
        }  # fmt: skip
        return 200, message


class MailParrot(socketserver.ThreadingTCPServer):
    """An IMAP server that lets in only names beginning with `in`, and repeats every line that it refuses."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.port = int(self.server_address[1])
        self.refused = 0

    def __enter__(self) -> "MailParrot":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _MailHandler(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self) -> None:
        self._say("* OK ready")
        heard: list[str] = []
        while line := self.rfile.readline(10_000).decode("utf-8", "replace").strip():
            heard.append(line)
            tag, _, command = line.partition(" ")
            word = command.split(" ")[0].upper()
            if word == "CAPABILITY":
                self._say("* CAPABILITY IMAP4rev1", f"{tag} OK done")
            elif word == "LOGIN" and command.split(" ")[1].strip('"').startswith("in"):
                self._say(f"{tag} OK done")
            elif word == "LOGOUT":
                self._say("* BYE", f"{tag} OK done")
                return
            else:
                assert isinstance(self.server, MailParrot)
                self.server.refused += 1
                self._say(f"{tag} NO I was told: {' | '.join(heard)}")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class PostParrot(socketserver.ThreadingTCPServer):
    """An SMTP server that offers a login and refuses it, in the words that it was told."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _PostHandler)
        self.port = int(self.server_address[1])
        self.refused = 0

    def __enter__(self) -> "PostParrot":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _PostHandler(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self) -> None:
        self._say("220 ready")
        heard: list[str] = []
        while line := self.rfile.readline(10_000).decode("utf-8", "replace").strip():
            heard.append(line)
            if line.upper().startswith("EHLO"):
                self._say("250-here", "250 AUTH PLAIN LOGIN")
            elif line.upper() == "QUIT":
                self._say("221 bye")
                return
            else:
                assert isinstance(self.server, PostParrot)
                self.server.refused += 1
                self._say(f"535 I was told: {' | '.join(heard)}")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

"""A mail server on a real port that can be told to refuse, to break off and to disappear."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

#: What to answer to a command (its first word in capitals, or "BODY" for the end of the message) instead of the usual;
#: None hangs up without a word.
Answer = Callable[[str], str | None]

USUAL = {
    "CONNECT": "220 mail.science.example",
    "EHLO": "250 mail.science.example",
    "HELO": "250 mail.science.example",
    "MAIL": "250 sender ok",
    "RCPT": "250 recipient ok",
    "DATA": "354 go on",
    "BODY": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


class MailServer:
    """``taken`` holds what it said yes to, ``raw`` the same as bytes. ``answers`` replaces what it usually says."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.answers: dict[str, str | None] = {}
        #: What to answer to these recipients instead.
        self.refused: dict[str, str] = {}
        #: Called when a message has arrived whole, before it is answered: the moment at which things go wrong in between.
        self.before_answer: Callable[[], None] = lambda: None
        self._port = 0
        self._server: socketserver.ThreadingTCPServer | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def taken(self) -> list[EmailMessage]:
        return [message_from_bytes(each, policy=policy.default) for each in self.raw]  # type: ignore[arg-type]

    def start(self) -> None:
        """Start, or come back on the same port."""
        handler = type("Handler", (_Conversation,), {"mail": self})
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Conversation(socketserver.StreamRequestHandler):
    mail: MailServer

    def handle(self) -> None:
        if not self._say("CONNECT"):
            return
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper().decode()
            if word == "RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                if recipient in self.mail.refused:
                    self.wfile.write(self.mail.refused[recipient].encode() + b"\r\n")
                    continue
            if not self._say(word) or word == "QUIT":
                return
            if word == "DATA" and self._answer_to("DATA") == USUAL["DATA"]:
                body = b"".join(iter(lambda: self.rfile.readline(), b".\r\n"))
                if (self._answer_to("BODY") or "")[:1] in {"2", ""}:
                    # With no answer at all it has been taken as well: that is what nobody can know.
                    self.mail.raw.append(body)
                    self.mail.recipients.append(recipient)
                self.mail.before_answer()
                if not self._say("BODY"):
                    return

    def _answer_to(self, word: str) -> str | None:
        return self.mail.answers.get(word, USUAL.get(word, "502 what?"))

    def _say(self, word: str) -> bool:
        answer = self._answer_to(word)
        if answer is not None:
            self.wfile.write(answer.encode() + b"\r\n")
        return answer is not None


@contextmanager
def running() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()

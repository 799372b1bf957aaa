"""Small web sites that a test makes up: paths and what is there."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: A document, or status with headers and a body.
Answer = Mapping[str, Any] | tuple[int, Mapping[str, str], str]


@contextmanager
def serving(pages: dict[str, Answer]) -> Iterator[str]:
    """Serves these paths; pages may be added while it runs. What is not there is a 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pages.get(self.path, (404, {}, "nothing here"))
            if isinstance(found, tuple):
                status, headers, body = found
            else:
                status, headers, body = 200, {"Content-Type": "application/json"}, json.dumps(found)
            content = body.encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

"""JupyterHub's proxy without Node: the PyPI ``configurable-http-proxy``, with its gaps filled.

- Its web sockets neither pass on the subprotocol that the server chose nor keep binary messages binary. JupyterLab
  offers a subprotocol and talks binary under it, so every kernel would start with an error and a second try.
- A POST without a body arrives as a form, and the hub takes no forms from browsers.
- It calls the servers behind it with tornado's client, whose limits are made for short answers: ten calls at a time and
  twenty seconds each. A page that follows a starting notebook holds its connection longer, and JupyterLab asks for more
  than ten files at once.
"""

from collections.abc import Sequence

from configurable_http_proxy import configproxy
from configurable_http_proxy.cli import main
from tornado.httpclient import AsyncHTTPClient, HTTPRequest


class Handler(configproxy.ProxyHandler):  # type: ignore[misc]
    def select_subprotocol(self, subprotocols: Sequence[str]) -> str | None:
        # The connection to the server is made before the browser is answered.
        chosen: str | None = self.ws_client.selected_subprotocol if self.ws_client else None
        return chosen if chosen in subprotocols else None

    def _get_proxy_request(self, url: str) -> HTTPRequest:
        request: HTTPRequest = super()._get_proxy_request(url)
        if self.request.method == "POST":
            request.headers.setdefault("Content-Type", "")  # without one, the client would say that it is a form
        return request

    def on_message(self, message: str | bytes) -> None:
        if self.ws_client is None:
            return
        if self.target:
            self.proxy.update_last_activity(self.target["prefix"])
        self.ws_client.write_message(message, binary=isinstance(message, bytes))


if __name__ == "__main__":
    configproxy.ProxyHandler = Handler
    AsyncHTTPClient.configure(None, max_clients=1000, defaults={"connect_timeout": 20, "request_timeout": 3600})
    main()

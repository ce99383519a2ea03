# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of repositories over HTTP from a real server on this machine, and from files."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.gpufleet.node.plugins.module_utils._packages._fetch import fetch
from ansible_collections.gpufleet.node.plugins.module_utils._packages._openpgp import KEY_LIMIT

KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"


class Server(ThreadingHTTPServer):
    """seen: (path as the client sent it, Authorization) of each request."""

    seen: list[tuple[str, str | None]]

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Authorization"]))
        if self.path.endswith("/absent"):
            self.send_error(404)
        elif self.path.endswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/key.asc")
            self.end_headers()
        elif self.path.endswith("/nonsense"):
            self.wfile.write(b"\x00\x01 not HTTP\r\n\r\n")
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(KEY)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the screen."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server(("127.0.0.1", 0), Handler) as one:
        one.seen = []
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def test_files_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_bytes(KEY)
    (tmp_path / "huge").write_bytes(b"x" * (KEY_LIMIT + 10))
    assert fetch(f"file://{tmp_path}/key.asc", None) == KEY
    assert len(fetch(f"file://{tmp_path}/huge", None)) == KEY_LIMIT + 1
    with pytest.raises(OSError, match="No such file or directory"):
        fetch(f"file://{tmp_path}/absent", None)


def test_user_and_password_of_a_url_are_for_its_server_alone(server: Server) -> None:
    words = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert fetch(f"http://me:p%40ss@{server.place}/key.asc", None) == KEY
    assert fetch(f"http://me:p%40ss@{server.place}/moved", None) == KEY
    assert server.seen == [("/key.asc", words), ("/moved", words), ("/key.asc", None)]


def test_proxies(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch("http://mirror.invalid/key.asc", f"http://{server.place}") == KEY
    monkeypatch.setenv("http_proxy", f"http://{server.place}")
    assert fetch("http://mirror.invalid/key.asc", None) == KEY
    assert server.seen == [("http://mirror.invalid/key.asc", None)] * 2
    with pytest.raises(OSError, match=r"not known|resolution|No address"):
        fetch("http://mirror.invalid/key.asc", "DIRECT")


@pytest.mark.parametrize(("url", "words"), [
    ("http://{}/absent", "HTTP Error 404: Not Found"),
    ("http://{}/nonsense", "not HTTP"),
    ("mirror/key.asc", "unknown url type"),
    ("http://{}/a b", "URL can't contain control characters"),
    ("http://[::1/key.asc", "Invalid IPv6 URL"),
])
def test_what_is_no_answer_is_an_oserror(server: Server, url: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        fetch(url.format(server.place), None)

# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: fetch the key of a repository. With the standard library: Ansible's own would be sent to every node on every run."""

from __future__ import annotations

import base64
import http.client
import urllib.parse
import urllib.request

from ._openpgp import KEY_LIMIT

__all__ = ["fetch"]

_LIMIT_S = 30


def fetch(url: str, proxy: str | None) -> bytes:
    """The content of a URL (http, https, ftp or file), one byte more than a key may have at most. User and password may stand in the
    URL. proxy: in the place of those that the environment names. OSError."""
    try:
        with _opener(proxy).open(_request(url), timeout=_LIMIT_S) as answer:
            content: bytes = answer.read(KEY_LIMIT + 1)
            return content
    except (ValueError, http.client.HTTPException) as error:
        raise OSError(str(error)) from None


def _opener(proxy: str | None) -> urllib.request.OpenerDirector:
    if proxy is None:
        return urllib.request.build_opener()
    return urllib.request.build_opener(urllib.request.ProxyHandler({} if proxy == "DIRECT" else {"http": proxy, "https": proxy}))


def _request(url: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(bare, headers={"User-Agent": "gpufleet.node"})
    if parts.username:
        words = ":".join(urllib.parse.unquote(word or "") for word in (parts.username, parts.password))
        # Not for the server that this one may lead to.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(words.encode()).decode()}")
    return request

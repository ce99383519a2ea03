# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a node: a lease that is taken before the first change and lives only as long as its holder.

The package manager's lock covers single transactions. Two runs with different wishes would still take turns with their steps, so
each holds this lease from its first step to its last look. It is a file on the node whose time the holder renews; a controller
that is gone renews nothing, and after STALE_MINUTES the next run takes over. Nothing of it survives a reboot.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import socket
import time
from collections.abc import Callable
from typing import Any

__all__ = ["STALE_MINUTES", "Lease", "LeaseError"]

STALE_MINUTES = 3
_WAIT_S = 5
_HELD = 75  # EX_TEMPFAIL
_LOST = 76
# $1: take, renew or release; $2: the module; $3: our token; $4: who we are; $5: the token of a holder that is known to be gone.
# flock makes looking and taking one act. `last` tells the next inspection from a plan that somebody else's run has made stale.
_SCRIPT = f"""
set -u; umask 077
folder=/run/gpufleet.node; held=$folder/$2.held; last=$folder/$2.last
mkdir -p "$folder" && exec 9>"$folder/$2.guard" && flock 9 || exit 1
holder=$(cut -d ' ' -f 1 "$held" 2>/dev/null)
case $1 in
take)
  if [ -n "$(find "$held" -mmin -{STALE_MINUTES} 2>/dev/null)" ] && [ "$holder" != "$5" ]; then cat "$held"; exit {_HELD}; fi
  cat "$last" 2>/dev/null
  echo "$3" >"$last" && echo "$3 $4" >"$held" ;;
renew) [ "$holder" = "$3" ] || exit {_LOST}; touch "$held" ;;
release) [ "$holder" = "$3" ] && rm -f "$held" ;;
esac
"""
_OWNER = re.compile(r"([0-9a-f]{32}) ([A-Za-z0-9._-]{1,255}) ([0-9]{1,10})", re.ASCII)


class LeaseError(Exception):
    """The node cannot be had for this run: owner has it, or where that is None the text says what went wrong."""

    def __init__(self, message: str, owner: str | None = None) -> None:
        super().__init__(message)
        self.owner = owner


class Lease:
    """The lease of one run of a module. `command` runs a command line on the node as its root and answers {rc, stdout, stderr}."""

    def __init__(self, command: Callable[[str], dict[str, Any]], module: str) -> None:
        self._command, self._module = command, module
        self._token = secrets.token_hex(16)
        self._host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:255] or "controller"

    def take(self, wait_s: int, say: Callable[[str], None]) -> str | None:
        """The token of the last run that changed this node (None: there was none). Waits for another run; LeaseError."""
        deadline, gone, told = time.monotonic() + wait_s, "-", False
        while True:
            answer = self._run("take", f"{self._host} {os.getpid()}", gone)
            if answer["rc"] == 0:
                return str(answer["stdout"]).strip() or None
            if answer["rc"] != _HELD:
                raise LeaseError(f"the node's lease cannot be taken (it needs root, sh and flock): {_words(answer)}")
            token, who, ended = self._holder(str(answer["stdout"]))
            if ended and gone != token:
                gone = token
                continue
            if time.monotonic() >= deadline:
                raise LeaseError("another run is at work", f"{who}; one that was killed lets go after {STALE_MINUTES} minutes")
            if not told:
                say(f"waiting for another run on this node ({who}), {wait_s} s at most")
                told = True
            time.sleep(_WAIT_S)

    def renew(self) -> bool:
        """Whether the node is still ours; to be called at least once a minute. A node that is down says nothing about that."""
        return bool(self._run("renew")["rc"] != _LOST)

    def release(self) -> None:
        """Let the next run in; harmless where somebody else has taken over."""
        self._run("release")

    def _run(self, verb: str, *words: str) -> dict[str, Any]:
        return self._command(shlex.join(["/bin/sh", "-c", _SCRIPT, "sh", verb, self._module, self._token, *(words or ("", ""))]))

    def _holder(self, text: str) -> tuple[str, str, bool]:
        """(token, who, whether it is known to be gone): on this very machine that can be told at once."""
        match = _OWNER.fullmatch(text.strip())
        if not match:
            return "-", "unknown", False
        token, host, process = match.groups()
        ended = host == self._host and not os.path.exists(f"/proc/{process}") and os.path.exists("/proc/self")
        return token, f"process {process} on {host}", ended


def _words(answer: dict[str, Any]) -> str:
    return (str(answer.get("stderr")) or str(answer.get("stdout"))).strip()[-200:] or f"exit status {answer['rc']}"

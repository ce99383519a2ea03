# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of this package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ProfileError(ValueError):
    """A profile that does not exist or does not say what it should; the message names the place and the nearest valid word."""


def unknown(kind: str, word: str, valid: Iterable[str], where: str = "") -> ProfileError:
    """An error for a word that is not one of the valid ones, with the nearest of them."""
    names = sorted(str(name) for name in valid)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(names)}"
    return ProfileError(f"{where + ': ' if where else ''}no {kind} named {word!r}; {hint}")

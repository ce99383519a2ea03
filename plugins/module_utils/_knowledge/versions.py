# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of drivers, kernels and releases: runs of numbers with an order."""

from __future__ import annotations

import functools
import re

_VERSION = re.compile(r"\d{1,5}(?:\.\d{1,5}){0,4}\Z")


@functools.total_ordering
class DriverVersion:
    """A version such as 550.163.01: ordered by its numbers, printed as it was written. Not to be changed."""

    __slots__ = ("parts", "text")

    def __init__(self, parts: tuple[int, ...], text: str) -> None:
        self.parts = parts
        self.text = text

    @classmethod
    def parse(cls, text: str) -> DriverVersion:
        """From '550.163.01' or '580'; ValueError for anything else."""
        text = text.strip()
        if not _VERSION.match(text):
            raise ValueError(f"not a version: {text!r} (wanted: numbers with dots, such as 550.163.01)")
        return cls(tuple(int(part) for part in text.split(".")), text)

    @property
    def branch(self) -> int:
        """The first number: 550 of 550.163.01."""
        return self.parts[0]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"DriverVersion({self.text!r})"

    def __hash__(self) -> int:
        return hash(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DriverVersion) and self.parts == other.parts

    def __lt__(self, other: DriverVersion) -> bool:
        return self.parts < other.parts


def at_least(version: str | None, floor: str | None) -> bool | None:
    """Whether a version reaches a floor; None where either is unknown or no version."""
    try:
        return None if version is None or floor is None else DriverVersion.parse(version) >= DriverVersion.parse(floor)
    except ValueError:
        return None


def order(text: str) -> tuple[int, ...]:
    """A key to sort versions of our own tables by."""
    return DriverVersion.parse(text).parts

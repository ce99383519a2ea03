# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the form of findings and of the report (docs/architecture.md, "Findings")."""

from __future__ import annotations

from typing import Any, NamedTuple

EXIT = {"info": 0, "warning": 1, "critical": 2, "unknown": 3}
ORDER = ("critical", "unknown", "warning", "info")  # which severity comes first, on the screen and in the exit status


class Finding(NamedTuple):
    """One thing found. link: the link of the chain that it breaks, None where it breaks none."""

    code: str
    severity: str
    subject: str
    message: str
    evidence: dict[str, Any]
    remedy: str
    reference: str
    link: str | None
    acknowledged: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The published form; link serves the verdict only."""
        return {
            "code": self.code,
            "severity": self.severity,
            "subject": self.subject,
            "message": self.message,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "reference": self.reference,
            "acknowledged": self.acknowledged,
        }

    def acknowledge(self) -> Finding:
        """The same as info that breaks no link: somebody knows of it and lives with it."""
        return self._replace(severity="info", link=None, acknowledged=True)


class Report(NamedTuple):
    """What check() found. exit_status: 0 pass, 1 warning, 2 critical, 3 unknown; critical before unknown before warning."""

    findings: list[Finding]
    verdict: dict[str, Any]

    @property
    def exit_status(self) -> int:
        severities = {finding.severity for finding in self.findings}
        return next((EXIT[severity] for severity in ORDER if severity in severities), 0)

    def as_dict(self) -> dict[str, Any]:
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "verdict": self.verdict,
            "exit_status": self.exit_status,
        }

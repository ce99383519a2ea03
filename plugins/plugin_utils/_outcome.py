# Copyright (c) 2026 gpufleet contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task answers: the result of an inspection, of a run that went through, and of one that did not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.gpufleet.node.plugins.module_utils._inventory._own import Own

# Collections are compiled anew in each run of Ansible, and most nodes need nothing: what only a change takes is imported there.
__all__ = ["answered", "done", "failed_step", "refused", "without_secrets"]

_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_LONGEST = 600
# apt only says that dpkg failed; why stands in what dpkg printed, the first error first and its reason on the next line.
_CAUSE = re.compile(r"^dpkg: error .*(?:\n [ \t]*\S.*)?", re.MULTILINE)
_KEPT_OF_ANSIBLE = ("failed", "msg", "exception", "module_stdout", "module_stderr", "rc", "warnings", "deprecations", "skipped",
                    "skip_reason", "ansible_facts")  # the interpreter that was found: the next task does not search again
_KEPT = ("status", "plan", "before", "after", "verification", "findings", "text", "reboot_required", "reboot_reasons")


def answered(answer: Mapping[str, Any], diff: bool) -> dict[str, Any]:
    """The result where nothing was done: check mode, nothing to do, skipped, refused, or a module that failed."""
    result = {key: answer[key] for key in _KEPT if key in answer}
    result |= {key: answer[key] for key in _KEPT_OF_ANSIBLE if answer.get(key)}
    result["changed"] = answer.get("status") == "change" and not answer.get("failed")
    if diff and answer.get("text"):
        result["diff"] = {"prepared": "\n".join([*answer["text"], ""])}
    return result


def refused(own: Own, answer: Mapping[str, Any], refusals: Sequence[Mapping[str, Any]], diff: bool) -> dict[str, Any]:
    """The result where this controller, or somebody on the node, stands in the way before the first change."""
    from ansible_collections.gpufleet.node.plugins.module_utils._plan.steps import Refusal
    from ansible_collections.gpufleet.node.plugins.module_utils._plan.text import refused_screen

    new = [one["code"] for one in refusals]
    known = [one for one in answer["plan"]["refusals"] if one["code"] not in new]
    plan = {**answer["plan"], "status": "refused", "refusals": [*refusals, *known]}
    told = [f"{one['code']}: {one['message']} -> {one['remedy'].partition(chr(10))[0]}" for one in refusals]
    text = refused_screen(answer.get("text") or [""], [Refusal(**{**one, "use": ()}) for one in refusals], own.title)
    found = answered({**answer, "status": "refused", "plan": plan, "after": answer.get("before"), "text": text}, diff)
    return {**found, "changed": False, "failed": True, "msg": f"nothing was changed: {'; '.join(told)}"}


def done(own: Own, answer: Mapping[str, Any], after: Mapping[str, Any], changed: bool, diff: bool) -> dict[str, Any]:
    """The result of a run whose steps all went through: the plan that was done, and what the last look saw."""
    from ansible_collections.gpufleet.node.plugins.module_utils._plan.text import pointing

    result = {**answered(answer, diff), **_seen(after), "changed": changed}
    verification = after.get("verification") or {}
    if after.get("failed") and not verification:
        result |= {"failed": True, "msg": f"all steps are done, and the last look failed: {after.get('msg')}"}
    elif verification.get("status") == "failed":
        broken = [link for link in verification["links"] if link["state"] == "broken"]
        told = "; ".join(f"{link['link']}: {link['reason']}" for link in broken)
        then = pointing(after.get("findings") or (), own)
        result |= {"failed": True, "msg": f"all steps are done, and {own.what} is not what was asked for: {told or 'unknown'}{then}"}
    elif after.get("status") == "change":
        left = "; ".join(step["what"] for step in after["plan"]["steps"])
        result["warnings"] = [*result.get("warnings", []), f"all steps are done, and the next run would have more to do: {left}"]
    elif after.get("status") == "refused":
        result["warnings"] = [*result.get("warnings", []), f"all steps are done, and the last look says: {after.get('msg')}"]
    return result


def failed_step(
    answer: Mapping[str, Any],
    number: int,
    result: Mapping[str, Any],
    changed: bool,
    after: Mapping[str, Any] | None,
    diff: bool,
    given: Sequence[tuple[str, bool]] = (),
) -> dict[str, Any]:
    """The result of a run that stopped at a step (1 …). after: what a fresh look saw, None where none was possible. given: what was
    done after the failure to give the node back what the run had taken, and whether that went well."""
    steps = answer["plan"]["steps"]
    before, step, left = steps[: number - 1], steps[number - 1], steps[number:]
    back = _way_back([one["undo"] for one in reversed(before) if one.get("undo")], after or answer)
    lines = [
        f"step {number} of {len(steps)} failed: {step['what']}: {_words(result)}",
        f"Done: {_listed(before)}. Not done: {_listed([one for one in left if (one['what'], True) not in given])}.",
        f"Run it again: it looks again and goes on from here. To go back instead: {'; then '.join(back) or 'nothing is to be undone'}.",
    ]
    for well, words in ((True, "Done after the failure, for the node to be as before"), (False, "Failed too")):
        names = "; ".join(what for what, went in given if went is well)
        lines[2:2] = [f"{words}: {names}."] if names else []
    found = answered(answer, diff)
    if after is not None:
        found |= _seen(after)
    else:
        for key in ("after", "verification"):  # the prediction has not come true, and nobody could look
            found[key] = None
    told = {key: result[key] for key in ("rc", "stderr", "stdout", "exception") if result.get(key)}
    return {
        **found,
        **told,
        "changed": changed,
        "failed": True,
        "msg": "\n".join(lines),
        "failed_step": step["what"],
        "done_steps": [one["what"] for one in before],
        "open_steps": [one["what"] for one in left],
        "undo": back,
    }


def _way_back(own: Sequence[str], look: Mapping[str, Any]) -> list[str]:
    """From the newest: what this run did, and what the record has of it, of the step that broke off, and of runs before."""
    from ansible_collections.gpufleet.node.plugins.module_utils._plan._way_back import merged

    recorded = list((look.get("node") or {}).get("undo") or ())
    return merged([*(line for line in own if line not in recorded), *recorded])


def _seen(look: Mapping[str, Any]) -> dict[str, Any]:
    """What a last look saw. Where it would do more, its own `after` is only what it would lead to."""
    found = {key: look[key] for key in ("after", "verification", "findings", "reboot_required", "reboot_reasons") if key in look}
    return {**found, "after": look.get("before")} if look.get("status") == "change" else found


def _words(result: Mapping[str, Any]) -> str:
    """The last words of what failed."""
    from ansible_collections.gpufleet.node.plugins.module_utils._check._clean import clean

    message = str(result.get("msg") or "no message").strip()
    stderr = str(result.get("stderr") or "").strip()
    text = message if not stderr or stderr[-80:] in message else f"{message}: {stderr}"
    cause = _CAUSE.search(str(result.get("stdout") or ""))
    if cause and "dpkg returned an error" in text:
        text = f"{text}: {cause[0]}"
    text = clean(" ".join(text.split()))
    return text if len(text) <= _LONGEST else "…" + text[-_LONGEST:]


def _listed(steps: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(str(step["what"]) for step in steps) or "nothing"


def without_secrets(value: Any) -> Any:
    """The same value with the name and the password of every URL taken out."""
    if isinstance(value, str):
        return _SECRET.sub("********", value)
    if isinstance(value, Mapping):
        return {key: without_secrets(child) for key, child in value.items()}
    return [without_secrets(child) for child in value] if isinstance(value, (list, tuple)) else value

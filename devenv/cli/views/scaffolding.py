"""What ``devenv init`` and ``devenv new service`` made, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.scaffold import InitDocument, InitServicePart, NewServiceDocument


def show_init(document: InitDocument, output: Output) -> None:
    """Files and diff, then the services one by one, then what comes next."""
    if document.dry_run:
        for name in document.files:
            output.line(f"would be written: {name}")
    elif document.files:
        top = dict.fromkeys(name.partition("/")[0] + ("/" if "/" in name else "") for name in document.files)
        output.line(f"{len(document.files)} files written in {document.directory}: {', '.join(top)}")
    if not document.files:
        output.line("nothing to be written")
    if document.diff:
        output.line()
        output.line(document.diff.rstrip("\n"))
    for part in document.services:
        output.line()
        _show_service(part, output)
    if document.inactive:
        output.line()
        output.line(f"left out, because no active profile includes them: {', '.join(document.inactive)}")
    for note in document.notes:
        output.line(f"! {note}")
    output.line()
    if document.entrypoint:
        output.line(f"Requests go to {document.entrypoint}.")
    output.line(f"Next: {', '.join(document.next)}")


def _show_service(part: InitServicePart, output: Output) -> None:
    said = {
        "added": f"gets {len(part.added)} variables: {', '.join(part.added)}",
        "own": f"exports by its own settings ({', '.join(part.own)}); gets {', '.join(part.added) or 'nothing'}",
        "off": "is left alone (instrument: false)",
        "infrastructure": f"{part.image} is infrastructure",
        "trace-backend": "is the trace backend",
    }
    output.line(f"{part.name}: {said[part.tracing]}")
    if part.own and part.tracing == "added":
        output.line(f"  keeps: {', '.join(part.own)}")
    if part.traced_command:
        output.line(f"  traced with no change of its code: {part.traced_command}")
    if part.process:
        output.line(f"  for --engine process: {part.process}")
    for note in part.notes:
        output.line(f"  {note}")


def show_new_service(document: NewServiceDocument, output: Output) -> None:
    """What was made and edited, what is left to do by hand, and what comes next."""
    verb = "would be " if document.dry_run else ""
    if document.diff:
        output.line(document.diff)
    output.line(f"Service {document.service} ({document.template}, port {document.port}) in {document.folder}")
    for done, paths in (("made", document.created), ("edited", document.edited), ("removed", document.removed)):
        for path in paths:
            output.line(f"  {verb}{done:<8} {path}")
    if document.by_hand:
        output.line("By hand:")
    for hint in document.by_hand:
        output.line(f"  - {hint}")
    if not document.dry_run:
        output.line(f"Next: {', '.join(document.next)}.")

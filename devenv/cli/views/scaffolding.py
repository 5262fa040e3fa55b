"""Results of ``init`` and ``new service`` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model.counts import plural

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.scaffold import InitDocument, InitServicePart, NewServiceDocument


def show_init(document: InitDocument, output: Output) -> None:
    """Files and diff, then each service, then the next commands."""
    if document.dry_run:
        for name in document.files:
            output.line(f"would write {name}")
    elif document.files:
        top = dict.fromkeys(name.partition("/")[0] + ("/" if "/" in name else "") for name in document.files)
        output.line(f"Wrote {plural(len(document.files), 'file')} in {document.directory}: {', '.join(top)}")
    if not document.files:
        output.line("Nothing to write.")
    if document.diff:
        output.line()
        output.lines(document.diff.rstrip("\n"))
    for part in document.services:
        output.line()
        _show_service(part, output)
    if document.inactive:
        output.line()
        output.line(f"skipped (not in an active profile): {', '.join(document.inactive)}")
    for note in document.notes:
        output.line(f"! {note}")
    output.line()
    if document.entrypoint:
        output.line(f"Entry point: {document.entrypoint}")
    output.line(f"Next: {', '.join(document.next)}")


def _show_service(part: InitServicePart, output: Output) -> None:
    said = {
        "added": f"devenv sets {plural(len(part.added), 'variable')}: {', '.join(part.added)}",
        "own": f"uses its own export settings ({', '.join(part.own)}); "
        f"devenv sets {', '.join(part.added) or 'nothing else'}",
        "off": "not changed (instrument: false)",
        "infrastructure": f"infrastructure ({part.image})",
        "trace-backend": "trace backend",
    }
    output.line(f"{part.name}: {said[part.tracing]}")
    if part.own and part.tracing == "added":
        output.line(f"  keeps its own: {', '.join(part.own)}")
    if part.traced_command:
        output.line(f"  to trace it without code changes, run: {part.traced_command}")
    if part.process:
        output.line(f"  for --engine process: {part.process}")
    for note in part.notes:
        output.line(f"  {note}")


def show_new_service(document: NewServiceDocument, output: Output) -> None:
    """The files created and edited, what is left to do by hand, and the next commands."""
    verb = "would be " if document.dry_run else ""
    if document.diff:
        output.lines(document.diff)
    output.line(f"Service {document.service} ({document.template}, port {document.port}) in {document.folder}")
    for done, paths in (("created", document.created), ("edited", document.edited), ("removed", document.removed)):
        for path in paths:
            output.line(f"  {verb}{done:<8} {path}")
    if document.by_hand:
        output.line("To do by hand:")
    for hint in document.by_hand:
        output.line(f"  - {hint}")
    if not document.dry_run:
        output.line(f"Next: {', '.join(document.next)}.")

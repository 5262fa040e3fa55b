"""``extends``: a service is merged over another one, of the same file or of another file.

The other service is read as in its own file: relative paths, ``extends.file`` among them, start at that file's
directory, while variables are those of the file that extends. Rules: https://docs.docker.com/reference/compose-file/services/#extends
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from devenv.immutable import immutable
from devenv.stack.compose.canonical import with_entries, with_entry
from devenv.stack.compose.merging import merge, merge_service
from devenv.stack.compose.remote import is_remote
from devenv.stack.documents.relative_paths import with_absolute_paths
from devenv.stack.documents.scope import ReadingScope
from devenv.stack.documents.sources import MAXIMUM_DEPTH, Sources
from devenv.stack.readers.cursor import Cursor
from devenv.stack.yaml.nodes import Entry, MapNode, Node, ScalarNode, is_null
from devenv.stack.yaml.text_file import display
from devenv.suggestions import suggest

_KEY = "extends"
_HINT = "name the file as well ({file: other.yaml, service: NAME}) if the service is in another one"


@immutable()
class _Target:
    """A service of a file."""

    file: Path
    service: str


@immutable()
class _Step:
    """A service on the way from the first one that extends, and its ``extends``."""

    target: _Target
    asked: Cursor


def with_extended(layer: MapNode, file: Path, scope: ReadingScope, sources: Sources) -> MapNode:
    """Return the ``layer`` of a file with each service that extends another one merged over it."""
    services = layer.get("services")
    if not isinstance(services, MapNode) or not any(_extends(entry.node) for entry in services.entries.values()):
        return layer
    run = _Extending(services.entries, file, scope, sources)
    extended = {
        name: Entry(key_place=entry.key_place, node=run.service(_Target(file, name), entry.node, ()))
        for name, entry in services.entries.items()
    }
    return with_entry(layer, "services", with_entries(services, extended))


def _extends(service: Node) -> bool:
    return isinstance(service, MapNode) and _KEY in service.entries


class _Extending:
    """The services of one layer that extend others; each is merged once."""

    def __init__(self, services: Mapping[str, Entry], file: Path, scope: ReadingScope, sources: Sources) -> None:
        self._services = services
        self._file = file
        self._scope = scope
        self._sources = sources
        self._done: dict[_Target, Node] = {}

    def service(self, target: _Target, node: Node, way: tuple[_Step, ...]) -> Node:
        """The service ``target``, which is ``node`` in its file, merged over what it extends."""
        if target not in self._done:
            self._done[target] = self._merged(target, node, way)
        return self._done[target]

    def _merged(self, target: _Target, node: Node, way: tuple[_Step, ...]) -> Node:
        entry = node.entries.get(_KEY) if isinstance(node, MapNode) else None
        if entry is None or not isinstance(node, MapNode):
            return node
        own = with_entries(node, {name: other for name, other in node.entries.items() if name != _KEY})
        if is_null(entry.node) or entry.node.directive == "reset":
            return own
        key = f"services.{target.service}.{_KEY}"
        asked = Cursor(entry.node, key, self._sources.problems, entry.key_place)
        way = (*way, _Step(target, asked))
        base = self._base(target, asked, way)
        if base is None:
            self._sources.incomplete = True
        if base is None or not self._sources.count(base.size + own.size, asked):
            return own
        return merge_service(base, own, target.service, self._sources.problems)

    def _base(self, target: _Target, asked: Cursor, way: tuple[_Step, ...]) -> MapNode | None:
        """The service that the last step of ``way`` extends, or ``None`` if there is none."""
        wanted = self._wanted(target, asked)
        if wanted is None:
            return None
        if any(step.target == wanted for step in way):
            names = " → ".join(f"{step.target.service} ({step.asked.place})" for step in way)
            message = f"circular extends: {names} → {wanted.service}"
            self._sources.fail(way[0].asked, message, expected="no circle", hint="remove one of these extends")
            return None
        if len(way) > MAXIMUM_DEPTH:
            self._sources.fail(asked, f"more than {MAXIMUM_DEPTH} services extend each other")
            return None
        services = self._services if wanted.file == self._file else self._in_file(wanted, asked)
        if services is None:
            return None
        if wanted.service not in services:
            where = "" if wanted.file == target.file else f" in {display(wanted.file)}"
            known = ", ".join(services) or "no services"
            message = f"service {wanted.service!r}, which {target.service} extends, is not defined{where}"
            self._sources.fail(asked, message, expected=known, hint=suggest(wanted.service, services) or _HINT)
            return None
        base = self.service(wanted, services[wanted.service].node, way)
        return base if isinstance(base, MapNode) else None

    def _wanted(self, target: _Target, asked: Cursor) -> _Target | None:
        if isinstance(asked.node, ScalarNode):
            name = asked.text()
            return _Target(target.file, name) if name else None
        fields = asked.fields(("service", "file"))
        required = fields.required("service") if fields.members else None
        name = required.text() if required else None
        named, text = fields.get("file"), fields.text("file")
        if named is not None and text is not None and is_remote(text):
            self._sources.fail(named, f"{named.key}: a remote file is not supported", expected="a path")
            return None
        if name is None or (named is not None and text is None):
            return None
        return _Target(self._scope.path(text) if text else target.file, name)

    def _in_file(self, wanted: _Target, asked: Cursor) -> Mapping[str, Entry] | None:
        """The services of another file: the one ``wanted`` in long form, of the others only the names."""
        documents = self._sources.further(wanted.file, asked)
        if not documents:
            return None
        scope = replace(self._scope, directory=wanted.file.parent)
        layers: list[MapNode] = []
        names: dict[str, Entry] = {}
        for document in documents:
            services = document.get("services")
            entries = services.entries if isinstance(services, MapNode) else {}
            names |= entries
            if wanted.service in entries and isinstance(services, MapNode):
                only = with_entries(services, {wanted.service: entries[wanted.service]})
                layer = self._sources.layer(with_entry(document, "services", only), scope, shared=True)
                if layer is not None:
                    layers.append(with_absolute_paths(layer, scope))
        merged = merge(layers, self._sources.problems).get("services") if layers else None
        return {**names, **(merged.entries if isinstance(merged, MapNode) else {})}

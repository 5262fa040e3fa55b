"""Reads a service's mounts: ``volumes``, ``tmpfs``, ``secrets`` and ``configs``."""

from __future__ import annotations

import posixpath
from typing import Literal, cast

from devenv.model.stack import FileMount, Mount
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.yaml.nodes import ScalarNode

_VOLUME = ("type", "source", "target", "read_only", "bind", "volume", "tmpfs", "image")
_KINDS = ("volume", "bind", "tmpfs", "image")
_ELSEWHERE = {"npipe": "named pipes are a way of Windows containers", "cluster": "cluster volumes need Docker Swarm"}
_SOURCES = {"bind": ("a bind", "a host path"), "image": ("an image", "the name of an image")}
_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")


def read_mounts(service: Fields, context: Context) -> tuple[Mount, ...]:
    """Return the mounts of ``volumes`` and ``tmpfs``; two mounts on one target are a problem."""
    mounts: list[Mount] = []
    taken: dict[str, str] = {}
    for item in [*service.items("volumes"), *service.items("tmpfs")]:
        mount = _mount(item, context)
        if mount is None or mount in mounts:
            continue
        if mount.target in taken:
            item.error(f"{mount.target} is already mounted by {taken[mount.target]}", found=mount.target)
            continue
        taken[mount.target] = item.key
        mounts.append(mount)
    return tuple(mounts)


def _mount(item: Cursor, context: Context) -> Mount | None:
    fields = item.fields(_VOLUME, ignored={"consistency": "it has no effect on a Linux engine"})
    if not fields.members:
        return None
    kind_text, required = _kind(fields), fields.required("target")
    target = required.text() if required else None
    if fields.get("type") is None:
        fields.required("type")
    if kind_text is None or target is None or required is None:
        return None
    if not target.startswith("/"):
        required.error(f"{target!r} is not an absolute path in the container", expected="an absolute path")
        return None
    kind = cast('Literal["volume", "bind", "tmpfs", "image"]', kind_text)
    bind = _options(fields, "bind", ("create_host_path", "propagation", "selinux", "recursive"), {})
    volume = _options(fields, "volume", ("nocopy", "subpath"), {"labels": "put them under volumes:"})
    tmpfs = _options(fields, "tmpfs", ("size", "mode"), {})
    image = _options(fields, "image", ("subpath",), {})
    recursive = bind.choice("recursive", _RECURSIVE)
    selinux = bind.choice("selinux", ("z", "Z"))
    return Mount(
        kind=kind,
        target=posixpath.normpath(target),
        source=_source(kind, fields, context),
        read_only=fields.flag("read_only"),
        create_host_path=bind.flag("create_host_path", default=True),
        propagation=bind.choice("propagation", _PROPAGATIONS),
        selinux=cast('Literal["z", "Z"] | None', selinux),
        nocopy=volume.flag("nocopy"),
        tmpfs_size=tmpfs.size("size"),
        tmpfs_mode=read_mode(tmpfs.get("mode")),
        subpath=(image if kind == "image" else volume).text("subpath"),
        recursive=cast('Literal["enabled", "disabled", "writable", "readonly"] | None', recursive),
    )


def _kind(fields: Fields) -> str | None:
    member, text = fields.get("type"), fields.text("type")
    if member is not None and text in _ELSEWHERE:
        member.error(f"{member.key} {text} is not supported: {_ELSEWHERE[text]}", expected=", ".join(_KINDS))
        return None
    return fields.choice("type", _KINDS)


def _options(fields: Fields, name: str, known: tuple[str, ...], refused: dict[str, str]) -> Fields:
    """The mapping of options ``name``, empty if absent."""
    member = fields.get(name)
    return member.fields(known, refused=refused) if member else Fields(fields.cursor, {})


def _source(kind: str, fields: Fields, context: Context) -> str | None:
    """A volume's key, the absolute path of a bind, an image's name, or None for an anonymous volume or a tmpfs."""
    source, text = fields.get("source"), fields.text("source")
    if kind in _SOURCES and not text:
        what = f"{fields.cursor.key}: {_SOURCES[kind][0]} mount requires a source"
        fields.cursor.error(what, expected=_SOURCES[kind][1])
    if source is not None and kind == "tmpfs":
        source.error("a tmpfs mount cannot have a source", expected="no source")
        return None
    if not text:
        return None
    return str(context.path(text)) if kind == "bind" else text


def read_mode(member: Cursor | None) -> int | None:
    """Return a file mode: digits in quotes or after 0 or 0o are octal, other numbers have their YAML value."""
    if member is None:
        return None
    node = member.node
    text = node.written or str(node.value) if isinstance(node, ScalarNode) else ""
    octal = text.removeprefix("0o") if text.startswith("0") or isinstance(getattr(node, "value", None), str) else ""
    if octal and all(digit in "01234567" for digit in octal):
        mode = int(octal, 8)
    else:
        given = member.integer(0)
        if given is None:
            return None
        mode = given
    if mode > 0o7777:
        member.wrong("a file mode such as 0440")
        return None
    return mode


def read_files(service: Fields, section: str, *, root: str | None = None) -> tuple[FileMount, ...]:
    """Return ``secrets`` (in ``/run/secrets`` unless the target is absolute) or ``configs`` (in ``/``).

    Args:
        service: the members of the service, or of its ``build``.
        section: ``secrets`` or ``configs``.
        root: another directory of the targets; empty: they are names.
    """
    root = root if root is not None else "/run/secrets" if section == "secrets" else "/"
    mounts = [mount for item in service.items(section) if (mount := _file_mount(item, root)) is not None]
    taken: set[str] = set()
    for item, mount in zip(service.items(section), mounts, strict=False):
        if mount.target in taken:
            item.error(f"{mount.target} is already used", found=mount.target)
        taken.add(mount.target)
    return tuple(mounts)


def _numeric(member: Cursor | None) -> str | None:
    """A numeric user or group ID; names are unknown outside of the container."""
    number = member.integer(0) if member else None
    return None if number is None else str(number)


def _file_mount(item: Cursor, root: str) -> FileMount | None:
    fields = item.fields(("source", "target", "uid", "gid", "mode"))
    if not fields.members:
        return None
    required = fields.required("source")
    source = required.text() if required else None
    if source is None:
        return None
    target = fields.text("target") or source
    return FileMount(
        source=source,
        target=posixpath.normpath(posixpath.join(root, target)),
        uid=_numeric(fields.get("uid")),
        gid=_numeric(fields.get("gid")),
        mode=read_mode(fields.get("mode")),
    )

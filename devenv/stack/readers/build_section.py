"""Reads ``build``."""

from __future__ import annotations

from devenv.model.stack import Build
from devenv.stack.compose.remote import is_context_path, is_remote
from devenv.stack.readers import keys
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.readers.execution import read_ulimits
from devenv.stack.readers.networking import read_hosts
from devenv.stack.readers.service_environment import resolve_pairs
from devenv.stack.readers.storage import read_files


def read_build(service: Fields, context: Context) -> Build | None:
    """Return how the service's image is built, or None; the default context is the stack's directory."""
    member = service.get("build")
    if member is None:
        return None
    fields = member.fields(keys.BUILD, refused=keys.BUILD_REFUSED, ignored=keys.BUILD_IGNORED)
    inline, dockerfile = fields.get("dockerfile_inline"), fields.text("dockerfile")
    if inline is not None and dockerfile is not None:
        inline.error("dockerfile and dockerfile_inline cannot be used together", expected="one of the two")
    return Build(
        context=context.path(_local(fields.get("context")) or "."),
        dockerfile=dockerfile or "Dockerfile",
        dockerfile_inline=fields.text("dockerfile_inline"),
        args=resolve_pairs(fields.each("args"), context),
        target=fields.text("target"),
        network=fields.text("network"),
        labels=fields.table("labels"),
        cache_from=fields.texts("cache_from"),
        extra_hosts=read_hosts(fields),
        shm_size=fields.size("shm_size"),
        platforms=fields.texts("platforms"),
        tags=fields.texts("tags"),
        pull=fields.flag("pull"),
        no_cache=fields.flag("no_cache"),
        additional_contexts={
            name: text if not is_context_path(text) else str(context.path(text))
            for name, text in fields.table("additional_contexts").items()
        },
        secrets=read_files(fields, "secrets", root=""),
        ssh={name: str(context.path(path)) if path else "" for name, path in fields.table("ssh").items()},
        entitlements=fields.texts("entitlements"),
        privileged=fields.flag("privileged"),
        ulimits=read_ulimits(fields),
        no_cache_filter=fields.texts("no_cache_filter"),
    )


def _local(member: Cursor | None) -> str | None:
    """The context's path; a remote context is not supported."""
    text = member.text() if member else None
    if member is None or text is None:
        return None
    if is_remote(text):
        member.error(
            "a remote build context is not supported", expected="a directory", hint="clone it and use the directory"
        )
        return None
    return text

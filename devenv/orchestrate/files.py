"""The contents of a stack's secrets and configs, as files for instances."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from devenv.contract.specification import FileContent
from devenv.disk import read_regular_file
from devenv.errors import ConfigurationError, Location

if TYPE_CHECKING:
    from devenv.model.stack import Build, FileMount, FileSource, Service, Stack

MAXIMUM_BYTES = 16 * 1024 * 1024
"""Of one secret or config: it is sent to the engine in one piece."""


def content_of(source: FileSource) -> bytes:
    """Return the bytes of a secret or config.

    Raises:
        ConfigurationError: If its file cannot be read, or its variable is not set.
    """
    if source.content is not None:
        return source.content.encode()
    if source.value is not None:
        return source.value.encode()
    if source.environment is not None:
        raise ConfigurationError(
            f"environment variable {source.environment} (used by {source.key}) is not set",
            key=source.key,
            expected="a variable set in devenv's environment or in .env",
        )
    if source.file is None:
        return b""
    try:
        content = read_regular_file(source.file, MAXIMUM_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"cannot read the file of {source.key}: {reason}", location=Location(str(source.file)), key=source.key
        ) from error
    if len(content) > MAXIMUM_BYTES:
        raise ConfigurationError(
            f"the file of {source.key} is larger than {MAXIMUM_BYTES // 2**20} MiB",
            location=Location(str(source.file)),
            key=source.key,
            hint="mount it with volumes:",
        )
    return content


def file_digest(source: FileSource) -> str:
    """Return a hash of the content, so that a changed secret replaces its services."""
    return hashlib.sha256(content_of(source)).hexdigest()


def build_secrets(stack: Stack, build: Build) -> dict[str, bytes]:
    """Return the contents of the secrets of a build by their ID.

    Raises:
        ConfigurationError: As :func:`content_of`.
    """
    return {mount.target: content_of(stack.secrets[mount.source]) for mount in build.secrets}


def files_for(stack: Stack, service: Service) -> tuple[FileContent, ...]:
    """Return the files that are put into an instance of ``service`` before its start."""
    secrets = (_file(mount, stack.secrets[mount.source]) for mount in service.secrets)
    configs = (_file(mount, stack.configs[mount.source]) for mount in service.configs)
    return (*secrets, *configs)


def _file(mount: FileMount, source: FileSource) -> FileContent:
    return FileContent(
        target=mount.target,
        content=content_of(source),
        mode=0o444 if mount.mode is None else mount.mode,
        uid=int(mount.uid or 0),
        gid=int(mount.gid or 0),
    )

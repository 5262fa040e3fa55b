"""The SDK's failures in the terms of :mod:`devenv.errors`; the only place that reads the engine's messages."""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from devenv.errors import (
    DevenvError,
    DiskFull,
    EngineLost,
    EnginePermission,
    EngineRefused,
    EngineUnavailable,
    ImageMissing,
    PullFailed,
)

NO_SPACE = "no space left on device"

ANSWER = "answer"
"""Key of the engine's own words in the details of an error."""

UNREACHABLE_REGISTRY = (
    "check that the registry is reachable, or pull the image from a mirror and name it with `docker tag`, "
    "or use `--engine process`"
)

_PORT_TAKEN = (
    re.compile(r"Bind for (?P<address>\S+):(?P<port>\d+) failed: port is already allocated"),
    re.compile(r"listen (?:tcp|udp|sctp)[46]? (?P<address>\S+):(?P<port>\d+): bind: address already in use"),
    re.compile(r"[Pp]orts are not available: exposing port \w+ (?P<address>\S+):(?P<port>\d+)"),
)
_UNKNOWN_IMAGE = re.compile(
    r"manifest( for \S+)? (unknown|not found)|manifest unknown|not found: manifest|name unknown|no such image"
    r"|repository does not exist|pull access denied|was found but does not match the specified platform",
    re.IGNORECASE,
)


_PODMANS_CONFLICT = re.compile(r"container state improper|network already exists|that name is already in use")
"""Podman answers these with status 500."""

_NO_CREDENTIALS = re.compile(r"no basic auth credentials|unauthorized|authentication required|denied", re.IGNORECASE)


class NoSuchObject(EngineRefused):
    """The engine has no object of that ID or name; callers for which that is not an error catch it."""


class Conflict(EngineRefused):
    """The engine's state does not allow the request (HTTP 409): a name in use, a container that has ended."""


def taken_port(message: str) -> tuple[str, int] | None:
    """Address and port of a message about a port in use."""
    for pattern in _PORT_TAKEN:
        if match := pattern.search(message):
            return match["address"].strip("[]"), int(match["port"])
    return None


def is_unknown_image(message: str) -> bool:
    """Whether a registry's or engine's message means that the image does not exist."""
    return _UNKNOWN_IMAGE.search(message) is not None


@contextmanager
def translated(doing: str, *, address: str, answered: bool) -> Iterator[None]:
    """Translate what the SDK raises while ``doing`` something, such as ``creating network shop``.

    Args:
        doing: what was being done, for the message.
        address: of the engine, for the message.
        answered: the engine answered before, so that silence means that it is lost.

    Raises:
        DevenvError: of the class that fits.
    """
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        if not answered:
            raise EngineUnavailable(
                f"{address} is not a Docker engine: HTTP status {error.status_code}",
                hint="check DOCKER_HOST and the current Docker context",
                details={"address": address},
            ) from error
        raise refused(doing, error.explanation or str(error), error.status_code or 0) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise silent(doing, error, address=address, answered=answered) from error
    except docker.errors.DockerException as error:
        raise EngineUnavailable(f"{doing}: {error}", hint="see `devenv doctor`") from error


def refused(doing: str, explanation: object, status: int) -> DevenvError:
    """The error for an answer of the engine that is not success."""
    text = explanation.decode(errors="replace") if isinstance(explanation, bytes) else str(explanation)
    answer = " ".join(text.split())
    message, details = f"{doing}: {answer}", {ANSWER: answer}
    lowered = text.lower()
    if NO_SPACE in lowered:
        hint = "free space with `docker system prune`, or see `devenv doctor`"
        return DiskFull(message, hint=hint, details=details)
    if "no such image" in lowered:
        return ImageMissing(message, details=details)
    if status == 404:
        return NoSuchObject(message, details=details)
    if status == 409 or _PODMANS_CONFLICT.search(lowered):
        return Conflict(message, details=details)
    if "address pools have been fully subnetted" in lowered or "non-overlapping" in lowered:
        return EngineRefused(message, hint="remove unused networks: `docker network prune`", details=details)
    return EngineRefused(message, details=details)


def answer_of(error: DevenvError) -> str:
    """The engine's own words in an error of :func:`refused`, for a message that says itself what was being done."""
    return str(error.details.get(ANSWER, error.message))


def pull_error(reference: str, message: str) -> DevenvError:
    """The error for a pull that failed with ``message``."""
    text = " ".join(message.split())
    details = {"image": reference, "answer": text}
    if NO_SPACE in text.lower():
        return DiskFull(f"image {reference}: {text}", hint="free space with `docker system prune`", details=details)
    if is_unknown_image(text):
        return ImageMissing(
            f"image {reference} not found locally or in its registry: {text}",
            hint="check the name and tag; for a private image, run `docker login`, or use `--engine process`",
            details=details,
        )
    hint = UNREACHABLE_REGISTRY
    if _NO_CREDENTIALS.search(text):
        hint = f"the registry requires a login: `docker login {reference.partition('/')[0]}`"
    return PullFailed(f"cannot pull image {reference}: {text}", hint=hint, details=details)


def silent(doing: str, error: BaseException, *, address: str, answered: bool) -> DevenvError:
    """The error for an engine that gave no answer."""
    system = [cause for cause in _chain(error) if isinstance(cause, OSError)]
    encrypted = any(isinstance(cause, ssl.SSLError) for cause in system)
    numbers = {cause.errno for cause in system if not isinstance(cause, ssl.SSLError)}  # theirs are not the system's
    if errno.EACCES in numbers or errno.EPERM in numbers:
        return EnginePermission(
            f"no permission to use the Docker engine at {address}",
            hint="add yourself to the docker group (`sudo usermod -aG docker $USER`), then log in again",
            details={"address": address},
        )
    if answered:
        return EngineLost(
            f"the Docker engine at {address} stopped responding while {doing}: {_root(error)}",
            hint="check that the engine is running, then run `devenv up` or `devenv down` to continue",
            details={"address": address},
        )
    hint = "check the certificates (DOCKER_CERT_PATH, DOCKER_TLS_VERIFY, or those of the docker context)"
    return EngineUnavailable(
        f"no Docker engine at {address}: {_root(error)}",
        hint=hint if encrypted else "start Docker, set DOCKER_HOST, or use `--engine process`",
        details={"address": address},
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps, as urllib3 and requests nest them in arguments and causes."""
    seen: set[int] = set()
    pending: list[object] = [error]
    while pending:
        current = pending.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]


def _root(error: BaseException) -> str:
    """The innermost operating system error, else the error's own words."""
    system = [cause for cause in _chain(error) if isinstance(cause, OSError) and cause.strerror]
    return str(system[-1].strerror) if system else " ".join(str(error).split()) or type(error).__name__

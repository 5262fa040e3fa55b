"""The images that a stack needs before its services can start, and what its Dockerfiles contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model.build_contexts import context_images
from devenv.stack.dockerfile import recipe_of

if TYPE_CHECKING:
    from devenv.model.stack import Build, Stack


def needed_images(stack: Stack) -> tuple[str, ...]:
    """References without duplicates: images that are not built, and the base images of those that are."""
    built = {service.image for service in stack.services.values() if service.build is not None}
    needed: dict[str, None] = {}
    for service in stack.services.values():
        if service.build is not None:
            needed.update(dict.fromkeys(base_images(service.build)))
        elif service.image is not None and service.image not in built:
            needed[service.image] = None
    if stack.trace_backend is None:
        needed[f"jaegertracing/jaeger:{stack.x.jaeger.version}"] = None
    return tuple(needed)


def cannot_be_closed(stack: Stack) -> str:
    """Why an engine with Jaeger cannot run ``stack``; empty if it can: Jaeger has no login."""
    if stack.x.backend.access == "open":
        return ""
    return "x-devenv.backend.access: token is for the embedded trace backend: Jaeger itself has no such check"


def cannot_be_built_here(stack: Stack) -> str:
    """Why the images of ``stack`` cannot be built; empty if they can.

    The stacks of an installed devenv have no build context: the sources of the tracing library are only in a checkout.
    A project created by ``devenv init`` contains all files that its build needs.
    """
    from devenv.stack.discovery import shipped_stacks

    if not stack.files[0].is_relative_to(shipped_stacks()):
        return ""
    builds = [service.build for service in stack.services.values() if service.build is not None]
    if all((build.context / build.dockerfile).is_file() for build in builds):
        return ""
    return f"the {stack.directory.name} stack of an installed devenv cannot build images"


def base_images(build: Build) -> tuple[str, ...]:
    """Base images that a Dockerfile's build needs; empty if it cannot be read, which the build then reports."""
    recipe = recipe_of(build)
    images = context_images(build)
    bases = (
        images.get(base, "" if base in build.additional_contexts else base) for base in (recipe.bases if recipe else ())
    )
    return tuple(base for base in bases if base)


def start_commands(build: Build) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """ENTRYPOINT and CMD of a Dockerfile's image; ``None`` for one that is missing or not readable."""
    recipe = recipe_of(build)
    return (recipe.image.entrypoint, recipe.image.command) if recipe else (None, None)

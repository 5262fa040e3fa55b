"""The calls that a step can make: one request to the engine each, or one wait for readiness."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.contract.specification import BuildSpec, InstanceSpec, NetworkSpec, VolumeSpec
    from devenv.model.stack import Hook, Service


@immutable()
class InstanceRef:
    """An instance: by the engine's ID if it exists, else by the step that creates it.

    Attributes:
        id: the engine's ID; empty if the instance is created by the plan.
        created_by: ID of the step that creates it; 0 if it exists.
    """

    id: str = ""
    created_by: int = 0


@immutable(kw_only=True)
class PullImage:
    """Pull the image ``reference``."""

    verb: ClassVar[str] = "pull"
    reference: str
    platform: str | None


@immutable()
class BuildImage:
    """Build and tag an image; ``service`` is the first of the services that use it, for progress."""

    verb: ClassVar[str] = "build"
    spec: BuildSpec
    service: str


@immutable()
class CreateNetwork:
    """Create a network."""

    verb: ClassVar[str] = "create-network"
    spec: NetworkSpec


@immutable()
class RemoveNetwork:
    """Remove the network with the engine's ID ``id``."""

    verb: ClassVar[str] = "remove-network"
    id: str


@immutable()
class CreateVolume:
    """Create a named volume."""

    verb: ClassVar[str] = "create-volume"
    spec: VolumeSpec


@immutable()
class RemoveVolume:
    """Remove the named volume ``name``."""

    verb: ClassVar[str] = "remove-volume"
    name: str


@immutable()
class CreateInstance:
    """Create an instance without starting it; ``network_of`` is the instance whose network it shares."""

    verb: ClassVar[str] = "create"
    spec: InstanceSpec
    network_of: InstanceRef | None = None


@immutable()
class StartInstance:
    """Start an instance; a refusal of the engine is a failure of the service, not of the plan."""

    verb: ClassVar[str] = "start"
    instance: InstanceRef


@immutable()
class StopInstance:
    """Stop an instance; ``grace`` in seconds, ``None``: as the instance was created with."""

    verb: ClassVar[str] = "stop"
    instance: InstanceRef
    grace: float | None = None


@immutable()
class RunHook:
    """Run a hook in an instance; a ``post_start`` hook that fails is a failure of the service, the other a warning."""

    verb: ClassVar[str] = "run-hook"
    instance: InstanceRef
    hook: Hook
    stage: Literal["post_start", "pre_stop"]


@immutable()
class RemoveInstance:
    """Remove an instance."""

    verb: ClassVar[str] = "remove"
    instance: InstanceRef


@immutable()
class WaitReady:
    """Wait until an instance is ready; ``image`` may have a health test, empty if the service has no image."""

    verb: ClassVar[str] = "wait-ready"
    instance: InstanceRef
    service: Service
    image: str


@immutable()
class WaitCompleted:
    """Wait until an instance of a one-shot service has exited with 0."""

    verb: ClassVar[str] = "wait-completed"
    instance: InstanceRef
    service: Service


Call = (
    PullImage
    | BuildImage
    | CreateNetwork
    | RemoveNetwork
    | CreateVolume
    | RemoveVolume
    | CreateInstance
    | StartInstance
    | StopInstance
    | RunHook
    | RemoveInstance
    | WaitReady
    | WaitCompleted
)

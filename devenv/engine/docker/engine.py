"""The engine ``docker``: the contract's methods, each by the module for it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping, Sequence

from devenv.contract.answers import (
    Endpoint,
    EngineEvent,
    EngineInfo,
    ExecResult,
    ExitStatus,
    ImageConfig,
    LogLine,
    ProgressSink,
)
from devenv.contract.capabilities import Capabilities
from devenv.contract.specification import BuildSpec, InstanceSpec, NetworkSpec, VolumeSpec
from devenv.engine.docker import execution, holders, instances, objects
from devenv.engine.docker.builds import Builds
from devenv.engine.docker.container_output import follow_output
from devenv.engine.docker.happenings import Happenings
from devenv.engine.docker.image_store import Images
from devenv.engine.docker.inspections import Inspections
from devenv.engine.docker.observation import observe
from devenv.engine.docker.podman import product_of
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.statistics import Statistics
from devenv.engine.docker_address import Address, find_address
from devenv.errors import BuildFailed, ConfigurationError
from devenv.model.identity import Project
from devenv.model.stack import Service, Stack
from devenv.model.state import ObservedState, Usage

CAPABILITIES = Capabilities(
    images=True, networks=True, volumes=True, processes=False, shared_loopback=False, trace_backend="jaeger"
)


class DockerEngine:
    """A Docker engine as :class:`devenv.contract.engine.Engine`; nothing is connected before the first call.

    Args:
        address: of the engine; ``None``: as the ``docker`` program finds it.
        pull_silence: seconds without progress after which a pull is given up.
    """

    def __init__(self, address: Address | None = None, *, pull_silence: float = 60.0) -> None:
        self._address = address or find_address()
        self._connection = SdkConnection(self._address)
        self._images = Images(self._connection, silence=pull_silence)
        self._builds = Builds(self._connection)
        self._happenings = Happenings(self._connection)
        self._inspections = Inspections(self._connection)
        self._statistics = Statistics(self._connection, self._inspections)
        self._elsewhere: bool | None = None

    @property
    def name(self) -> str:
        """``docker``."""
        return "docker"

    @property
    def capabilities(self) -> Capabilities:
        """All that containers have; the trace backend is one of them."""
        return CAPABILITIES

    async def info(self) -> EngineInfo:
        """Version, API version and address of the engine."""
        version = await self._connection.ping()
        return EngineInfo(
            name=self.name,
            version=version.get("Version", ""),
            api_version=version.get("ApiVersion", ""),
            address=self._address.url,
            remote=await self._is_remote(),
            product=product_of(version),
        )

    def check(self, service: Service, stack: Stack) -> None:
        """Refuse services that have neither an image nor a build."""
        del stack
        if service.image is None and service.build is None:
            raise ConfigurationError(
                f"service {service.name} has no image or build, which the docker engine requires",
                location=service.location,
                key=f"services.{service.name}",
                expected="image or build",
                hint="add image or build, or use --engine process",
            )

    async def observe(self, project: Project | None) -> ObservedState:
        """All that carries the project's label."""
        return await observe(self._connection, self._inspections, project)

    async def image_id(self, reference: str) -> str | None:
        """Id of an image that the engine has."""
        return await self._images.id_of(reference)

    async def image_age(self, reference: str) -> float | None:
        """Seconds since the image was pulled, built or tagged."""
        return await self._images.age_of(reference)

    async def registry_has(self, reference: str) -> bool:
        """Whether the image's registry answers that it has it."""
        return await self._images.registry_has(reference)

    async def image_config(self, reference: str) -> ImageConfig | None:
        """What the image gives its containers."""
        return await self._images.config_of(reference)

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """Pull an image and return its id."""
        return await self._images.pull(reference, platform=platform, progress=progress)

    async def build(self, spec: BuildSpec, *, progress: ProgressSink) -> str:
        """Build and tag an image and return its id."""
        await self._builds.build(spec, progress=progress)
        self._images.forget(spec.tag)
        built = await self._images.id_of(spec.tag)
        if built is None:
            raise BuildFailed(f"image {spec.tag} was built, but the engine does not list it")
        return built

    async def create_network(self, spec: NetworkSpec) -> str:
        """Create a network, or find the one with the same labels."""
        return await objects.create_network(self._connection, spec)

    async def create_volume(self, spec: VolumeSpec) -> str:
        """Create a volume, or find it."""
        return await objects.create_volume(self._connection, spec)

    async def create(self, spec: InstanceSpec) -> str:
        """Create a container and return its id."""
        self._happenings.begin()
        return await instances.create(self._connection, spec, remote=await self._is_remote())

    async def start(self, instance_id: str) -> None:
        """Start a container."""
        self._inspections.forget(instance_id)
        self._happenings.starts(instance_id)
        try:
            await instances.start(self._connection, instance_id)
        except BaseException:
            self._happenings.did_not_start(instance_id)
            raise

    async def stop(self, instance_id: str, *, grace: float | None = None) -> None:
        """Stop a container."""
        self._inspections.forget(instance_id)
        await instances.stop(self._connection, instance_id, grace=grace)

    async def kill(self, instance_id: str, *, signal: str = "SIGKILL") -> None:
        """Send a signal to a container's first process."""
        self._inspections.forget(instance_id)
        await instances.kill(self._connection, instance_id, signal=signal)

    async def remove(self, instance_id: str) -> None:
        """Remove a container and its anonymous volumes."""
        self._inspections.forget(instance_id)
        await instances.remove(self._connection, instance_id)

    async def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        await objects.remove_network(self._connection, network_id)

    async def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        await objects.remove_volume(self._connection, name)

    async def wait(self, instance_id: str) -> ExitStatus:
        """Wait for a container's end."""
        return await self._happenings.wait(instance_id)

    async def exec(
        self,
        instance_id: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        user: str = "",
        privileged: bool = False,
        working_dir: str = "",
    ) -> ExecResult:
        """Run a command in a container."""
        return await execution.run_command(
            self._connection,
            instance_id,
            command,
            environment=environment,
            user=user,
            privileged=privileged,
            working_dir=working_dir,
        )

    async def exec_attached(self, instance_id: str, command: Sequence[str], *, tty: bool) -> int:
        """Run a command with this process's terminal attached."""
        from devenv.engine.docker.terminal import attached

        return await attached(self._connection, instance_id, command, tty=tty)

    def logs(
        self,
        instance_id: str,
        *,
        follow: bool = False,
        since: float | None = None,
        tail: int | None = None,
    ) -> AsyncIterator[LogLine]:
        """A container's output."""
        return follow_output(self._connection, instance_id, follow=follow, since=since, tail=tail)

    async def usage(self, instance_id: str) -> Usage | None:
        """CPU and memory of a container."""
        return await self._statistics.usage(instance_id)

    async def port_owner(self, port: int, protocol: str) -> str:
        """The container that publishes a port, with its project and folder."""
        return await holders.port_owner(self._connection, port, protocol)

    async def name_owner(self, name: str) -> str:
        """The container that has a name, with its project and folder."""
        return await holders.name_owner(self._connection, name)

    def events(self, project: Project) -> AsyncIterator[EngineEvent]:
        """What happens to the project's containers."""
        return self._happenings.events(project)

    async def history(self, project: Project, *, since: float) -> list[EngineEvent]:
        """What the engine still knows of the project's containers."""
        return await self._happenings.history(project, since)

    async def endpoint(self, instance_id: str, port: int) -> Endpoint | None:
        """Address of a container's port from this machine."""
        remote = await self._is_remote()
        version = await self._connection.version()
        return await instances.endpoint(
            self._inspections,
            instance_id,
            port,
            direct=instances.routes_directly(version, local=not remote),
            published_host=self._address.hostname if remote else "127.0.0.1",
        )

    async def close(self) -> None:
        """End the stream of events and close the connections."""
        await self._happenings.close()
        await self._connection.close()

    async def _is_remote(self) -> bool:
        """Whether the engine's ports are not this machine's; over a loopback port there may be a tunnel."""
        if self._elsewhere is None:
            self._elsewhere = self._address.is_elsewhere
            if not self._elsewhere and self._address.socket_path is None:
                facts = await self._connection.call(lambda client: client.info(), doing="asking where it runs")
                self._elsewhere = facts.get("Name") != socket.gethostname()
        return self._elsewhere

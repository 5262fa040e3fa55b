"""What a fake engine stores: images, networks and volumes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from devenv.clock import Clock
from devenv.contract.answers import ImageConfig, Progress, ProgressSink
from devenv.contract.specification import BuildSpec, NetworkSpec, VolumeSpec
from devenv.errors import EngineRefused, ImageMissing
from devenv.model.state import ObservedObject
from devenv.testing.fake_instance import FakeInstance
from devenv.testing.faults import Faults
from devenv.testing.script import FakeImage


class FakeStorage:
    """The methods of an engine on images, networks and volumes.

    Attributes:
        images: what the engine has, by reference.
        registry: what ``pull`` finds, by reference.
        builds: tags in the order in which they were built.
        build_secrets: of the last build.
        networks: by ID.
        volumes: by name.
        instances: by ID; they use the others.
        faults: errors, delays and crash points to come, and the calls so far.
    """

    def __init__(self, clock: Clock) -> None:
        self.faults = Faults(clock)
        self.images: dict[str, FakeImage] = {}
        self.registry: dict[str, FakeImage] = {}
        self.builds: list[str] = []
        self.build_secrets: dict[str, bytes] = {}
        self.networks: dict[str, ObservedObject] = {}
        self.volumes: dict[str, ObservedObject] = {}
        self.instances: dict[str, FakeInstance] = {}
        self._ids = itertools.count(1)

    async def image_id(self, reference: str) -> str | None:
        """Id of an image in :attr:`images`."""
        await self.faults.enter("image_id", reference)
        image = self._image(reference)
        return image.id if image else None

    async def image_age(self, reference: str) -> float | None:
        """Its age, which stays."""
        await self.faults.enter("image_age", reference)
        image = self._image(reference)
        return image.age if image else None

    async def registry_has(self, reference: str) -> bool:
        """Whether :attr:`registry` has an image."""
        await self.faults.enter("registry_has", reference)
        return reference in self.registry

    async def image_config(self, reference: str) -> ImageConfig | None:
        """Its configuration."""
        await self.faults.enter("image_config", reference)
        image = self._image(reference)
        return image.config if image else None

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """Take an image from :attr:`registry`."""
        del platform
        await self.faults.enter("pull", reference)
        if reference not in self.registry:
            raise ImageMissing(f"image {reference} is unknown to the registry", details={"image": reference})
        progress(Progress(text="pulled", done=1, total=1))
        self.images[reference] = self.registry[reference]
        self.faults.leave("pull")
        return self.images[reference].id

    async def build(self, spec: BuildSpec, *, progress: ProgressSink) -> str:
        """Make up an image whose id is that of the tag."""
        self.build_secrets = dict(spec.secrets)
        await self.faults.enter("build", spec.tag)
        progress(Progress(text=f"built {spec.build.context}"))
        self.builds.append(spec.tag)
        self.images[spec.tag] = FakeImage(f"sha256:built-{spec.tag}")
        self.faults.leave("build")
        return self.images[spec.tag].id

    async def create_network(self, spec: NetworkSpec) -> str:
        """Create it, or find the one with the same labels."""
        await self.faults.enter("create_network", spec.name)
        for found in self.networks.values():
            if found.name == spec.name:
                if dict(found.labels) == dict(spec.labels):
                    return found.id
                raise EngineRefused(f"a network called {spec.name} already exists and is not this project's")
        made = self._object(spec.name, spec.network.key, spec.labels, f"net{next(self._ids)}")
        self.networks[made.id] = made
        self.faults.leave("create_network")
        return made.id

    async def create_volume(self, spec: VolumeSpec) -> str:
        """Create it unless it is there."""
        await self.faults.enter("create_volume", spec.name)
        self.volumes.setdefault(spec.name, self._object(spec.name, spec.volume.key, spec.labels, spec.name))
        self.faults.leave("create_volume")
        return spec.name

    async def remove_network(self, network_id: str) -> None:
        """Remove a network that no running instance is on."""
        await self.faults.enter("remove_network", network_id)
        network = self.networks.get(network_id)
        if network is not None:
            users = [i for i in self.instances.values() if i.alive and network.name in i.spec.networks.values()]
            if users:
                raise EngineRefused(f"network {network.name} has active endpoints")
            del self.networks[network_id]
        self.faults.leave("remove_network")

    async def remove_volume(self, name: str) -> None:
        """Remove a volume that no instance uses."""
        await self.faults.enter("remove_volume", name)
        if any(name in i.spec.volumes.values() for i in self.instances.values()):
            raise EngineRefused(f"volume {name} is in use")
        self.volumes.pop(name, None)
        self.faults.leave("remove_volume")

    def _image(self, reference: str) -> FakeImage | None:
        by_id = next((image for image in self.images.values() if image.id == reference), None)
        return self.images.get(reference, by_id)

    @staticmethod
    def _object(name: str, key: str, labels: Mapping[str, str], object_id: str) -> ObservedObject:
        return ObservedObject(
            id=object_id, name=name, key=key, config_hash=labels.get("devenv.config-hash", ""), labels=dict(labels)
        )

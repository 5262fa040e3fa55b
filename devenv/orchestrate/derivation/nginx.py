"""nginx by its image: the installed one, with the configuration of the image and of its mounts led to this machine."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.model.extension import Process
from devenv.orchestrate.derivation.nginx_start import UPSTREAMS
from devenv.orchestrate.derivation.outcome import Derived, Missing
from devenv.orchestrate.derivation.servers import SCRIPTS

if TYPE_CHECKING:
    from devenv.model.stack import Service
    from devenv.orchestrate.derivation.outcome import Machine
    from devenv.orchestrate.derivation.places import Places

_IMAGES = {"nginx": 80, "nginx-unprivileged": 8080}
_CONFIGURATION = ("/etc/nginx/nginx.conf", "/etc/nginx/conf.d", "/etc/nginx/templates")


def derive_nginx(
    service: Service, image: str, places: Places, machine: Machine, names: Collection[str]
) -> Derived | Missing | None:
    """Return how nginx is run for ``service``; ``None`` if its image is another one.

    Args:
        service: without ``x-devenv.process``.
        image: that it runs, or that its Dockerfile starts from.
        places: the files of its image.
        machine: this machine.
        names: under which the stack's services are reached.
    """
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
    if name not in _IMAGES:
        return None
    folder = next(iter(machine.folders("nginx")), None)
    if folder is None:
        return Missing(
            reason="the program nginx is not installed on this machine",
            remedy="install nginx (Debian's package is nginx); its own service need not run",
        )
    paths: dict[str, str] = {}
    for path, place in _files(service, places):
        if place is None:
            return Missing(reason=f"{path} is made while the image is built", remedy="build it in the context, too")
        paths[path] = str(place)
    port = next(iter(service.container_ports), _IMAGES[name])
    upstreams = sorted(set(_upstreams(paths, names)))
    options = {
        "data": str(machine.state / "servers" / service.name),
        "program": f"{folder}/nginx",
        "port": port,
        "ports": {str(p.container): p.host for p in service.ports if p.host is not None and p.container != port},
        "paths": paths,
        # Name and port apart: an address in the command would be led to this machine, as that in the variable is.
        "upstreams": [address.rsplit(":", 1) for address in upstreams],
    }
    process = Process(
        command=("sh", str(SCRIPTS / "nginx.sh"), sys.executable, json.dumps(options)),
        env={UPSTREAMS: " ".join(upstreams)},
        same_port=True,
    )
    line = f"{service.name}: nginx of this machine ({folder}/nginx) for {image}"
    led = f"; its configuration leads {', '.join(upstreams)} to this machine" if upstreams else ""
    return Derived(
        process=process,
        line=line + led,
        ports=() if service.container_ports else (port,),
        listens=True,
        stop_signal="SIGQUIT",
    )


def _files(service: Service, places: Places) -> Iterator[tuple[str, Path | None]]:
    """Files and directories of the container, with their places here; ``None`` for one that only the build makes."""
    for copy in places.recipe.image.copies if places.recipe else ():
        found = places.find(copy.destination)
        if found is not None and found.is_dir():
            yield copy.destination, found
            continue
        inside = [posixpath.join(copy.destination, posixpath.basename(source)) for source in copy.sources]
        files = [(path, places.find(path)) for path in (copy.destination, *inside)]
        known = [(path, place) for path, place in files if place is not None]
        yield from known
        if not known:
            yield copy.destination, None
    for mount in service.mounts:
        if mount.kind == "bind" and mount.source:
            yield mount.target.rstrip("/"), Path(mount.source)


def _upstreams(paths: dict[str, str], names: Collection[str]) -> Iterator[str]:
    """The addresses ``service:port`` in the configuration."""
    if not names:
        return
    address = re.compile(rf"(?<=[\s/@\"'])(?:{'|'.join(re.escape(name) for name in names)}):\d+(?![\w.-])")
    for path, place in paths.items():
        if not path.startswith(_CONFIGURATION):
            continue
        files = sorted(Path(place).iterdir()) if Path(place).is_dir() else [Path(place)]
        for file in files:
            if file.is_file():
                yield from address.findall(file.read_text(encoding="utf-8", errors="replace"))

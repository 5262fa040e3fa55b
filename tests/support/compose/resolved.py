"""What `docker compose config` makes of files, in a shape that can be compared with what devenv makes of them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def compose_config(compose: list[str], files: list[Path], environ: Mapping[str, str]) -> dict[str, Any]:
    arguments = [part for file in files for part in ("-f", str(file))]
    result = subprocess.run(
        [*compose, *arguments, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.replace("$$", "$"))


def normal(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Either side's document without what says the same in another way, and without what Compose adds or leaves out."""
    services = {key: normal_service(value, set(config["services"])) for key, value in config["services"].items()}
    used = {
        "networks": {network for service in services.values() for network in service.get("networks", {})},
        "volumes": {v.get("source") for s in services.values() for v in s.get("volumes", []) if v["type"] == "volume"},
        "secrets": {
            mount["source"]
            for service in services.values()
            for mount in [*service.get("secrets", []), *service.get("build", {}).get("secrets", [])]
        },
        "configs": {mount["source"] for service in services.values() for mount in service.get("configs", [])},
    }
    document: dict[str, Any] = {"name": config.get("name"), "services": services}
    for section, keys in used.items():  # Compose leaves out what no service uses
        resources = {key: {**(config.get(section, {}).get(key) or {})} for key in keys}
        for key, resource in resources.items():
            if resource.get("name") == f"{name}_{key}":  # Compose's own prefix; devenv has its own
                del resource["name"]
            if resource.get("ipam") == {}:
                del resource["ipam"]
        document[section] = resources
    return document


def normal_service(service: dict[str, Any], present: set[str]) -> dict[str, Any]:
    result = {key: value for key, value in service.items() if not key.startswith("x-") and key != "profiles"}
    # An optional dependency on a service that does not run says nothing.
    result["depends_on"] = {k: v for k, v in service.get("depends_on", {}).items() if v["required"] or k in present}
    result["environment"] = {k: v for k, v in (service.get("environment") or {}).items() if v is not None}
    result["volumes"] = sorted(
        [{k: v for k, v in volume.items() if k != "volume" or v} for volume in normal_tmpfs(result)],
        key=lambda volume: volume["target"],
    )
    if isinstance(service.get("extra_hosts"), list):
        pairs = sorted(entry.split("=", 1) for entry in service["extra_hosts"])
        grouped = {host: sorted(address for name, address in pairs if name == host) for host, _ in pairs}
        result["extra_hosts"] = {host: one[0] if len(one) == 1 else one for host, one in grouped.items()}
    elif "extra_hosts" in service:
        hosts = service["extra_hosts"].items()
        result["extra_hosts"] = {host: sorted(one) if isinstance(one, list) else one for host, one in hosts}
    result["ulimits"] = normal_ulimits(service)
    if "ulimits" in service.get("build", {}):
        result["build"] = {**service["build"], "ulimits": normal_ulimits(service["build"])}
    for section, root in (("secrets", "/run/secrets"), ("configs", "/")):
        result[section] = [
            {**mount, "target": str(Path(root) / mount.get("target", mount["source"]))}
            for mount in service.get(section, [])
        ]
    result["healthcheck"] = normal_healthcheck(service.get("healthcheck"))
    drop_written_defaults(result)
    deploy = dict(result.get("deploy") or {})
    limits = dict((deploy.get("resources") or {}).get("limits") or {})
    for key, limit in (("cpus", "cpus"), ("mem_limit", "memory"), ("pids_limit", "pids")):
        if key in result:  # the same limit, of which Compose keeps the key that the file has, or both
            limits.setdefault(limit, result.pop(key))
    if limits:
        deploy["resources"] = {**(deploy.get("resources") or {}), "limits": limits}
    if deploy.get("mode") == "replicated":  # the default
        del deploy["mode"]
    drop_quirks(result)
    policy = deploy.pop("restart_policy", None)
    deploy.pop("placement", None)
    if policy and "restart" not in service:
        result["restart"] = f"{policy['condition']}:{policy['max_attempts']}"
    if deploy.get("resources") == {}:
        del deploy["resources"]
    if deploy.get("replicas") == 1:
        del deploy["replicas"]
    result["deploy"] = deploy
    commands = ("command", "entrypoint")  # an empty one says "none", a missing one "the image's"
    return {k: v for k, v in result.items() if v not in (None, {}, []) or (k in commands and v == [])}


def normal_ulimits(holder: dict[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, dict) else {"soft": v, "hard": v} for k, v in holder.get("ulimits", {}).items()}


def drop_written_defaults(service: dict[str, Any]) -> None:
    """Take out what a file says although it is so anyway, which Compose writes as it is given."""
    for key, default in (("restart", "no"), ("pull_policy", "missing")):
        if service.get(key) == default:
            del service[key]
    if "build" in service:
        service["build"] = {"dockerfile": "Dockerfile", **service["build"]}
    for volume in service["volumes"]:
        if volume["type"] == "bind":
            volume["source"] = volume["source"].rstrip("/") or "/"
            volume.setdefault("bind", {"create_host_path": True})
    if "scale" in service:  # the older key of the same number
        service["deploy"] = {**service.get("deploy", {}), "replicas": service.pop("scale")}
    ranges = [str(port).partition("-") for port in service.get("expose", [])]
    if ranges:
        service["expose"] = [str(n) for low, _, high in ranges for n in range(int(low), int(high or low) + 1)]


def drop_quirks(service: dict[str, Any]) -> None:
    """Take out what Compose writes otherwise than it reads it."""
    for rule in (service.get("develop") or {}).get("watch", []):
        if rule.get("exec") == {"command": None}:  # for every rule
            del rule["exec"]
    if "blkio_config" in service:  # Path and Rate in JSON, which it reads in lower case only
        service["blkio_config"] = json.loads(json.dumps(service["blkio_config"]).lower())
    if "memswap_limit" in service:  # -1 as a text, which it does not read
        service["memswap_limit"] = str(service["memswap_limit"])
    for volume in service["volumes"]:  # false, the same as no value to it, is left out
        if volume.get("bind", {}).get("create_host_path") is False:
            del volume["bind"]["create_host_path"]


def normal_tmpfs(service: dict[str, Any]) -> list[dict[str, Any]]:
    volumes = list(service.get("volumes", []))
    for entry in service.pop("tmpfs", []):
        target, _, options = entry.partition(":")
        size = {"tmpfs": {"size": str(int(options.removeprefix("size=").removesuffix("m")) << 20)}} if options else {}
        volumes.append({"type": "tmpfs", "target": target, **size})
    return volumes


def normal_healthcheck(healthcheck: dict[str, Any] | None) -> dict[str, Any] | None:
    if healthcheck is None or healthcheck.get("disable") or healthcheck.get("test") == ["NONE"]:
        return None if healthcheck is None else {"disable": True}
    defaults = {"interval": "30s", "timeout": "30s", "retries": 3, "start_period": "0s", "start_interval": "5s"}
    return {key: healthcheck.get(key, default) for key, default in {"test": [], **defaults}.items()}

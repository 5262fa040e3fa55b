"""The keys of the Compose Spec: which are acted on, which are refused and which are stated as not acted on.

A key whose absence would change what a service does is refused; a key that only tunes or annotates is a warning.
"""

from __future__ import annotations

_LATER = "not supported yet; remove it, or move it to an override file that devenv is not given"

TOP = ("name", "version", "services", "networks", "volumes", "secrets", "configs")
TOP_REFUSED = {
    "include": "name the files with -f instead",
    "models": _LATER,
}

SERVICE = (
    *("image", "build", "command", "entrypoint", "environment", "env_file", "ports", "expose", "volumes", "networks"),
    *("depends_on", "healthcheck", "restart", "container_name", "hostname", "labels", "profiles", "secrets", "configs"),
    *("deploy", "logging", "init", "user", "working_dir", "stop_signal", "stop_grace_period", "tmpfs", "ulimits"),
    *("read_only", "cap_add", "cap_drop", "privileged", "extra_hosts", "platform", "pull_policy", "dns", "pid"),
    *("security_opt", "shm_size", "network_mode", "stdin_open", "tty", "cpus", "mem_limit", "pids_limit", "scale"),
    "links",
)
_DEVICE = "devices of the host are not supported; run this service with another tool"
_CPU = "use cpus, or deploy.resources.limits.cpus"
SERVICE_REFUSED = {
    "blkio_config": _LATER,
    "cgroup": _LATER,
    "cgroup_parent": _LATER,
    "cpu_count": _CPU,
    "cpu_percent": _CPU,
    "cpu_period": _CPU,
    "cpu_quota": _CPU,
    "cpu_rt_period": _CPU,
    "cpu_rt_runtime": _CPU,
    "cpuset": _CPU,
    "credential_spec": _LATER,
    "develop": "not supported yet; remove it",
    "device_cgroup_rules": _DEVICE,
    "devices": _DEVICE,
    "dns_opt": _LATER,
    "dns_search": _LATER,
    "domainname": "put the domain into hostname",
    "extends": "write the keys out, or use anchors and merge keys",
    "external_links": "put both on one external network",
    "gpus": _DEVICE,
    "group_add": _LATER,
    "ipc": _LATER,
    "isolation": _LATER,
    "label_file": "write the labels under labels",
    "mac_address": "put mac_address under the service's network",
    "models": _LATER,
    "oom_kill_disable": _LATER,
    "post_start": "make it a service that others depend on with service_completed_successfully",
    "pre_stop": _LATER,
    "provider": "devenv runs services on its own engines only",
    "runtime": _LATER,
    "storage_opt": _LATER,
    "sysctls": _LATER,
    "use_api_socket": "mount the engine's socket as a volume",
    "userns_mode": _LATER,
    "uts": _LATER,
    "volumes_from": "name the volumes in both services",
}
SERVICE_IGNORED = {
    "annotations": "annotations are left out",
    "attach": "see `devenv logs` for the output of services",
    "cpu_shares": "the engine's default weight applies",
    "mem_reservation": "memory is not reserved",
    "mem_swappiness": "the engine's default applies",
    "memswap_limit": "the engine's default swap limit applies",
    "oom_score_adj": "the engine's default applies",
}

BUILD = (
    *("context", "dockerfile", "dockerfile_inline", "args", "target", "network", "labels", "cache_from"),
    *("extra_hosts", "shm_size", "platforms", "tags", "pull", "no_cache", "additional_contexts"),
)
BUILD_REFUSED = {
    "entitlements": _LATER,
    "isolation": _LATER,
    "no_cache_filter": "use no_cache",
    "privileged": _LATER,
    "secrets": "not supported yet; build without secrets, or build the image elsewhere and name it under image",
    "ssh": "not supported yet; build the image elsewhere and name it under image",
    "ulimits": _LATER,
}
BUILD_IGNORED = {
    "cache_to": "the build's cache stays at the engine",
    "provenance": "no attestation is made",
    "sbom": "no attestation is made",
}

DEPLOY = ("replicas", "resources", "restart_policy", "mode")
DEPLOY_IGNORED = {
    "endpoint_mode": "it is for a cluster",
    "labels": "they are for a cluster's service, not for its containers",
    "placement": "it is for a cluster",
    "rollback_config": "it is for a cluster",
    "update_config": "changed services are replaced at once",
}

LIMITS = ("cpus", "memory", "pids")

NETWORK = ("name", "external", "driver", "driver_opts", "internal", "attachable", "enable_ipv6", "labels", "ipam")
NETWORK_REFUSED = {"enable_ipv4": _LATER}
VOLUME = ("name", "external", "driver", "driver_opts", "labels")
FILE_REFUSED = {
    "external": "a secret or config of a cluster is not supported; use file, environment or content",
    "driver": _LATER,
    "driver_opts": _LATER,
    "template_driver": _LATER,
}
FILE_IGNORED = {
    "labels": "nothing is created at the engine that could carry them",
    "name": "it has no name at the engine",
}

"""The keys of the Compose Spec: supported, refused with an error, or ignored with a warning.

A key is refused if a service would behave differently without it; a key that only tunes or annotates is ignored.
"""

from __future__ import annotations

_LATER = "remove it for now, or move it to an override file that devenv does not load"

TOP = ("name", "version", "services", "networks", "volumes", "secrets", "configs")
TOP_REFUSED = {
    "models": _LATER,
}

SERVICE = (
    *("image", "build", "command", "entrypoint", "environment", "env_file", "ports", "expose", "volumes", "networks"),
    *("depends_on", "healthcheck", "restart", "container_name", "hostname", "labels", "profiles", "secrets", "configs"),
    *("deploy", "logging", "init", "user", "working_dir", "stop_signal", "stop_grace_period", "tmpfs", "ulimits"),
    *("read_only", "cap_add", "cap_drop", "privileged", "extra_hosts", "platform", "pull_policy", "dns", "pid"),
    *("security_opt", "shm_size", "network_mode", "stdin_open", "tty", "cpus", "mem_limit", "pids_limit", "scale"),
    *("label_file", "attach", "develop", "links", "blkio_config", "cgroup", "cgroup_parent", "cpu_period", "cpu_quota"),
    *("cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "device_cgroup_rules", "devices", "dns_opt"),
    *("dns_search", "domainname", "gpus", "group_add", "ipc", "mac_address", "mem_reservation", "mem_swappiness"),
    *("memswap_limit", "oom_kill_disable", "oom_score_adj", "runtime", "storage_opt", "sysctls", "userns_mode", "uts"),
    *("volumes_from", "post_start", "pre_stop", "annotations"),
)
_WINDOWS = "it applies to Windows containers only: use cpus"
SERVICE_REFUSED = {
    "cpu_count": _WINDOWS,
    "cpu_percent": _WINDOWS,
    "credential_spec": _LATER,
    "external_links": "connect both to an external network",
    "isolation": _LATER,
    "models": _LATER,
    "provider": "devenv runs services on its own engines only",
    "use_api_socket": "mount the engine's socket as a volume",
}
BUILD = (
    *("context", "dockerfile", "dockerfile_inline", "args", "target", "network", "labels", "cache_from"),
    *("extra_hosts", "shm_size", "platforms", "tags", "pull", "no_cache", "additional_contexts"),
    *("secrets", "ssh", "entitlements", "privileged", "ulimits", "no_cache_filter"),
)
BUILD_REFUSED = {
    "isolation": "it applies to Windows containers only",
}
BUILD_IGNORED = {
    "cache_to": "the build cache stays in the engine",
    "provenance": "no attestation is created",
    "sbom": "no attestation is created",
}

DEPLOY = ("replicas", "resources", "restart_policy", "mode")
DEPLOY_IGNORED = {
    "endpoint_mode": "it applies to clusters only",
    "labels": "they apply to a cluster service, not to its containers",
    "placement": "it applies to clusters only",
    "rollback_config": "it applies to clusters only",
    "update_config": "changed services are replaced immediately",
}

LIMITS = ("cpus", "memory", "pids")

NETWORK = (
    "name",
    "external",
    "driver",
    "driver_opts",
    "internal",
    "attachable",
    "enable_ipv4",
    "enable_ipv6",
    "labels",
    "ipam",
)
VOLUME = ("name", "external", "driver", "driver_opts", "labels")
FILE_REFUSED = {
    "external": "use file, environment or content (cluster secrets and configs are not supported)",
    "driver": _LATER,
    "driver_opts": _LATER,
    "template_driver": _LATER,
}
FILE_IGNORED = {
    "labels": "devenv creates no engine object for it",
    "name": "devenv creates no engine object for it",
}

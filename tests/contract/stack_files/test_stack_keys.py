"""Each further key of the Compose Specification is read as `docker compose config` reads it, or is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compose.resolved import compose_config, normal

from devenv.errors import StackFileError
from devenv.stack import load_stack
from devenv.stack.dump import dump

ENVIRON = {"HOME": "/home/somebody", "TOKEN": "secret"}
SERVICE = {
    "annotations": "{com.example.a: b, com.example.n: 1}",
    "attach": "false",
    "blkio_config": "{weight: 300, device_read_bps: [{path: /dev/sda, rate: 12mb}]}",
    "cgroup": "host",
    "cgroup_parent": "m-executor",
    "cpu_period": "100000",
    "cpu_quota": "50000",
    "cpu_rt_period": "1400",
    "cpu_rt_runtime": "400",
    "cpu_shares": "73",
    "cpuset": "'0,1'",
    "develop": "{watch: [{path: ., action: rebuild}]}",
    "device_cgroup_rules": "['c 1:3 mr']",
    "devices": "['/dev/null:/dev/n:rw', /dev/zero]",
    "dns_opt": "[use-vc]",
    "dns_search": "example.com",
    "domainname": "example.com",
    "env_file": "[{path: a.env, required: false}, {path: raw.env, format: raw}]",
    "gpus": "[{driver: nvidia, count: 2}]",
    "group_add": "[mail, '1000']",
    "ipc": "'service:other'",
    "label_file": "[one.labels, two.labels]",
    "links": "['other:alias']",
    "mac_address": "'02:42:ac:11:65:43'",
    "mem_reservation": "20m",
    "mem_swappiness": "60",
    "memswap_limit": "2g",
    "oom_kill_disable": "true",
    "oom_score_adj": "-500",
    "post_start": "[{command: ./up, user: root}]",
    "pre_stop": "[{command: [./down]}]",
    "pull_policy": "daily",
    "runtime": "runc",
    "storage_opt": "{size: 1G}",
    "sysctls": "{net.core.somaxconn: 1024}",
    "userns_mode": "host",
    "uts": "host",
    "volumes_from": "['other:ro']",
}
WHOLE = {
    "build.secrets": "services: {web: {build: {context: ., secrets: [s]}}}\nsecrets: {s: {environment: TOKEN}}",
    "build.ssh": "services: {web: {build: {context: ., ssh: [default]}}}",
    "build.tags": "services: {web: {build: {context: ., tags: ['a:1', 'b:2']}}}",
    "build.additional_contexts": "services: {web: {build: {context: ., additional_contexts: {lib: ../lib, img: "
    "'docker-image://alpine'}}}}",
    "build.additional_contexts of a service": "services: {web: {build: {context: ., additional_contexts: {base: "
    "'service:base'}}}, base: {build: {context: ./base}}}",
    "pull_policy weekly": "services: {web: {image: x, pull_policy: weekly}}",
    "pull_policy every": "services: {web: {image: x, pull_policy: every_12h}}",
    "volumes of an image": "services: {web: {image: x, volumes: [{type: image, source: y, target: /y, image: "
    "{subpath: d}}]}}",
    "subpath": "services: {web: {image: x, volumes: [{type: volume, source: v, target: /v, volume: {subpath: d}}]}}\n"
    "volumes: {v: {}}",
    "interface_name and gw_priority": "services: {web: {image: x, networks: {n: {interface_name: eth7, gw_priority: "
    "3}}}}\nnetworks: {n: {}}",
    "link_local_ips and driver_opts": "services: {web: {image: x, networks: {n: {link_local_ips: [169.254.8.8], "
    "driver_opts: {a: b}}}}}\nnetworks: {n: {}}",
    "enable_ipv4": "services: {web: {image: x, networks: [n]}}\nnetworks: {n: {enable_ipv4: false, enable_ipv6: true}}",
    "ipam": "services: {web: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {driver: default, config: "
    "[{subnet: 172.28.0.0/16, ip_range: 172.28.5.0/24, gateway: 172.28.5.254, aux_addresses: {h: 172.28.1.5}}]}}}",
    "configs.content": "services: {web: {image: x, configs: [c]}}\nconfigs: {c: {content: 'a=${TOKEN}'}}",
    "secrets of a variable": "services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {environment: TOKEN}}",
}
REFUSED = {
    "npipe": (
        "services: {web: {image: x, volumes: [{type: npipe, source: p, target: q}]}}",
        r"volumes\[0\].type npipe",
    ),
    "provider": ("services: {web: {provider: {type: awesomecloud}}}", "provider"),
    "models": ("services: {web: {image: x, models: [m]}}\nmodels: {m: {model: ai/y}}", "models"),
    "use_api_socket": ("services: {web: {image: x, use_api_socket: true}}", "use_api_socket"),
    "cpu_count": ("services: {web: {image: x, cpu_count: 2}}", "cpu_count"),
    "cpu_percent": ("services: {web: {image: x, cpu_percent: 50}}", "cpu_percent"),
}


def project(place: Path, text: str) -> Path:
    (place / "one.labels").write_text("a=one\nb=one\n")
    (place / "two.labels").write_text("b=two\n")
    (place / "raw.env").write_text("RAW=$TOKEN 'x'\n")
    file = place / "compose.yaml"
    file.write_text(text)
    return file


CASES = {
    **{key: f"services: {{web: {{image: x, {key}: {value}}}, other: {{image: y}}}}" for key, value in SERVICE.items()},
    **WHOLE,
}


@pytest.mark.parametrize("key", CASES)
def test_a_key_is_read_as_compose_reads_it(compose: list[str], key: str, tmp_path: Path) -> None:
    file = project(tmp_path, CASES[key])
    stack = load_stack([file], environ=ENVIRON)
    ours = json.loads(json.dumps(dump(stack)))
    theirs = compose_config(compose, [file], ENVIRON)
    assert normal({**ours, "name": None}, theirs["name"]) == normal({**theirs, "name": None}, theirs["name"])
    assert not [warning for warning in stack.warnings if key in warning.message]


@pytest.mark.parametrize("key", REFUSED)
def test_a_key_that_cannot_be_done_is_refused_by_name_and_place(key: str, tmp_path: Path) -> None:
    text, named = REFUSED[key]
    with pytest.raises(StackFileError, match=named) as caught:
        load_stack([project(tmp_path, text)], environ=ENVIRON)
    assert caught.value.hint or ": " in str(caught.value)  # the reason
    assert caught.value.location is not None
    assert caught.value.location.line > 0

"""What is wrong in a stack file is named: where, which key, what is allowed, and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import StackFileError
from devenv.stack import load_stack

SERVICE = "services:\n  a:\n    image: x\n"

ACTIONS = "rebuild, sync, restart, sync+restart, sync+exec"
HINT_FILE = "correct the path, or create the file"
CONDITIONS = "service_started, service_healthy, service_completed_successfully"

# Each row: the text, then line:column, key, message and hint of the first error.
IN_A_SERVICE: list[tuple[str, str, str, str, str]] = [
    (
        "develop: {watch: [{path: ., action: synch, target: /x}]}",
        "4:41",
        "services.a.develop.watch[0].action",
        f"services.a.develop.watch[0].action must be one of {ACTIONS}, found 'synch'",
        "did you mean 'sync'?",
    ),
    (
        "develop: {watch: [{path: ., action: sync}]}",
        "4:23",
        "services.a.develop.watch[0]",
        "services.a.develop.watch[0]: sync requires target",
        "",
    ),
    ("label_file: missing", "4:17", "services.a.label_file[0]", "label_file missing: no such file", HINT_FILE),
    ("devices: ['/a:/b:rw:x']", "4:15", "services.a.devices[0]", "'/a:/b:rw:x' is not a device", ""),
    (
        "devices: ['vendor.com/gpu=0']",
        "4:15",
        "services.a.devices[0].source",
        "services.a.devices[0]: CDI devices are not supported",
        "use gpus, or name the device's path",
    ),
    (
        "devices: ['/a:/b:xyz']",
        "4:15",
        "services.a.devices[0].permissions",
        "services.a.devices[0].permissions must be some of r, w and m, found 'xyz'",
        "",
    ),
    (
        "gpus: [{count: 1, device_ids: ['0']}]",
        "4:12",
        "services.a.gpus[0]",
        "services.a.gpus[0]: count and device_ids cannot be used together",
        "",
    ),
    (
        "ipc: hosts",
        "4:10",
        "services.a.ipc",
        "services.a.ipc must be none, host, private, shareable, service:NAME or container:NAME",
        "",
    ),
    ("ipc: 'service:b'", "4:10", "services.a.ipc", "service 'b' is not defined", "add it under services:"),
    ("volumes_from: [b]", "4:20", "services.a.volumes_from[0]", "service 'b' is not defined", "add it under services:"),
    (
        "volumes_from: ['b:x']\n  b: {image: x}",
        "4:20",
        "services.a.volumes_from[0]",
        "'b:x' is not an entry of volumes_from",
        "",
    ),
    ("mac_address: 02-42", "4:18", "services.a.mac_address", "'02-42' is not a MAC address", ""),
    (
        "oom_score_adj: 2000",
        "4:20",
        "services.a.oom_score_adj",
        "services.a.oom_score_adj must be a whole number from -1000 to 1000, found 2000",
        "",
    ),
    (
        "blkio_config: {device_read_bps: [{path: /dev/sda}]}",
        "4:38",
        "services.a.blkio_config.device_read_bps[0]",
        "services.a.blkio_config.device_read_bps[0] requires rate",
        "",
    ),
    (
        "networks: {n: {link_local_ips: [x]}}\nnetworks: {n: }",
        "4:37",
        "services.a.networks.n.link_local_ips[0]",
        "'x' is not an IP address",
        "",
    ),
    (
        "build: {context: ., ssh: default}",
        "4:30",
        "services.a.build.ssh",
        "services.a.build.ssh must be a mapping, found 'default'",
        "",
    ),
    ("post_start: [{user: root}]", "4:18", "services.a.post_start[0]", "services.a.post_start[0] requires command", ""),
    (
        "pre_stop: [{command: [], user: root}]",
        "4:16",
        "services.a.pre_stop[0]",
        "services.a.pre_stop[0].command is empty",
        "",
    ),
    (
        "build: {context: ., isolation: default}",
        "4:25",
        "services.a.build.isolation",
        "services.a.build.isolation is not supported",
        "it applies to Windows containers only",
    ),
    (
        "build: {context: ., secrets: [token]}",
        "4:35",
        "services.a.build.secrets[0]",
        "secret 'token' is not defined",
        "add it under secrets: at the top level",
    ),
    (
        "deploy: {update_config: {}, foo: 1}",
        "4:33",
        "services.a.deploy.foo",
        "unknown key 'foo' in services.a.deploy",
        "",
    ),
    (
        "models: [x]",
        "4:5",
        "services.a.models",
        "services.a.models is not supported",
        "remove it for now, or move it to an override file that devenv does not load",
    ),
    (
        "provider: {type: x}",
        "4:5",
        "services.a.provider",
        "services.a.provider is not supported",
        "devenv runs services on its own engines only",
    ),
    ("ports: ['80:80:80:80']", "4:13", "services.a.ports[0]", "'80:80' is not an IP address", ""),
    ("ports: ['99999:80']", "4:13", "services.a.ports[0]", "'99999' is not from 1 to 65535", ""),
    ("ports: ['80-70:80-70']", "4:13", "services.a.ports[0]", "the range 80-70 ends before it starts", ""),
    ("ports: ['80-82:80-81']", "4:13", "services.a.ports[0]", "the ranges 80-82 and 80-81 differ in length", ""),
    ("ports: ['a:80/foo']", "4:13", "services.a.ports[0]", "unknown protocol 'foo': one of tcp, udp, sctp", ""),
    (
        "ports: [{target: x}]",
        "4:22",
        "services.a.ports[0].target",
        "services.a.ports[0].target must be a whole number, found 'x'",
        "",
    ),
    ("ports: [{published: 80}]", "4:13", "services.a.ports[0]", "services.a.ports[0] requires target", ""),
    ("ports: ['300.1.1.1:80:80']", "4:13", "services.a.ports[0]", "'300.1.1.1' is not an IP address", ""),
    ("ports: {a: 1}", "4:12", "services.a.ports", "services.a.ports must be a list, found a mapping", ""),
    ("ports: [[80]]", "4:13", "services.a.ports[0]", "services.a.ports[0] must be a mapping, found a list", ""),
    (
        "ports: ['80:80', '80:81']",
        "4:22",
        "services.a.ports[1]",
        "host port 80/tcp is already published by a",
        "publish another host port",
    ),
    ("ports: ['0x50:80']", "4:13", "services.a.ports[0]", "'0x50' is not a port or a range of ports", ""),
    ("depends_on: [a]", "4:18", "services.a.depends_on.a", "circular dependency: a → a", ""),
    (
        "depends_on: [b]\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}",
        "4:18",
        "services.a.depends_on.b",
        "circular dependency: a → b → c → a",
        "",
    ),
    ("depends_on: [zz]", "4:18", "services.a.depends_on.zz", "service 'zz' is not defined", "add it under services:"),
    (
        "build: {context: ., additional_contexts: {base: 'service:zz'}}",
        "4:53",
        "services.a.build.additional_contexts.base",
        "service 'zz' is not defined",
        "add it under services:",
    ),
    (
        "build: {context: ., additional_contexts: {base: 'service:b'}}\n  b: {image: 'x:1'}",
        "4:53",
        "services.a.build.additional_contexts.base",
        "service b has no build: its image cannot be a context of another build",
        "write docker-image://x:1",
    ),
    (
        "build: {context: ., additional_contexts: {base: 'service:b'}}\n  b: {build: ., profiles: [p]}",
        "4:53",
        "services.a.build.additional_contexts.base",
        "the build of a needs the image of b, which is not in an active profile",
        "activate a profile of b",
    ),
    (
        "build: {context: ., additional_contexts: {x: 'service:b', y: 'service:a'}}\n  b: {build: .}",
        "4:25",
        "services.a.build.additional_contexts",
        "circular builds: a → a",
        "",
    ),
    (
        "depends_on: {b: {condition: healthy}}\n  b: {image: x}",
        "4:33",
        "services.a.depends_on.b.condition",
        f"services.a.depends_on.b.condition must be one of {CONDITIONS}, found 'healthy'",
        "did you mean 'service_healthy'?",
    ),
    (
        "depends_on: [b]\n  b: {image: x, profiles: [p]}",
        "4:18",
        "services.a.depends_on.b",
        "service a depends on b, which is not in an active profile",
        "activate a profile of b, or add `required: false` next to its condition",
    ),
    (
        "networks: [n]",
        "4:16",
        "services.a.networks.n",
        "network 'n' is not defined",
        "add it under networks: at the top level (n: {})",
    ),
    (
        "volumes: ['data:/x']",
        "4:15",
        "services.a.volumes[0]",
        "volume 'data' is not defined",
        "add it under volumes: at the top level, or write ./data for a directory",
    ),
    (
        "secrets: [s]",
        "4:15",
        "services.a.secrets[0]",
        "secret 's' is not defined",
        "add it under secrets: at the top level",
    ),
    (
        "configs: [{source: s}]",
        "4:15",
        "services.a.configs[0]",
        "config 's' is not defined",
        "add it under configs: at the top level",
    ),
    (
        "container_name: nn\n    deploy: {replicas: 2}",
        "4:21",
        "services.a.container_name",
        "container_name allows only one instance, but replicas is 2",
        "remove container_name, or run one replica",
    ),
    (
        "ports: ['80:80']\n    scale: 2",
        "4:13",
        "services.a.ports[0]",
        "2 replicas cannot all publish port 80",
        "publish a range such as 80-81:80",
    ),
    ("volumes: ['./a']", "4:15", "services.a.volumes[0]", "'./a' is not an absolute path in the container", ""),
    ("volumes: ['a:b:c:d']", "4:15", "services.a.volumes[0]", "'a:b:c:d' is not a volume", ""),
    ("volumes: ['./a:/b:foo']", "4:15", "services.a.volumes[0]", "unknown volume option 'foo'", ""),
    (
        "volumes: [{type: npipe, target: /x}]",
        "4:22",
        "services.a.volumes[0].type",
        "services.a.volumes[0].type npipe is not supported: named pipes are a way of Windows containers",
        "",
    ),
    (
        "volumes: [{type: blind, target: /x}]",
        "4:22",
        "services.a.volumes[0].type",
        "services.a.volumes[0].type must be one of volume, bind, tmpfs, image, found 'blind'",
        "did you mean 'bind'?",
    ),
    (
        "volumes: [{type: image, target: /x}]",
        "4:15",
        "services.a.volumes[0]",
        "services.a.volumes[0]: an image mount requires a source",
        "",
    ),
    ("volumes: [{target: /x}]", "4:15", "services.a.volumes[0]", "services.a.volumes[0] requires type", ""),
    (
        "volumes: ['./a:/x','./b:/x']",
        "4:24",
        "services.a.volumes[1]",
        "/x is already mounted by services.a.volumes[0]",
        "",
    ),
    (
        "healthcheck: {test: [curl, x]}",
        "4:25",
        "services.a.healthcheck.test",
        "healthcheck.test must start with NONE, CMD or CMD-SHELL",
        'put "CMD" before it',
    ),
    (
        "healthcheck: {test: x, interval: soon}",
        "4:38",
        "services.a.healthcheck.interval",
        "services.a.healthcheck.interval must be a duration such as 500ms or 1m30s, found 'soon'",
        "",
    ),
    (
        "healthcheck: {tset: x}",
        "4:19",
        "services.a.healthcheck.tset",
        "unknown key 'tset' in services.a.healthcheck",
        "did you mean 'test'?",
    ),
    (
        "restart: sometimes",
        "4:14",
        "services.a.restart",
        "services.a.restart must be one of no, always, on-failure, unless-stopped, on-failure:N",
        "",
    ),
    (
        "restart: false",
        "4:14",
        "services.a.restart",
        "services.a.restart must be one of no, always, on-failure, unless-stopped, on-failure:N",
        "use no",
    ),
    (
        "restart: on-failure:x",
        "4:14",
        "services.a.restart",
        "services.a.restart must be one of no, always, on-failure, unless-stopped, on-failure:N",
        "did you mean 'on-failure'?",
    ),
    ("environment: [=x]", "4:19", "services.a.environment[0]", "an entry without a name", ""),
    (
        "environment: {A: [1]}",
        "4:22",
        "services.a.environment.A",
        "services.a.environment.A must be text, found a list",
        "",
    ),
    ("environment: [{A: 1}]", "4:19", "services.a.environment[0]", "an entry must be text", ""),
    (
        "env_file: missing.env",
        "4:15",
        "services.a.env_file[0].path",
        "env_file missing.env: no such file",
        "add `required: false` next to its path if the file is optional",
    ),
    ("env_file: [{pth: x}]", "4:16", "services.a.env_file[0]", "services.a.env_file[0] requires path", ""),
    ('command: "a \'b"', "4:14", "services.a.command", "cannot be split into arguments: No closing quotation", ""),
    (
        "privileged: maybe",
        "4:17",
        "services.a.privileged",
        "services.a.privileged must be true or false, found 'maybe'",
        "",
    ),
    ("init: 1", "4:11", "services.a.init", "services.a.init must be true or false, found 1", ""),
    (
        "stop_grace_period: long",
        "4:24",
        "services.a.stop_grace_period",
        "services.a.stop_grace_period must be a duration such as 500ms or 1m30s, found 'long'",
        "",
    ),
    (
        "shm_size: big",
        "4:15",
        "services.a.shm_size",
        "services.a.shm_size must be a size such as 512m or 1.5gb, found 'big'",
        "",
    ),
    (
        "network_mode: hots",
        "4:19",
        "services.a.network_mode",
        "services.a.network_mode must be none, host, bridge, service:NAME or container:NAME",
        "to join a network, use networks:",
    ),
    (
        "network_mode: host\n    networks: [default]",
        "4:19",
        "services.a.network_mode",
        "network_mode and networks cannot be used together",
        "remove one of the two",
    ),
    (
        "deploy: {resources: {limits: {cpus: x}}}",
        "4:41",
        "services.a.deploy.resources.limits.cpus",
        "services.a.deploy.resources.limits.cpus must be a number of at least 0, found 'x'",
        "",
    ),
    (
        "deploy: {mode: global}",
        "4:20",
        "services.a.deploy.mode",
        "services.a.deploy.mode: only replicated is supported",
        "",
    ),
    (
        "ulimits: {nofile: x}",
        "4:23",
        "services.a.ulimits.nofile",
        "services.a.ulimits.nofile must be a whole number, found 'x'",
        "",
    ),
    (
        "extra_hosts: [a]",
        "4:19",
        "services.a.extra_hosts.a",
        "services.a.extra_hosts.a must be one IP address, found nothing",
        "",
    ),
    ("extra_hosts: ['a:b']", "4:19", "services.a.extra_hosts.a", "'b' is not an IP address", ""),
    (
        "pull_policy: dayly",
        "4:18",
        "services.a.pull_policy",
        (
            "services.a.pull_policy must be one of always, missing, if_not_present, never, build, daily, weekly, "
            "every_DURATION such as every_12h, found 'dayly'"
        ),
        "did you mean 'daily'?",
    ),
    (
        "pull_policy: every_day",
        "4:18",
        "services.a.pull_policy",
        (
            "services.a.pull_policy must be one of always, missing, if_not_present, never, build, daily, weekly, "
            "every_DURATION such as every_12h, found 'every_day'"
        ),
        "",
    ),
    (
        "network_mode: service:b",
        "4:19",
        "services.a.network_mode",
        "service 'b' is not defined",
        "add it under services:",
    ),
    ("links: [b]", "4:13", "services.a.links[0]", "service 'b' is not defined", "add it under services:"),
    (
        "platform: linux/arm64\n    build: {platforms: [linux/amd64]}",
        "4:15",
        "services.a.platform",
        "a has platform linux/arm64, which is not in build.platforms",
        "add it to build.platforms",
    ),
    (
        "logging: {driver: x, opts: {}}",
        "4:26",
        "services.a.logging.opts",
        "unknown key 'opts' in services.a.logging",
        "did you mean 'options'?",
    ),
    ("image: '${X}${'", "4:5", "image", "duplicate key 'image': first used in line 3", ""),
    (
        "labels: {a: '${X:?must be set}'}",
        "4:18",
        "services.a.labels.a",
        "required variable X is not set: must be set",
        "set X in the environment or .env",
    ),
    ("labels: {a: '${X!y}'}", "4:18", "services.a.labels.a", "unknown operator after X", ""),
    (
        "labels:\n      a: |\n        one\n        two ${X?}",
        "7:13",
        "services.a.labels.a",
        "required variable X is not set",
        "set X in the environment or .env",
    ),
    (
        "x-devenv: {role: backend}",
        "4:22",
        "services.a.x-devenv.role",
        "services.a.x-devenv.role must be 'trace-backend', found 'backend'",
        "did you mean 'trace-backend'?",
    ),
    (
        "x-devenv: {ready: {http: /, tcp: 1}}",
        "4:23",
        "services.a.x-devenv.ready",
        "services.a.x-devenv.ready must be one of http, tcp, log, exec (found http and tcp), found a mapping",
        "",
    ),
    (
        "x-devenv: {ready: {http: {path: /, pot: 1}}}",
        "4:40",
        "services.a.x-devenv.ready.http.pot",
        "unknown key 'pot' in services.a.x-devenv.ready.http",
        "did you mean 'port'?",
    ),
    (
        "x-devenv: {ready: {tcp: 99999, timeout: x}}",
        "4:29",
        "services.a.x-devenv.ready.tcp",
        "services.a.x-devenv.ready.tcp must be less than or equal to 65535 or True, found 99999",
        "",
    ),
    (
        "x-devenv: {process: {cwd: x}}",
        "4:25",
        "services.a.x-devenv.process",
        "services.a.x-devenv.process requires command",
        "",
    ),
    (
        "x-devenv: {process: {command: [a, [b]]}}",
        "4:39",
        "services.a.x-devenv.process.command[1]",
        "services.a.x-devenv.process.command[1] must be a valid string, found a list",
        "",
    ),
    (
        "x-devenv: {role: trace-backend}\n  b: {image: x, x-devenv: {role: trace-backend}}",
        "5:34",
        "services.b.x-devenv.role",
        "a is already the trace backend",
        "remove the role from one of them",
    ),
    ("container_name: 'a b'", "4:21", "services.a.container_name", "'a b' is not a valid container name", ""),
    ("image: y", "4:5", "image", "duplicate key 'image': first used in line 3", ""),
    (
        "x-devnv: {}\nnetworks: {n: {x-devenv: {}}}",
        "5:16",
        "networks.n.x-devenv",
        "x-devenv is not allowed here",
        "move it to the top level of the file or into a service",
    ),
    (
        "tmpfs: '/x:uid=3'",
        "4:12",
        "services.a.tmpfs[0]",
        "tmpfs option 'uid=3' is not supported: size, mode, ro or rw",
        "",
    ),
    ("expose: [x]", "4:14", "services.a.expose[0]", "'x' is not a port or a range of ports", ""),
    ("<<: 3", "4:9", "<<", "the value of a merge key must be a mapping or a list of mappings", ""),
    ("<<: [3]", "4:9", "<<", "the value of a merge key must be a mapping or a list of mappings", ""),
    ("scale: -1", "4:12", "services.a.scale", "services.a.scale must be a whole number of at least 0, found -1", ""),
    (
        "cpus: 1\n    deploy: {resources: {limits: {cpus: 2}}}",
        "4:11",
        "services.a.cpus",
        "cpus and deploy.resources.limits.cpus differ",
        "remove one of the two",
    ),
    (
        "build: https://x/y.git",
        "4:12",
        "services.a.build.context",
        "a remote build context is not supported",
        "clone it and use the directory",
    ),
    ("build: [a]", "4:12", "services.a.build", "services.a.build must be a mapping, found a list", ""),
    ("dns: {a: b}", "4:10", "services.a.dns", "services.a.dns must be a list, found a mapping", ""),
    ("user: [1]", "4:11", "services.a.user", "services.a.user must be text, found a list", ""),
]

IN_A_SERVICE += [
    (
        "volumes: [{type: bind, target: /x}]",
        "4:15",
        "services.a.volumes[0]",
        "services.a.volumes[0]: a bind mount requires a source",
        "",
    ),
    (
        "volumes: [{type: tmpfs, source: y, target: /x}]",
        "4:37",
        "services.a.volumes[0].source",
        "a tmpfs mount cannot have a source",
        "",
    ),
    (
        "volumes: [{type: bind, source: ., target: x}]",
        "4:47",
        "services.a.volumes[0].target",
        "'x' is not an absolute path in the container",
        "",
    ),
    (
        "secrets: [s, {source: t, target: s}]\nsecrets: {s: {file: a}, t: {file: b}}",
        "4:18",
        "services.a.secrets[1]",
        "/run/secrets/s is already used",
        "",
    ),
    (
        "ports: [{target: 70000}]",
        "4:22",
        "services.a.ports[0].target",
        "services.a.ports[0].target must be a port from 1 to 65535, found 70000",
        "",
    ),
    (
        "ports: [{target: 1, published: x}]",
        "4:36",
        "services.a.ports[0].published",
        "'x' is not a port or a range of ports",
        "",
    ),
    ("ports: [{target: 1, host_ip: x}]", "4:34", "services.a.ports[0].host_ip", "'x' is not an IP address", ""),
    (
        "extra_hosts: {a: [1.1.1.1, {}]}",
        "4:32",
        "services.a.extra_hosts.a[1]",
        "services.a.extra_hosts.a[1] must be one IP address, found a mapping",
        "",
    ),
    ("healthcheck: {test: [CMD]}", "4:25", "services.a.healthcheck.test", "CMD requires a command", ""),
    (
        "build: {dockerfile: a, dockerfile_inline: b}",
        "4:47",
        "services.a.build.dockerfile_inline",
        "dockerfile and dockerfile_inline cannot be used together",
        "",
    ),
    (
        "container_name: nn\n  b: {image: x, container_name: nn}",
        "5:33",
        "services.b.container_name",
        "container_name nn is already used by service a",
        "",
    ),
    ("pid: x", "4:10", "services.a.pid", "services.a.pid must be host, service:NAME or container:NAME", ""),
    ("labels: [[a]]", "4:14", "services.a.labels[0]", "an entry must be text", ""),
    ("depends_on: [[a]]", "4:18", "services.a.depends_on[0]", "a name is expected", ""),
    (
        "expose: []\nx-devenv: {entrypoint: a}",
        "5:24",
        "x-devenv.entrypoint",
        "entry point a has no port",
        "add ports or expose to a",
    ),
    (
        "stop_grace_period: -1",
        "4:24",
        "services.a.stop_grace_period",
        "services.a.stop_grace_period must be a duration of at least 0, found -1",
        "",
    ),
    (
        "shm_size: -1",
        "4:15",
        "services.a.shm_size",
        "services.a.shm_size must be a size such as 512m or 1.5gb, found -1",
        "",
    ),
    ("environment: {'A=B': 1}", "4:26", "services.a.environment.A=B", "'A=B' is not a valid variable name", ""),
    ("logging: []", "4:14", "services.a.logging", "services.a.logging must be a mapping, found a list", ""),
    ("ulimits: {a: {soft: 1}}", "4:18", "services.a.ulimits.a", "services.a.ulimits.a requires hard", ""),
    ("tmpfs: [x]", "4:13", "services.a.tmpfs[0]", "'x' is not an absolute path in the container", ""),
    (
        "tmpfs: [/x:size=]",
        "4:13",
        "services.a.tmpfs[0]",
        "tmpfs option 'size=' is not supported: size, mode, ro or rw",
        "",
    ),
    ("volumes: ['a:']", "4:15", "services.a.volumes[0]", "'a:' is not a volume", ""),
    (
        "env_file: 3",
        "4:15",
        "services.a.env_file[0].path",
        "env_file 3: no such file",
        "add `required: false` next to its path if the file is optional",
    ),
    ("scale: 1.5", "4:12", "services.a.scale", "services.a.scale must be a whole number, found 1.5", ""),
    (
        "mem_limit: 1x",
        "4:16",
        "services.a.mem_limit",
        "services.a.mem_limit must be a size such as 512m or 1.5gb, found '1x'",
        "",
    ),
    (
        "security_opt: {a: b}",
        "4:19",
        "services.a.security_opt",
        "services.a.security_opt must be a list, found a mapping",
        "",
    ),
    (
        "networks: {n: {ipv4_address: 300.1.1.1}}\nnetworks: {n: }",
        "4:34",
        "services.a.networks.n.ipv4_address",
        "'300.1.1.1' is not an IP address",
        "",
    ),
    (
        "restart: on-failure:99999999999",
        "4:14",
        "services.a.restart",
        "services.a.restart must be one of no, always, on-failure, unless-stopped, on-failure:N",
        "did you mean 'on-failure'?",
    ),
    (
        "build: {shm_size: x}",
        "4:23",
        "services.a.build.shm_size",
        "services.a.build.shm_size must be a size such as 512m or 1.5gb, found 'x'",
        "",
    ),
    ("dns: [[1]]", "4:11", "services.a.dns[0]", "services.a.dns[0] must be text, found a list", ""),
    ("cap_add: ALL", "4:14", "services.a.cap_add", "services.a.cap_add must be a list, found 'ALL'", ""),
    ("networks: n", "4:15", "services.a.networks", "services.a.networks must be a mapping, found 'n'", ""),
]

AT_THE_TOP: list[tuple[str, str, str, str, str]] = [
    (
        "x-devenv: {load: {default: x, scenarios: {y: {}}}}",
        "4:28",
        "x-devenv.load.default",
        "x-devenv.load.default is not a scenario; available: y",
        "",
    ),
    (
        "volumes: {v: {name: '${'}}",
        "4:22",
        "volumes.v.name",
        "unclosed ${",
        "close it with }, or write $$ for a dollar",
    ),
    (
        "x-devenv: {entrypont: a}",
        "4:12",
        "x-devenv.entrypont",
        "unknown key 'entrypont' in x-devenv",
        "did you mean 'entrypoint'?",
    ),
    ("x-devenv: {entrypoint: b}", "4:24", "x-devenv.entrypoint", "service 'b' is not defined", ""),
    (
        "x-devenv: {entrypoint: a}",
        "4:24",
        "x-devenv.entrypoint",
        "entry point a has no port",
        "add ports or expose to a",
    ),
    (
        "x-devenv: {canary: {services: [b], pth: /}}",
        "4:36",
        "x-devenv.canary.pth",
        "unknown key 'pth' in x-devenv.canary",
        "did you mean 'path'?",
    ),
    (
        "x-devenv: {sampling: 2}",
        "4:22",
        "x-devenv.sampling",
        "x-devenv.sampling must be less than or equal to 1 or a mapping, found 2",
        "",
    ),
    (
        "x-devenv: {sampling: x}",
        "4:22",
        "x-devenv.sampling",
        "x-devenv.sampling must be a valid number or a mapping, found 'x'",
        "",
    ),
    (
        "x-devenv: {sampling: {services: {aa: 1}}}",
        "4:38",
        "x-devenv.sampling.services.aa",
        "service 'aa' is not defined",
        "did you mean 'a'?",
    ),
    (
        "x-devenv: {sampling: {default: 2}}",
        "4:32",
        "x-devenv.sampling.default",
        "x-devenv.sampling.default must be less than or equal to 1, found 2",
        "",
    ),
    (
        "x-devenv: {sampling: {servces: {a: 1}}}",
        "4:23",
        "x-devenv.sampling.servces",
        "unknown key 'servces' in x-devenv.sampling",
        "did you mean 'services'?",
    ),
    (
        "x-devenv: {sampling: {services: {a: {default: .1, operations: {GET /: 3}}}}}",
        "4:71",
        "x-devenv.sampling.services.a.operations.GET /",
        "x-devenv.sampling.services.a.operations.GET / must be less than or equal to 1, found 3",
        "",
    ),
    (
        "x-devenv: {load: {default: x, scenarios: {y: {path: nope, weight: 1}}}}",
        "4:53",
        "x-devenv.load.scenarios.y.path",
        "x-devenv.load.scenarios.y.path must match '^/', found 'nope'",
        "",
    ),
    (
        "x-devenv: {jaeger: {storage: disk}}",
        "4:30",
        "x-devenv.jaeger.storage",
        "x-devenv.jaeger.storage must be 'memory' or 'badger', found 'disk'",
        "",
    ),
    (
        "x-devenv: {jaeger: {cors_origins: [https://shop.test, https://shop.test/page]}}",
        "4:55",
        "x-devenv.jaeger.cors_origins[1]",
        (
            "x-devenv.jaeger.cors_origins[1] must be valid: an origin without a path, such as https://shop.test, "
            "https://*.shop.test, http://shop.test:*, *, found 'https://shop.test/page'"
        ),
        "",
    ),
    ("x-devenv: []", "4:11", "x-devenv", "x-devenv must be a mapping, found a list", ""),
    (
        "networks: {n: {drivr: x}}",
        "4:16",
        "networks.n.drivr",
        "unknown key 'drivr' in networks.n",
        "did you mean 'driver'?",
    ),
    (
        "networks: {n: {external: true, driver: x}}",
        "4:40",
        "networks.n.driver",
        "networks.n.driver cannot be set for an external resource",
        "",
    ),
    (
        "networks: {n: {ipam: {config: [{subnet: x}]}}}",
        "4:41",
        "networks.n.ipam.config[0].subnet",
        "not a subnet: 'x' does not appear to be an IPv4 or IPv6 network",
        "",
    ),
    (
        "networks: {n: {ipam: {config: [{gateway: 10.0.0.1}]}}}",
        "4:32",
        "networks.n.ipam.config[0]",
        "networks.n.ipam.config[0] requires subnet",
        "",
    ),
    (
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.1.1}]}}}",
        "4:63",
        "networks.n.ipam.config[0].gateway",
        "10.0.1.1 is not in the subnet 10.0.0.0/24",
        "",
    ),
    (
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, ip_range: 10.0.0.0/16}]}}}",
        "4:64",
        "networks.n.ipam.config[0].ip_range",
        "10.0.0.0/16 is not in the subnet 10.0.0.0/24",
        "",
    ),
    (
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, aux_addresses: {router: 'fd00::1'}}]}}}",
        "4:78",
        "networks.n.ipam.config[0].aux_addresses.router",
        "fd00::1 is not in the subnet 10.0.0.0/24",
        "",
    ),
    (
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: x}]}}}",
        "4:63",
        "networks.n.ipam.config[0].gateway",
        "not an IP address: 'x' does not appear to be an IPv4 or IPv6 address",
        "",
    ),
    ("volumes: {v: 3}", "4:14", "volumes.v", "volumes.v must be a mapping, found 3", ""),
    (
        "secrets: {s: {external: true}}",
        "4:15",
        "secrets.s.external",
        "secrets.s.external is not supported",
        "use file, environment or content (cluster secrets and configs are not supported)",
    ),
    ("secrets: {s: {}}", "4:14", "secrets.s", "secrets.s requires exactly one of file, environment", ""),
    (
        "configs: {c: {file: a, content: b}}",
        "4:14",
        "configs.c",
        "configs.c requires exactly one of file, environment, content",
        "",
    ),
    ("name: Foo Bar", "4:7", "name", "'Foo Bar' is not a valid project name", "write foo-bar"),
]

WHOLE_FILES: list[tuple[str, str, str, str, str]] = [
    ("", "1:1", "", "the file is empty", ""),
    ("# only", "1:1", "", "the file is empty", ""),
    ("a", "1:1", "", "the stack file must be a mapping", ""),
    ("- a", "1:1", "", "the stack file must be a mapping", ""),
    ("services:", "1:1", "services", "no services defined", ""),
    ("services: []", "1:11", "services", "services must be a mapping, found a list", ""),
    ("services: {}", "1:1", "services", "no services defined", ""),
    ("services: {a: }", "1:15", "services.a", "services.a must be a mapping with image or build, found nothing", ""),
    ("services: {a: 3}", "1:15", "services.a", "services.a must be a mapping with image or build, found 3", ""),
    ("services: {a: {}}", "1:12", "services.a", "service a has no image, build or x-devenv.process", ""),
    ("servces: {a: {image: x}}", "1:1", "servces", "unknown key 'servces'", "did you mean 'services'?"),
    (
        "services: {a: {imge: x}}",
        "1:16",
        "services.a.imge",
        "unknown key 'imge' in services.a",
        "did you mean 'image'?",
    ),
    ("services:\n  a b: {image: x}", "2:8", "services.a b", "'a b' is not a valid service name", ""),
]


def failure(tmp_path: Path, text: str, **options) -> StackFileError:
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    with pytest.raises(StackFileError) as caught:
        load_stack([path], environ=options.pop("environ", {}), **options)
    return caught.value


def check(error: StackFileError, tmp_path: Path, place: str, key: str, message: str, hint: str) -> None:
    assert error.message == f"{tmp_path}/compose.yaml:{place}: {message}"
    assert (error.key, error.hint) == (key, hint)
    assert error.exit_code == 2
    assert error.details["file"] == f"{tmp_path}/compose.yaml"


@pytest.mark.parametrize(("text", "place", "key", "message", "hint"), IN_A_SERVICE)
def test_error_in_a_service(tmp_path, text, place, key, message, hint):
    check(failure(tmp_path, f"{SERVICE}    {text}\n"), tmp_path, place, key, message, hint)


@pytest.mark.parametrize(("text", "place", "key", "message", "hint"), AT_THE_TOP)
def test_error_beside_the_services(tmp_path, text, place, key, message, hint):
    check(failure(tmp_path, f"{SERVICE}{text}\n"), tmp_path, place, key, message, hint)


@pytest.mark.parametrize(("text", "place", "key", "message", "hint"), WHOLE_FILES)
def test_error_in_the_shape_of_the_file(tmp_path, text, place, key, message, hint):
    check(failure(tmp_path, text), tmp_path, place, key, message, hint)


def test_every_error_of_a_file_is_there_in_order(tmp_path):
    error = failure(
        tmp_path, f"{SERVICE}    tty: 3\n    prots: []\nx-devenv: {{sampling: 7}}\nnetworks: {{n: {{drivr: x}}}}\n"
    )
    found = [(one.location.line, one.key) for one in (error, *error.others)]
    assert found == [
        (4, "services.a.tty"),
        (5, "services.a.prots"),
        (6, "x-devenv.sampling"),
        (7, "networks.n.drivr"),
    ]
    assert [other["key"] for other in error.details["others"]] == [key for _, key in found[1:]]


def test_errors_of_several_files_come_in_the_order_of_the_files(tmp_path):
    first, second = tmp_path / "z.yaml", tmp_path / "a.yaml"
    first.write_text("services:\n  a: {image: x, tty: 3}\n")
    second.write_text("services:\n  a: {init: 3}\n")
    with pytest.raises(StackFileError) as caught:
        load_stack([first, second], environ={})
    files = [caught.value.location.file, *(other.location.file for other in caught.value.others)]
    assert files == [str(first), str(second)]


def test_problems_of_inactive_services_with_others_do_not_matter(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(f"{SERVICE}  b: {{image: x, profiles: [p], depends_on: [nowhere], volumes: ['v:/v']}}\n")
    assert load_stack([path], environ={}).inactive == ("b",)
    with pytest.raises(StackFileError, match="nowhere"):
        load_stack([path], environ={}, profiles=["p"])


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("    image: y${NOPE}", "4:13", "variable NOPE is not set; using an empty string"),
        (
            "    labels: {version: 1.10, mode: '0123'}",
            "4:23",
            "services.a.labels.version: 1.10 is read as the number 1.1; quote it to keep it",
        ),
        (
            "    environment: {A: 1.5, B: 0123, C: '0123'}",
            "4:30",
            "services.a.environment.B: 0123 is read as the number 123 (83 under Compose); quote it to keep it",
        ),
        ("    tty: yes", "4:10", "services.a.tty: 'yes' is text in YAML 1.2; read as true"),
        ("    expose: [53/udp]", "4:14", "services.a.expose[0] is ignored: devenv supports exposed TCP ports only"),
        ("    deploy: {placement: {}}", "4:14", "services.a.deploy.placement is ignored: it applies to clusters only"),
        ("    x-devnv: {}", "4:5", "services.a.x-devnv is ignored: did you mean 'x-devenv'?"),
    ],
)
def test_what_is_not_acted_on_is_stated(tmp_path, text, place, message):
    path = tmp_path / "compose.yaml"
    service = "services:\n  a:\n    image: x\n" if "image" not in text else "services:\n  a:\n    init: true\n"
    path.write_text(f"{service}{text}\n")
    warnings = load_stack([path], environ={}).warnings
    assert [(str(warning.location), warning.message) for warning in warnings] == [(f"{path}:{place}", message)]


def test_extends_is_the_only_error_of_a_service_that_has_nothing_else(tmp_path):
    error = failure(tmp_path, "services: {a: {extends: {service: c}}, b: {image: x}}")
    assert (error.key, error.others) == ("services.a.extends", ())


def test_a_name_in_traces_may_be_the_otel_one(tmp_path):
    path = tmp_path / "compose.yaml"
    environment = "environment: {OTEL_SERVICE_NAME: one, OTEL_RESOURCE_ATTRIBUTES: 'a=b, service.name=two'}"
    path.write_text(f"{SERVICE}    {environment}\nx-devenv: {{canary: {{services: [a, one, two]}}}}\n")
    assert load_stack([path], environ={}).x.canary.services == ("a", "one", "two")


def test_dependencies_that_are_no_mapping_beside_links(tmp_path):
    error = failure(tmp_path, f"{SERVICE}    depends_on: 3\n    links: [b]\n")
    assert [one.key for one in (error, *error.others)] == ["services.a.depends_on", "services.a.links[0]"]


def test_circle_through_a_shared_namespace(tmp_path):
    error = failure(tmp_path, f"{SERVICE}    network_mode: service:b\n  b: {{image: x, depends_on: [a]}}\n")
    assert (error.key, error.location.line, error.location.column) == ("services.a.network_mode", 4, 19)
    assert "a → b → a" in error.message


def test_version_says_nothing(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(f"version: '3.8'\n{SERVICE}")
    assert load_stack([path], environ={}).warnings == ()

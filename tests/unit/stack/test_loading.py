"""The way from files to the stack model: one file with about everything, several files, names, profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import StackFileError, UnknownName
from devenv.model.stack import AddressPool, Attachment, Dependency, FileMount, Mount, Port, Restart, Stack, Ulimit
from devenv.stack import load_stack, load_with_origins


def load(tmp_path: Path, text: str, **options) -> Stack:
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    return load_stack([path], environ=options.pop("environ", {}), **options)


def test_minimal_stack_is_on_the_default_network(tmp_path):
    stack = load(tmp_path, "services:\n  web:\n    image: nginx\n")
    assert list(stack.services) == ["web"]
    assert stack.services["web"].networks == (Attachment(network="default"),)
    assert list(stack.networks) == ["default"]
    assert stack.name is None
    assert stack.directory == tmp_path
    assert stack.warnings == ()
    assert (stack.services["web"].location.line, stack.services["web"].location.column) == (2, 3)


def test_no_default_network_where_every_service_names_its_own(tmp_path):
    stack = load(tmp_path, "services:\n  web: {image: a, networks: [front]}\nnetworks: {front: }\n")
    assert list(stack.networks) == ["front"]


def test_short_and_long_forms_mean_the_same(tmp_path):
    short = """
services:
  web:
    image: nginx
    build: ./web
    command: run --now "a b"
    entrypoint: tini --
    environment: [A=1, B=two, EMPTY=]
    env_file: values.env
    ports: ["127.0.0.1:8080:80/tcp", "9000"]
    volumes: ["data:/data:ro", "./app:/app", "/anonymous"]
    tmpfs: /run:size=64m,mode=1777
    networks: [front]
    depends_on: [db]
    labels: [a=b, c]
    secrets: [token]
    configs: [settings]
    extra_hosts: ["a:10.0.0.1", "b=::1"]
    dns: 1.1.1.1
    ulimits: {nofile: 1024}
    healthcheck: {test: curl -f localhost}
  db: {image: db}
networks: {front: }
volumes: {data: }
secrets: {token: {file: ./token}}
configs: {settings: {content: hello}}
"""
    long = """
services:
  web:
    image: nginx
    build: {context: ./web}
    command: [run, --now, a b]
    entrypoint: [tini, --]
    environment: {A: 1, B: two, EMPTY: ""}
    env_file: [{path: ./values.env, required: true}]
    ports:
      - {host_ip: 127.0.0.1, target: 80, published: "8080", protocol: tcp}
      - {target: 9000}
    volumes:
      - {type: volume, source: data, target: /data, read_only: true}
      - {type: bind, source: ./app, target: /app, bind: {create_host_path: true}}
      - {type: volume, target: /anonymous}
      - {type: tmpfs, target: /run, tmpfs: {size: 67108864, mode: 01777}}
    networks: {front: {}}
    depends_on: {db: {condition: service_started}}
    labels: {a: b, c: }
    secrets: [{source: token, target: token}]
    configs: [{source: settings, target: /settings}]
    extra_hosts: {a: 10.0.0.1, b: "::1"}
    dns: [1.1.1.1]
    ulimits: {nofile: {soft: 1024, hard: 1024}}
    healthcheck: {test: [CMD-SHELL, curl -f localhost]}
  db: {image: db}
networks: {front: {}}
volumes: {data: {}}
secrets: {token: {file: token}}
configs: {settings: {content: hello}}
"""
    (tmp_path / "values.env").write_text("FROM_FILE=yes\nA=overridden\n")
    one, other = load(tmp_path, short), load(tmp_path, long)
    web = one.services["web"]
    names = [name for name in web.__dataclass_fields__ if name not in ("location", "mounts")]
    for name in names:
        assert getattr(web, name) == getattr(other.services["web"], name), name
    assert set(web.mounts) == set(other.services["web"].mounts)
    assert web.command == ("run", "--now", "a b")
    assert web.environment == {"FROM_FILE": "yes", "A": "1", "B": "two", "EMPTY": ""}
    assert web.ports == (Port(container=80, host=8080, address="127.0.0.1"), Port(container=9000))
    assert Mount(kind="tmpfs", target="/run", tmpfs_size=64 * 1024 * 1024, tmpfs_mode=0o1777) in web.mounts
    assert Mount(kind="bind", target="/app", source=str(tmp_path / "app")) in web.mounts
    assert web.depends_on == (Dependency(service="db"),)
    assert web.labels == {"a": "b", "c": ""}
    assert web.secrets == (FileMount(source="token", target="/run/secrets/token"),)
    assert web.configs == (FileMount(source="settings", target="/settings"),)
    assert web.extra_hosts == {"a": "10.0.0.1", "b": "::1"}
    assert web.ulimits == {"nofile": Ulimit(soft=1024, hard=1024)}
    assert one.secrets["token"].file == tmp_path / "token"


def test_scalars_of_a_service(tmp_path):
    service = load(
        tmp_path,
        """
services:
  web:
    image: nginx
    restart: on-failure:3
    container_name: web-1
    hostname: web.local
    init: true
    user: "1000:1000"
    working_dir: /srv
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    read_only: true
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    privileged: "true"
    platform: linux/amd64
    pull_policy: if_not_present
    pid: host
    security_opt: [no-new-privileges]
    shm_size: 1gb
    network_mode: host
    stdin_open: true
    tty: true
    logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}
    deploy: {resources: {limits: {cpus: "0.50", memory: 50M, pids: 10}}}
    healthcheck: {test: [CMD, "true"], interval: 1m30s, timeout: 10s, retries: 5, start_interval: 500ms}
""",
    ).services["web"]
    assert service.restart == Restart(policy="on-failure", maximum=3)
    assert (service.container_name, service.hostname, service.user) == ("web-1", "web.local", "1000:1000")
    assert (service.init, service.read_only, service.privileged, service.tty, service.stdin_open) == (True,) * 5
    assert (service.stop_grace_period, service.stop_signal, service.pull_policy) == (90.0, "SIGINT", "missing")
    assert (service.cpus, service.memory, service.pids_limit, service.shm_size) == (0.5, 50 << 20, 10, 1 << 30)
    assert service.networks == ()
    assert service.logging is not None
    assert service.logging.options == {"max-size": "10m", "max-file": "3"}
    assert service.healthcheck is not None
    assert (service.healthcheck.interval, service.healthcheck.start_interval) == (90.0, 0.5)


def test_environment_text_is_what_compose_makes_of_it(tmp_path):
    text = "services: {a: {image: x, environment: {T: true, N: 1.10, M: 1000000.0, I: 0x10, O: 22:22, Y: yes, Z: }}}"
    environment = load(tmp_path, text, environ={"Z": "shell"}).services["a"].environment
    assert environment == {"T": "true", "N": "1.1", "M": "1e+06", "I": "16", "O": "22:22", "Y": "yes", "Z": "shell"}


def test_name_without_value_is_left_out_where_the_shell_lacks_it(tmp_path):
    (tmp_path / "e.env").write_text("KEPT=1\nGONE=2\n")
    stack = load(tmp_path, "services: {a: {image: x, env_file: e.env, environment: [GONE]}}")
    assert stack.services["a"].environment == {"KEPT": "1"}


def test_dotenv_stands_behind_the_environment(tmp_path):
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    stack = load(
        tmp_path, "services: {a: {image: '$A-$B-${COMPOSE_PROJECT_NAME}'}}\nname: demo", environ={"A": "shell"}
    )
    assert stack.services["a"].image == "shell-file-demo"


def test_links_and_shared_namespaces_are_dependencies(tmp_path):
    text = "services: {a: {image: x, links: [b, 'c:c'], network_mode: 'service:d', pid: 'service:b', depends_on: [c]}"
    stack = load(tmp_path, text + ", b: {image: x}, c: {image: x}, d: {image: x}}")
    assert stack.services["a"].depends_on == (
        Dependency(service="c"),
        Dependency(service="d", restart=True),
        Dependency(service="b", restart=True),
    )


def test_optional_dependency_on_an_inactive_service_is_left_out(tmp_path):
    text = "services: {a: {image: x, depends_on: {b: {required: false}}}, b: {image: x, profiles: [p]}}"
    assert load(tmp_path, text).services["a"].depends_on == ()
    assert load(tmp_path, text, profiles=["p"]).services["a"].depends_on == (Dependency(service="b", required=False),)


def test_secret_of_a_variable_holds_its_value_and_does_not_show_it(tmp_path):
    (tmp_path / ".env").write_text("TOKEN=hidden\n")
    text = "services: {a: {image: x}}\nsecrets: {t: {environment: TOKEN}, u: {environment: NOPE}}"
    secrets = load(tmp_path, text).secrets
    assert (secrets["t"].value, secrets["u"].value) == ("hidden", None)
    assert "hidden" not in repr(secrets)


def test_options_of_mounts(tmp_path):
    text = """
services:
  a:
    image: x
    volumes:
      - ./a:/a:Z,rshared,ro
      - v:/v:z,nocopy,cached
      - {type: bind, source: ./b, target: /b/../c/, bind: {create_host_path: false, propagation: slave, selinux: z}}
      - {type: volume, source: v, target: /w, volume: {nocopy: true}}
      - {type: tmpfs, target: /t, tmpfs: {size: 1mb, mode: 0o755}}
    tmpfs: ["/u:ro,mode=700", "/x:rw"]
    secrets: [{source: s, mode: "400"}, {source: s, target: /abs, mode: 0440, uid: "10", gid: 11}]
    configs: [{source: c, target: sub/c, mode: 292}]
volumes: {v: }
secrets: {s: {file: s}}
configs: {c: {content: c}}
"""
    service = load(tmp_path, text).services["a"]
    assert service.mounts == (
        Mount(kind="bind", source=str(tmp_path / "a"), target="/a", selinux="Z", propagation="rshared", read_only=True),
        Mount(kind="volume", source="v", target="/v", selinux="z", nocopy=True),
        Mount(
            kind="bind",
            source=str(tmp_path / "b"),
            target="/c",
            create_host_path=False,
            propagation="slave",
            selinux="z",
        ),
        Mount(kind="volume", source="v", target="/w", nocopy=True),
        Mount(kind="tmpfs", target="/t", tmpfs_size=1 << 20, tmpfs_mode=0o755),
        Mount(kind="tmpfs", target="/u", read_only=True, tmpfs_mode=0o700),
        Mount(kind="tmpfs", target="/x"),
    )
    assert service.secrets == (
        FileMount(source="s", target="/run/secrets/s", mode=0o400),
        FileMount(source="s", target="/abs", mode=0o440, uid="10", gid="11"),
    )
    assert service.configs == (FileMount(source="c", target="/sub/c", mode=0o444),)


def test_ports_in_all_their_forms(tmp_path):
    text = """
services:
  a:
    image: x
    ports:
      - 80
      - "81"
      - "82/udp"
      - "8083:83"
      - "127.0.0.1:8084:84"
      - "127.0.0.1::85"
      - "[::1]:8086:86"
      - "87-88"
      - "8089-8090:89-90"
      - "8100-8110:91"
      - {target: 92, published: 8092, host_ip: 10.0.0.1, protocol: udp, mode: host, name: n, app_protocol: http}
      - {target: 93, published: "8200-8210"}
      - {target: 94, published: "0"}
    expose: [1, "2", "3-4", 5/tcp]
"""
    service = load(tmp_path, text).services["a"]
    assert service.ports == (
        Port(container=80),
        Port(container=81),
        Port(container=82, protocol="udp"),
        Port(container=83, host=8083),
        Port(container=84, host=8084, address="127.0.0.1"),
        Port(container=85, address="127.0.0.1"),
        Port(container=86, host=8086, address="::1"),
        Port(container=87),
        Port(container=88),
        Port(container=89, host=8089),
        Port(container=90, host=8090),
        Port(container=91, host=8100, host_last=8110),
        Port(container=92, host=8092, address="10.0.0.1", protocol="udp", mode="host", name="n", app_protocol="http"),
        Port(container=93, host=8200, host_last=8210),
        Port(container=94),
    )
    assert service.expose == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    "ports",
    [
        "['80:80', '80:80/udp']",
        "['127.0.0.1:80:80', '10.0.0.1:80:80']",
        "['0.0.0.0:80:80', '[::]:80:80']",
        "['80:80', '80:80']",
        "['8000-8010:80', '8000-8010:81']",
        "['81', '81']",
    ],
)
def test_ports_that_do_not_collide(tmp_path, ports):
    assert load(tmp_path, f"services: {{a: {{image: x, ports: {ports}}}}}").services["a"].ports


@pytest.mark.parametrize(
    "ports",
    [
        "['80:80', '80:81']",
        "['80:80', '127.0.0.1:80:81']",
        "['0.0.0.0:80:80', '10.0.0.1:80:81']",
        "['[::]:1:1', '[::1]:1:2']",
    ],
)
def test_ports_that_collide(tmp_path, ports):
    with pytest.raises(StackFileError, match="is already published by a"):
        load(tmp_path, f"services: {{a: {{image: x, ports: {ports}}}}}")


def test_resources_at_the_top(tmp_path):
    text = """
services:
  a:
    image: x
    networks:
      n: {aliases: [b], ipv4_address: 10.1.0.2, mac_address: "02:42:ac:11:65:43", priority: 1}
      m: {priority: 5}
networks:
  n: {name: real, driver: bridge, driver_opts: {a: 1}, internal: true, attachable: true, enable_ipv6: true,
      labels: [l=1], ipam: {driver: default, config: [{subnet: 10.1.0.0/16}]}}
  m: {external: true}
  old: {external: {name: other}}
volumes: {v: {name: real, driver: local, driver_opts: {type: tmpfs}, labels: {l: 1}}, w: {external: true, name: x}, u: }
configs: {c: {environment: HOME}}
"""
    stack = load(tmp_path, text)
    network = stack.networks["n"]
    assert (network.name, network.driver, network.driver_opts, network.labels) == (
        "real",
        "bridge",
        {"a": "1"},
        {"l": "1"},
    )
    assert (network.internal, network.attachable, network.enable_ipv6, network.pools) == (
        True,
        True,
        True,
        (AddressPool(subnet="10.1.0.0/16"),),
    )
    assert (stack.networks["m"].external, stack.networks["m"].name) == (True, "m")
    assert (stack.networks["old"].external, stack.networks["old"].name) == (True, "other")
    assert (stack.volumes["v"].name, stack.volumes["v"].driver_opts) == ("real", {"type": "tmpfs"})
    assert (stack.volumes["w"].external, stack.volumes["w"].name, stack.volumes["u"].name) == (True, "x", None)
    assert [attachment.network for attachment in stack.services["a"].networks] == ["m", "n"]
    assert stack.services["a"].networks[1].aliases == ("b",)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("restart: always", Restart(policy="always")),
        ("restart: no", Restart()),
        ("restart: on-failure", Restart(policy="on-failure")),
        ("deploy: {restart_policy: {condition: any}}", Restart(policy="always")),
        ("deploy: {restart_policy: {}}", Restart(policy="always")),
        ("deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}", Restart(policy="on-failure", maximum=2)),
        ("deploy: {restart_policy: {condition: none}}", Restart()),
        ("restart: always\n    deploy: {restart_policy: {condition: none}}", Restart()),
    ],
)
def test_restart(tmp_path, written, expected):
    assert load(tmp_path, f"services:\n  a:\n    image: x\n    {written}\n").services["a"].restart == expected


def test_profiles(tmp_path):
    text = "services: {a: {image: x}, b: {image: x, profiles: [p]}, c: {image: x, profiles: [q]}}"
    assert load(tmp_path, text).inactive == ("b", "c")
    assert list(load(tmp_path, text, profiles=["p"]).services) == ["a", "b"]
    assert list(load(tmp_path, text, profiles=["*"]).services) == ["a", "b", "c"]
    assert list(load(tmp_path, text, environ={"COMPOSE_PROFILES": "p, q"}).services) == ["a", "b", "c"]
    assert list(load(tmp_path, text, environ={"COMPOSE_PROFILES": "p"}, profiles=["q"]).services) == ["a", "c"]
    assert list(load(tmp_path, text, services=["c"]).services) == ["a", "c"]


def test_service_that_is_not_there_is_named_with_the_nearest(tmp_path):
    with pytest.raises(UnknownName) as caught:
        load(tmp_path, "services: {gateway: {image: x}}", services=["gatway"])
    assert "gateway" in caught.value.hint


def test_documents_of_one_file_are_merged(tmp_path):
    stack = load(tmp_path, "services: {a: {image: x}}\n---\nservices: {a: {image: y}, b: {image: z}}\n")
    assert {name: service.image for name, service in stack.services.items()} == {"a": "y", "b": "z"}


def test_origins(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  a:\n    image: x:${TAG}\n    ports: ['80:${P:-81}']\n    env_file: e.env\n")
    (tmp_path / ".env").write_text("\nTAG=1\n")
    (tmp_path / "e.env").write_text("X=1\n")
    _, origins = load_with_origins([path], environ={"P": "82"})
    assert origins.of("services.a.image").endswith(f"compose.yaml:3:12 ($TAG from {tmp_path}/.env:2:1)")
    assert origins.of("services.a.ports[0].target").endswith("compose.yaml:4:13 ($P from the environment)")
    assert origins.of("services.a.environment.X") == f"{tmp_path}/e.env:1:1 (env_file[0])"
    assert origins.of("services.a.restart") == "default"


def test_all_errors_are_collected_in_order_of_place(tmp_path):
    with pytest.raises(StackFileError) as caught:
        load(tmp_path, "services:\n  a:\n    imag: x\n    ports: [x]\n    tty: 3\n  b:\n    image: ${A:?no}\n")
    error = caught.value
    found = [(error.location.line, error.key), *((other.location.line, other.key) for other in error.others)]
    assert found == [
        (3, "services.a.imag"),
        (4, "services.a.ports[0]"),
        (5, "services.a.tty"),
        (7, "services.b.image"),
    ]
    assert error.hint == "did you mean 'image'?"

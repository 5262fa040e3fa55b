"""Several files: the Compose Spec's merge rules, ``!reset`` and ``!override``."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import StackFileError
from devenv.model.stack import Port, Stack
from devenv.stack import load_stack


def load(tmp_path: Path, *texts: str, **options) -> Stack:
    files = []
    for index, text in enumerate(texts):
        path = tmp_path / f"{index}.yaml"
        path.write_text(text)
        files.append(path)
    return load_stack(files, environ={}, **options)


def service(tmp_path: Path, *bodies: str):
    texts = [f"services: {{a: {{{'image: x, ' if i == 0 else ''}{body}}}}}" for i, body in enumerate(bodies)]
    return load(tmp_path, *texts).services["a"]


def test_scalars_are_replaced_and_mappings_merged(tmp_path):
    stack = load(
        tmp_path,
        "name: one\nservices: {a: {image: x, user: u}}\nnetworks: {n: {driver: bridge}}",
        "name: two\nservices: {a: {image: y}, b: {image: z}}\nnetworks: {n: {internal: true}}",
    )
    assert (stack.name, list(stack.services)) == ("two", ["a", "b"])
    assert (stack.services["a"].image, stack.services["a"].user) == ("y", "u")
    assert (stack.networks["n"].driver, stack.networks["n"].internal) == ("bridge", True)


def test_lists_are_appended_without_repeats(tmp_path):
    merged = service(tmp_path, "cap_add: [A, B], dns: 1.1.1.1", "cap_add: [B, C], dns: [8.8.8.8, 1.1.1.1]")
    assert merged.cap_add == ("A", "B", "C")
    assert merged.dns == ("1.1.1.1", "8.8.8.8")


def test_pairs_in_either_form_merge_by_name(tmp_path):
    merged = service(
        tmp_path,
        "environment: [A=1, B=1], labels: {l: 1}, build: {args: [X=1]}",
        "environment: {B: 2, C: 2}, labels: [l=2, m=2], build: {args: {Y: 2}}",
    )
    assert merged.environment == {"A": "1", "B": "2", "C": "2"}
    assert merged.labels == {"l": "2", "m": "2"}
    assert merged.build is not None
    assert merged.build.args == {"X": "1", "Y": "2"}


def test_commands_and_healthcheck_tests_are_replaced(tmp_path):
    merged = service(
        tmp_path,
        "command: [a, b], entrypoint: e, healthcheck: {test: [CMD, a], interval: 1s}",
        "command: c, entrypoint: [], healthcheck: {test: d}",
    )
    assert (merged.command, merged.entrypoint) == (("c",), ())
    assert merged.healthcheck is not None
    assert (merged.healthcheck.test, merged.healthcheck.interval) == (("CMD-SHELL", "d"), 1.0)


def test_ports_are_unique_by_all_of_address_host_container_and_protocol(tmp_path):
    merged = service(tmp_path, "ports: ['80:80', '90:90']", "ports: ['80:80', '81:80', '90:90/udp', 127.0.0.1:70:70]")
    assert merged.ports == (
        Port(container=80, host=80),
        Port(container=90, host=90),
        Port(container=80, host=81),
        Port(container=90, host=90, protocol="udp"),
        Port(container=70, host=70, address="127.0.0.1"),
    )


def test_mounts_are_unique_by_target(tmp_path):
    stack = load(
        tmp_path,
        "services: {a: {image: x, volumes: ['v:/v', './a:/a'], tmpfs: /t:size=1m}}\nvolumes: {v: }",
        "services: {a: {volumes: [{type: bind, source: ./b, target: /v}], tmpfs: [/t:size=2m, /u]}}",
    )
    mounts = {mount.target: mount for mount in stack.services["a"].mounts}
    assert list(mounts) == ["/v", "/a", "/t", "/u"]
    assert (mounts["/v"].kind, mounts["/v"].source) == ("bind", str(tmp_path / "b"))
    assert mounts["/t"].tmpfs_size == 2 << 20


def test_secrets_are_unique_by_their_path(tmp_path):
    stack = load(
        tmp_path,
        "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: s}, t: {file: t}}",
        "services: {a: {secrets: [{source: t, target: /run/secrets/s}, t]}}",
    )
    assert [(m.source, m.target) for m in stack.services["a"].secrets] == [
        ("t", "/run/secrets/s"),
        ("t", "/run/secrets/t"),
    ]


def test_short_dependency_replaces_the_condition_as_in_compose(tmp_path):
    stack = load(
        tmp_path,
        "services: {a: {image: x, depends_on: {b: {condition: service_healthy}}}, b: {image: x}, c: {image: x}}",
        "services: {a: {depends_on: [b, c]}}",
    )
    assert [(d.service, d.condition) for d in stack.services["a"].depends_on] == [
        ("b", "service_started"),
        ("c", "service_started"),
    ]


def test_options_of_another_log_driver_are_dropped(tmp_path):
    same = service(tmp_path, "logging: {driver: d, options: {a: 1}}", "logging: {options: {b: 2}}").logging
    other = service(tmp_path, "logging: {driver: d, options: {a: 1}}", "logging: {driver: e, options: {b: 2}}").logging
    assert same is not None
    assert (same.driver, same.options) == ("d", {"a": "1", "b": "2"})
    assert other is not None
    assert (other.driver, other.options) == ("e", {"b": "2"})


def test_null_overrides_nothing(tmp_path):
    merged = service(tmp_path, "environment: {A: 1}, ports: [80], command: a", "environment: , ports: , command: ")
    assert (merged.environment, len(merged.ports), merged.command) == ({"A": "1"}, 1, ("a",))


def test_x_devenv_mappings_merge_and_its_lists_are_replaced(tmp_path):
    stack = load(
        tmp_path,
        "services: {a: {image: x, x-devenv: {process: {command: [a, b], cwd: c}}}, b: {image: x}}\n"
        "x-devenv: {canary: {path: /a, services: [a]}}",
        "services: {a: {x-devenv: {process: {command: [d]}}}}\nx-devenv: {canary: {services: [b]}}",
    )
    assert stack.x.canary is not None
    assert (stack.x.canary.path, stack.x.canary.services) == ("/a", ("b",))
    process = stack.services["a"].x.process
    assert process is not None
    assert (process.command, process.cwd) == (("d",), "c")


def test_reset_and_override(tmp_path):
    merged = service(
        tmp_path,
        "environment: {A: 1, B: 1}, ports: ['80:80'], labels: {a: 1}, command: c",
        "environment: {A: !reset null}, ports: !override ['81:81'], labels: !reset {}, command: !reset null",
    )
    assert merged.environment == {"B": "1"}
    assert merged.ports == (Port(container=81, host=81),)
    assert (merged.labels, merged.command) == ({}, None)


def test_what_was_reset_can_be_set_again(tmp_path):
    merged = service(tmp_path, "environment: {A: 1}", "environment: !reset {}", "environment: {B: 3}")
    assert merged.environment == {"B": "3"}


def test_service_can_be_removed(tmp_path):
    stack = load(tmp_path, "services: {a: {image: x}, b: {image: x}}", "services: {b: !reset null}")
    assert list(stack.services) == ["a"]


def test_shapes_that_cannot_merge(tmp_path):
    with pytest.raises(StackFileError) as caught:
        service(tmp_path, "healthcheck: {test: x}", "healthcheck: [x]")
    error = caught.value
    assert error.message == f"{tmp_path}/1.yaml:1:29: cannot be merged with the value at {tmp_path}/0.yaml:1:39"
    assert error.key == "services.a.healthcheck"
    assert "!override" in error.hint


def test_error_points_into_the_file_that_the_value_came_from(tmp_path):
    with pytest.raises(StackFileError, match=r"1\.yaml:1:21: "):
        service(tmp_path, "tty: true", "tty: maybe")


def test_relative_paths_start_at_the_first_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.env").write_text("WRONG=1")
    (tmp_path / "e.env").write_text("RIGHT=1")
    first, second = tmp_path / "compose.yaml", tmp_path / "sub" / "more.yaml"
    first.write_text("services: {a: {image: x}}")
    second.write_text("services: {a: {env_file: e.env, volumes: [./d:/d], build: b}}")
    merged = load_stack([first, second], environ={})
    assert merged.directory == tmp_path
    assert merged.files == (first, second)
    assert merged.services["a"].environment == {"RIGHT": "1"}
    assert merged.services["a"].mounts[0].source == str(tmp_path / "d")
    assert merged.services["a"].build is not None
    assert merged.services["a"].build.context == tmp_path / "b"


@pytest.mark.parametrize("case", ["everything", "merged", "dotenv", "profiles", "directives"])
def test_merging_a_file_with_itself_changes_nothing(case):
    path = Path(__file__).parents[2] / "fixtures" / "compose" / case / "compose.yaml"
    environ = {"HOME": "/home/somebody", "OVERRIDDEN": "x", "COMPOSE_PROFILES": "*"}
    once, twice = load_stack([path], environ=environ), load_stack([path, path], environ=environ)
    assert twice.services == once.services
    assert (twice.networks, twice.volumes, twice.secrets) == (once.networks, once.volumes, once.secrets)

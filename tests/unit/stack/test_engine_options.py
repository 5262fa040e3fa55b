"""Keys that only the engine acts on: read in Compose's long form, merged, and kept in the dump."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devenv.model.stack import Dependency, Service
from devenv.stack import load_stack, load_with_origins
from devenv.stack.dump import dump, yaml_text


def service(place: Path, text: str, *further: str) -> Service:
    files = []
    for index, each in enumerate((f"services: {{a: {{image: x, {text}}}, b: {{image: y}}}}\n", *further)):
        files.append(place / f"{index}.yaml")
        files[-1].write_text(each)
    return load_stack(files, environ={}).services["a"]


def options(place: Path, text: str, *further: str) -> dict[str, Any]:
    return dict(service(place, text, *further).options)


def test_short_forms_become_long_ones(tmp_path: Path) -> None:
    text = "devices: [/dev/a, '/dev/b:/dev/c:r'], gpus: all, sysctls: [n.a=1], dns_search: s, mem_reservation: 64m"
    assert options(tmp_path, text) == {
        "devices": [
            {"source": "/dev/a", "target": "/dev/a", "permissions": "rwm"},
            {"source": "/dev/b", "target": "/dev/c", "permissions": "r"},
        ],
        "gpus": [{"count": -1}],
        "sysctls": {"n.a": "1"},
        "dns_search": ["s"],
        "mem_reservation": "67108864",
    }


def test_a_later_file_replaces_a_device_by_its_target_and_adds_a_sysctl(tmp_path: Path) -> None:
    later = "services: {a: {devices: ['/dev/z:/dev/b'], sysctls: {n.b: 2}}}\n"
    found = options(tmp_path, "devices: ['/dev/a:/dev/b:r', /dev/c], sysctls: [n.a=1]", later)
    assert [device["source"] for device in found["devices"]] == ["/dev/z", "/dev/c"]
    assert found["sysctls"] == {"n.a": "1", "n.b": "2"}


def test_who_is_linked_or_shared_with_starts_first(tmp_path: Path) -> None:
    for text in ("links: ['b:database']", "ipc: 'service:b'"):
        assert service(tmp_path, text).depends_on == (Dependency(service="b", restart=True),), text
    # Volumes outlive a restart, as Compose sees it.
    assert service(tmp_path, "volumes_from: ['b:ro']").depends_on == (Dependency(service="b"),)
    assert service(tmp_path, "volumes_from: ['container:other:ro']").depends_on == ()


def test_reserved_devices_are_requests(tmp_path: Path) -> None:
    text = "deploy: {resources: {reservations: {memory: 1m, devices: [{capabilities: [gpu], count: all}]}}}"
    assert options(tmp_path, text) == {"reserved_devices": [{"capabilities": ["gpu"], "count": -1}]}


def test_labels_of_files_give_way_to_labels(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "two").write_text("B=2\n")
    found = service(tmp_path, "label_file: [one, two], labels: {C: own}")
    assert dict(found.labels) == {"A": "1", "B": "2", "C": "own"}
    _, origins = load_with_origins([tmp_path / "0.yaml"], environ={})
    assert origins.of("services.a.labels.B").endswith("two:1:1 (label_file[1])")
    assert origins.of("services.a.labels.C").endswith("0.yaml:1:62")


def test_the_dump_is_read_as_the_same_stack(tmp_path: Path) -> None:
    text = (
        "attach: false, links: ['b:c'], cpu_shares: 3, oom_score_adj: -5, memswap_limit: -1, "
        "blkio_config: {weight: 20}, "
        "develop: {watch: [{path: ., action: rebuild, ignore: x}]}, gpus: [{driver: d, options: [a=b]}]"
    )
    first = service(tmp_path, text)
    stack = load_stack([tmp_path / "0.yaml"], environ={})
    (tmp_path / "again.yaml").write_text(yaml_text(dump(stack)))
    again = load_stack([tmp_path / "again.yaml"], environ={}).services["a"]
    assert (again.options, again.develop, again.attach) == (first.options, first.develop, False)
    assert first.develop == {"watch": [{"path": str(tmp_path), "action": "rebuild", "ignore": ["x"]}]}

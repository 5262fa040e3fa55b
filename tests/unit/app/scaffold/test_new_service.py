"""`devenv new service` on the sample and on stacks of others: what it writes, and that it writes all or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from devenv.app.invocation import Invocation
from devenv.app.scaffold import changes, templates
from devenv.app.scaffold import new_service as use_case
from devenv.app.scaffold.new_service import ServiceWish, new_service
from devenv.errors import ConfigurationError, DevenvError, EnvironmentFailure, UnknownName, UsageError
from devenv.model.scaffold import NewServiceDocument
from devenv.stack import discovery, load_stack

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "stacks" / "sample"
GOLDEN = ROOT / "tests" / "fixtures" / "new_service" / "sample-orders.diff"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample as a separate project."""
    folder = tmp_path / "shop"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def add(folder: Path, name: str = "orders", *, dry_run: bool = False, **wish: object) -> NewServiceDocument:
    wanted = ServiceWish(name=name, **wish)  # type: ignore[arg-type]
    return new_service(Invocation(directory=folder, environ={}), wanted, dry_run=dry_run)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed_lines(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[0] in "+-"]


def test_the_edits_are_added_lines_only(project: Path) -> None:
    diff = add(project, upstreams=("user",), dry_run=True).diff
    assert changed_lines(diff) == GOLDEN.read_text().splitlines()


def test_a_dry_run_writes_nothing(project: Path) -> None:
    before = contents(project)
    document = add(project, upstreams=("user",), dry_run=True)
    assert contents(project) == before
    assert "orders/app.py" in document.created
    assert document.edited == ["gateway/config.yaml", "compose.yaml"]


def test_it_writes_what_the_document_says(project: Path) -> None:
    before = contents(project)
    document = add(project, upstreams=("user",))
    after = contents(project)
    assert set(after) - set(before) == set(document.created)
    assert {name for name in before if after[name] != before[name]} == set(document.edited)
    assert (document.port, document.package, document.by_hand) == (8083, "orders", [])
    assert any(name.startswith("vendor/devenv_otel-") for name in document.created)
    stack = load_stack([project / "compose.yaml"], environ={})
    assert stack.x.canary is not None
    assert stack.x.canary.services == ("gateway", "auth", "user", "orders")
    others = {name: each.services for name, each in stack.x.load.scenarios.items()}
    assert others.pop("profile") == stack.x.canary.services
    assert set(others.values()) == {("gateway", "auth", "user")}
    assert stack.services["orders"].environment["USER_URL"] == "http://user:8082"
    assert stack.services["orders"].environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"


def test_a_second_one_asks_the_first_and_leaves_the_library_alone(project: Path) -> None:
    add(project)
    wheel = next((project / "vendor").iterdir())
    stamp = wheel.stat().st_mtime_ns
    document = add(project, "order-items", template="python/fastapi", upstreams=("orders", "gateway"))
    assert (document.port, document.package) == (8084, "order_items")
    assert wheel.stat().st_mtime_ns == stamp
    compose = yaml.safe_load((project / "compose.yaml").read_text())["services"]
    # The gateway waits for the service, so the service does not wait for the gateway.
    assert list(compose["order-items"]["depends_on"]) == ["orders"]
    assert compose["gateway"]["environment"]["ORDER_ITEMS_URL"] == "http://order-items:8084"
    config = yaml.safe_load((project / "order_items" / "config.yaml").read_text())
    assert config["upstreams"] == {"orders": "http://127.0.0.1:8083", "gateway": "http://127.0.0.1:8080"}
    gateway = yaml.safe_load((project / "gateway" / "config.yaml").read_text())
    assert gateway["profile"]["include"] == ["orders", "order-items"]
    assert gateway["routes"][-1] == {
        "prefix": "/api/order-items",
        "upstream": "order-items",
        "path": "",
        "authenticate": True,
    }


def test_an_older_library_gives_way_to_this_one(project: Path) -> None:
    (project / "vendor").mkdir()
    (project / "vendor" / "devenv_otel-0.0.1-py3-none-any.whl").write_text("old")
    (project / "vendor" / "other-1-py3-none-any.whl").write_text("somebody else's")
    document = add(project)
    assert document.removed == ["vendor/devenv_otel-0.0.1-py3-none-any.whl"]
    assert len(list((project / "vendor").iterdir())) == 2
    wheel = next((project / "vendor").glob("devenv_otel-*"))
    wheel.write_text("of the same version, but not this one")
    assert f"vendor/{wheel.name}" in add(project, "second").edited
    assert wheel.stat().st_size > 1000


@pytest.mark.parametrize("name", ["gateway/config.yaml", "compose.yaml"])
def test_line_ends_and_mode_of_an_edited_file_stay(project: Path, name: str) -> None:
    path = project / name
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    path.chmod(0o640)
    add(project)
    assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    assert path.stat().st_mode & 0o777 == 0o640


FOREIGN = """\
services: # of a shop
  web:
    image: web # pinned elsewhere
    ports: ["8080:80"]
"""


def test_in_a_stack_without_a_gateway_nothing_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FOREIGN)
    document = add(tmp_path, upstreams=("web",))
    text = (tmp_path / "compose.yaml").read_text()
    assert text.startswith(FOREIGN)
    block = yaml.safe_load(text)["services"]["orders"]
    assert block["environment"] == {"OTEL_SERVICE_NAME": "orders", "WEB_URL": "http://web:80"}
    assert block["depends_on"] == {"web": {"condition": "service_started"}}
    assert document.edited == ["compose.yaml"]
    assert "ORDERS_URL: http://orders:8081" in document.by_hand[0]


def test_a_network_that_is_not_shared_is_named(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(f"{FOREIGN}    networks: [front, back]\nnetworks: {{front: , back: }}\n")
    document = add(tmp_path, upstreams=("web",))
    assert document.by_hand[-1] == "add services.orders to the networks [front, back] of web"


def test_a_service_without_upstreams_waits_for_nobody(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FOREIGN)
    add(tmp_path)
    assert "depends_on" not in (tmp_path / "compose.yaml").read_text()
    assert "upstreams: {}" in (tmp_path / "orders" / "config.yaml").read_text()


def test_an_anchor_that_comes_later_is_not_referred_to(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(FOREIGN + "x-tracing: &tracing\n  A: b\n")
    add(tmp_path)
    assert "*tracing" not in (tmp_path / "compose.yaml").read_text()


GATEWAY = "upstreams: {}\nroutes: []\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("", {"ORDERS_URL": "http://orders:8081"}),
        ("environment: [A=b]", ["A=b", "ORDERS_URL=http://orders:8081"]),
        ("environment: {A: b}", {"A": "b", "ORDERS_URL": "http://orders:8081"}),
    ],
)
def test_a_gateway_is_wired_however_its_block_is_written(environment: str, expected: object, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "config.yaml").write_text(GATEWAY)
    depends = "depends_on: [db]" if environment else ""
    lines = [line for line in ("services:", "  db: {image: db}", "  web:", "    image: web") if line]
    lines += [f"    {line}" for line in (environment, depends, "expose: [8080]") if line]
    (tmp_path / "compose.yaml").write_text("\n".join([*lines, ""]))
    document = add(tmp_path)
    web = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"]["web"]
    assert web["environment"] == expected
    assert web["depends_on"] == (["db", "orders"] if environment else ["orders"])
    assert "no profile.include" in document.by_hand[0]
    config = yaml.safe_load((tmp_path / "web" / "config.yaml").read_text())
    assert config["upstreams"] == {"orders": "http://127.0.0.1:8081"}
    assert [route["prefix"] for route in config["routes"]] == ["/api/orders"]


def test_a_canary_that_goes_elsewhere_is_left_alone(project: Path) -> None:
    compose = project / "compose.yaml"
    compose.write_text(compose.read_text().replace("path: /api/profile", "path: /api/overview", 1))
    document = add(project)
    assert "does not reach orders" in document.by_hand[0]
    assert "services: [gateway, auth, user]" in compose.read_text()


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        ({"name": "auth"}, UsageError, "service 'auth' already exists"),
        ({"name": "users"}, ConfigurationError, r"gateway/config.yaml:\d+:\d+: route /api/users already exists"),
        ({"name": "overview"}, ConfigurationError, "gateway handles /api/overview itself"),
        ({"port": 8081}, UsageError, "used by auth"),
        ({"upstreams": ("usr",)}, UnknownName, "no service 'usr'"),
        ({"template": "python/flask"}, UnknownName, "available: python/fastapi, python/starlette"),
        ({"template": "python/shared"}, UnknownName, "no template 'python/shared'"),
    ],
)
def test_a_mistake_changes_nothing(project: Path, wish: dict[str, object], error: type[DevenvError], said: str) -> None:
    before = contents(project)
    with pytest.raises(error, match=said):
        add(project, **{"name": "orders", **wish})  # type: ignore[arg-type]
    assert contents(project) == before


@pytest.mark.parametrize(
    ("file", "found", "instead", "said"),
    [
        ("compose.yaml", "services:\n  gateway:", "services: !x\n  gateway:", "compose.yaml"),
        (
            "compose.yaml",
            "      AUTH_URL:",
            "      ORDERS_URL: http://x\n      AUTH_URL:",
            r"cannot edit .*ORDERS_URL here",
        ),
        ("gateway/config.yaml", "upstreams:", "upstreams: [", "gateway/config.yaml"),
        ("gateway/config.yaml", "  auth:", "  orders: http://x\n  auth:", r"cannot edit .*orders here"),
    ],
)
def test_a_file_that_cannot_be_edited_changes_nothing(
    project: Path, file: str, found: str, instead: str, said: str
) -> None:
    path = project / file
    path.write_text(path.read_text().replace(found, instead, 1))
    before = contents(project)
    with pytest.raises(ConfigurationError, match=said):
        add(project)
    assert contents(project) == before


def test_an_edit_that_the_loader_refuses_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = templates.render("python/starlette", service="orders", module="orders", port=8083)
    broken = templates.Rendered(files=rendered.files, block=rendered.block.replace("expose:", "exposed:"))
    monkeypatch.setattr(use_case, "render", lambda *_, **__: broken)
    before = contents(project)
    with pytest.raises(ConfigurationError, match=r"compose\.yaml:\d+:\d+.*exposed"):
        add(project)
    assert contents(project) == before


@pytest.mark.parametrize("failing", range(16))
def test_a_write_that_fails_undoes_the_others(project: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    (project / "vendor").mkdir()
    (project / "vendor" / "devenv_otel-0.0.1-py3-none-any.whl").write_text("old")
    before, real, calls = contents(project), changes.replace_file, iter(range(100))

    def write(path: Path, content: bytes) -> None:
        if next(calls) == failing:
            raise EnvironmentFailure(f"{path} cannot be written: the disk is full")
        real(path, content)

    monkeypatch.setattr(changes, "replace_file", write)
    total = len(add(project, dry_run=True).created) + 2
    if failing >= total:
        add(project)
        return
    with pytest.raises(EnvironmentFailure, match="the disk is full"):
        add(project)
    assert contents(project) == before
    assert not (project / "orders").exists()


def test_a_file_that_somebody_edits_meanwhile_is_not_overwritten(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = use_case.load_found
    compose = project / "compose.yaml"

    def load(*which: object, texts: object, **more: object) -> object:
        if texts:
            compose.write_text(compose.read_text() + "# mine\n")
        return real(*which, texts=texts, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(use_case, "load_found", load)
    with pytest.raises(ConfigurationError, match="the file changed while devenv was editing it"):
        add(project)
    assert compose.read_text().endswith("# mine\n")
    assert not (project / "orders").exists()


def test_a_stack_that_came_with_devenv_is_not_edited(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="belongs to devenv") as caught:
        add(tmp_path)
    assert "devenv init" in caught.value.hint


def test_a_stack_inside_an_installed_wheel_is_not_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "site-packages" / "devenv" / "_stacks"
    shutil.copytree(SAMPLE, installed / "sample", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (discovery, use_case):
        monkeypatch.setattr(module, "shipped_stacks", lambda: installed)
    before = contents(installed)
    file = installed / "sample" / "compose.yaml"
    with pytest.raises(UsageError, match="belongs to devenv"):
        new_service(Invocation(directory=tmp_path, files=(file,)), ServiceWish(name="orders"))
    assert contents(installed) == before


@pytest.fixture
def installed_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "_stacks"
    shutil.copytree(ROOT / "stacks" / "templates", folder / "templates")
    monkeypatch.setattr(templates, "shipped_templates", lambda: folder / "templates")
    return folder


def test_templates_are_no_stacks_and_leftovers_are_no_templates(installed_templates: Path) -> None:
    shared = installed_templates / "templates" / "service" / "python" / "shared"
    for name in ("__pycache__/app.cpython-311.pyc", ".app.py.swp", "app.py~"):
        (shared / name).parent.mkdir(exist_ok=True)
        (shared / name).write_bytes(b"\xff")
    (shared.parent / "__pycache__").mkdir(exist_ok=True)
    assert templates.template_names() == ("python/fastapi", "python/starlette")
    rendered = templates.render("python/fastapi", service="a-b", module="a_b", port=1234)
    assert "tests/test_a_b.py" in {str(path) for path in rendered.files}
    assert not [path for path, text in rendered.files.items() if "__module__" in text or "__service__" in text]
    assert "templates" not in {stack.name for stack in discovery.list_stacks(ROOT)}


def test_the_file_that_the_options_name_is_the_one_that_is_edited(project: Path, tmp_path: Path) -> None:
    (project / "more.yaml").write_text("services:\n  extra: {image: extra, profiles: [never]}\n")
    invocation = Invocation(directory=tmp_path, files=(project / "compose.yaml", project / "more.yaml"))
    document = new_service(invocation, ServiceWish(name="orders"))
    assert document.folder == str(project)
    assert document.next[-1].startswith("devenv -f ")
    with pytest.raises(UsageError, match="service 'extra' already exists"):
        new_service(invocation, ServiceWish(name="extra"))

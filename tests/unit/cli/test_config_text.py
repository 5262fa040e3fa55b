"""What `devenv config` prints is a stack file again."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from devenv.cli.main import app


def test_what_config_prints_is_the_same_stack_again(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services: {web: {image: i, command: ['sh', '-c', 'echo $$HOME at 22:22'], environment: {ON: 'on'}}}\n"
    )
    first = CliRunner().invoke(app, ["-C", str(tmp_path), "config"])
    assert first.exit_code == 0, first.output
    assert "$$HOME" in first.stdout
    file.write_text(first.stdout)
    assert CliRunner().invoke(app, ["-C", str(tmp_path), "config"]).stdout == first.stdout

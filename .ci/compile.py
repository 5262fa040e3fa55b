"""Compiles the optional part of the tracing library, `devenv/tracing/_speed.c`, for the Python that runs this.

usage: python .ci/compile.py [DIRECTORY]

The default directory is that of the source, where the library finds it. Needs a C compiler (`CC`, or `cc`) and Python's
headers. Ends with 1 if that fails; the library then works without it. `HATCH_BUILD_HOOK_ENABLE_CUSTOM=true` in the
environment of a build of the wheel adds it to the wheel, which is one for this platform and Python then.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "devenv" / "tracing" / "_speed.c"
FLAGS = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wno-unused-function")
LIMIT = 300
"""Seconds that the compiler may take."""


def compiled(folder: Path) -> tuple[Path | None, str]:
    """Return the compiled module in a folder, None if it cannot be compiled, and what the compiler said."""
    made = folder / f"_speed{sysconfig.get_config_var('EXT_SUFFIX')}"
    further = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    command = [*shlex.split(os.environ.get("CC") or "cc"), *FLAGS, *further, f"-I{sysconfig.get_path('include')}"]
    try:
        done = subprocess.run(
            [*command, str(SOURCE), "-o", str(made)], capture_output=True, text=True, check=False, timeout=LIMIT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    return (made if done.returncode == 0 else None), done.stderr


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # this is not a build
    pass
else:

    class CompileHook(BuildHookInterface[Any]):
        """Adds the compiled module to the wheel; hatchling runs it only if the environment asks for it."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile, and make the wheel one for this platform; leave it as it is if that fails."""
            if version != "standard":
                return
            made, said = compiled(Path(tempfile.mkdtemp(prefix="devenv-compile-")))
            if made is None:
                self.app.display_warning(f"devenv.tracing is not compiled, and works without: {said}")
                return
            build_data["force_include"][str(made)] = f"devenv/tracing/{made.name}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


if __name__ == "__main__":
    made_at, message = compiled(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE.parent)
    print(made_at or f"not compiled: {message}", file=sys.stdout if made_at else sys.stderr)
    sys.exit(made_at is None)

"""Traces a program from its start: Python imports this by itself where this folder is first on PYTHONPATH.

`devenv.tracing.launch.environment` gives the variables for it. A `sitecustomize` of the program itself runs first.
"""
# ruff: noqa: INP001 - a folder for PYTHONPATH, not a package

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

HERE = Path(__file__).resolve().parent


def trace_program() -> None:
    """Set tracing up; what goes wrong is logged, and the program runs all the same."""
    try:
        from devenv.tracing import auto

        auto(os.environ.get("DEVENV_TRACING_CONFIG") or None)
    except Exception:  # tracing must not keep a program from running
        logging.getLogger("devenv.tracing").warning("the program is not traced", exc_info=True)


def run_the_programs_own() -> None:
    """Run the `sitecustomize` that this one hides, if there is one."""
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    spec = PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


run_the_programs_own()
trace_program()

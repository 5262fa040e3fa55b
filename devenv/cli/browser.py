"""Starts the user's browser, where there is one."""

from __future__ import annotations

import os
import sys


def open_in_browser(url: str) -> bool:
    """Open ``url`` in the browser that ``BROWSER`` names or that the desktop has; ``False`` where there is none.

    On a machine without a display only ``BROWSER`` counts: text browsers would take the terminal over.
    """
    import webbrowser

    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if not has_display and not os.environ.get("BROWSER"):
        return False
    return webbrowser.open(url)

"""Opens a URL in the user's browser, if there is one."""

from __future__ import annotations

import os
import sys


def open_in_browser(url: str) -> bool:
    """Open ``url`` in the browser of ``BROWSER`` or of the desktop; return ``False`` if there is none.

    On a machine without a display only ``BROWSER`` counts: a text browser would occupy the terminal.
    """
    import webbrowser

    has_display = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if not has_display and not os.environ.get("BROWSER"):
        return False
    return webbrowser.open(url)

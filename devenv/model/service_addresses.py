"""Where the name of a service stands as an address in a text: ``scheme://host[:port]`` and ``host:port``, nowhere else.

A service may be called ``user``, so a name alone means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def address_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Return what finds the addresses of ``names``, of which there must be one.

    Its groups are ``scheme``, with user information, ``host`` and ``port``, or ``bare`` and ``bare_port``.
    """
    hosts = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(
        rf"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/@,]*@)?)(?P<host>{hosts})(?::(?P<port>\d+))?"
        rf"(?![\w.-])|(?<![\w.@:/-])(?P<bare>{hosts}):(?P<bare_port>\d+)(?![\w.-])"
    )

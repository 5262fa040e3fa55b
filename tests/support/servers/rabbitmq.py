"""A real RabbitMQ on a free port of loopback, as a user who is not root, in a folder that is removed after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.database_servers import free_port, private_folder, running


def program() -> str | None:
    """The path of the server's own script: Debian's wrapper would run it as its service's user."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"), reverse=True)
    return next((str(path) for path in found if os.access(path, os.X_OK)), None)


@contextmanager
def rabbitmq_server(script: str) -> Iterator[int]:
    """Its port; the user is `guest`. Erlang's own name server would stay behind, so it is started here."""
    with private_folder() as (folder, options):
        port, names = free_port(), free_port()
        places = {
            f"RABBITMQ_{name}": str(folder / name.lower())
            for name in (
                *("MNESIA_BASE", "LOG_BASE", "ENABLED_PLUGINS_FILE", "CONFIG_FILE", "PID_FILE", "SCHEMA_DIR"),
                *("GENERATED_CONFIG_DIR", "FEATURE_FLAGS_FILE", "PLUGINS_EXPAND_DIR", "CONF_ENV_FILE"),
            )
        }
        environ = {
            **places,
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{port}@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_LOGS": "-",
        }
        own = {**options, "env": environ}
        names_server = ["epmd", "-port", str(names)]
        with running(names_server, folder, names, own), running([script], folder, port, own):
            yield port

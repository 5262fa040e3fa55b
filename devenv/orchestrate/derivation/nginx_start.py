"""``python -m``: starts nginx with a container's configuration, in which ports, paths and addresses are this machine's.

The configuration is edited in a copy; the files of the project stay as they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

UPSTREAMS = "DEVENV_UPSTREAMS"
"""Variable with the addresses on this machine, in the order of ``upstreams``."""
_MAIN = """\
events {}
http {
  include @MIME@;
  default_type application/octet-stream;
  include /etc/nginx/conf.d/*.conf;
}
"""
_TEMPORARY = ("client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path")
"""Directories that an installed nginx has for the system's own server, often without the right to use them."""
_SERVER = "server { listen @PORT@; root /usr/share/nginx/html; index index.html; }\n"
_OURS = re.compile(r"^\s*(?:user|pid|daemon)\s[^;]*;", re.MULTILINE)
_LISTEN = re.compile(r"\blisten\s+((?:\[[^\]]*\]|[\w.*]+):)?(\d+)(?![\w.])")
_RESOLVER = re.compile(r"\bresolver\s[^;]*127\.0\.0\.11\b[^;]*;")
_STREAMS = {"/var/log/nginx/access.log": "/dev/stdout", "/var/log/nginx/error.log": "/dev/stderr"}
_MIME = ("/etc/nginx/mime.types", "/opt/homebrew/etc/nginx/mime.types", "/usr/local/etc/nginx/mime.types")


def edited(text: str, ports: Mapping[int, int], paths: Mapping[str, str], addresses: Mapping[str, str]) -> str:
    """Return a configuration for this machine.

    Args:
        text: for the container.
        ports: of this machine by the container's.
        paths: places on this machine of files and directories of the container.
        addresses: of this machine by ``service:port``.
    """
    text = _RESOLVER.sub("", _OURS.sub("", text))
    for path, place in sorted({**_STREAMS, **paths}.items(), key=lambda item: len(item[0]), reverse=True):
        text = place.join(re.split(rf"(?<![\w./-]){re.escape(path)}(?![\w-])", text))
    for name, address in addresses.items():
        text = re.sub(rf"(?<=[\s/@\"']){re.escape(name)}(?![\w.-])", address, text)

    return _LISTEN.sub(lambda found: _listen(found, ports), text)


def _listen(found: re.Match[str], ports: Mapping[int, int]) -> str:
    host = "[::1]" if (found[1] or "").startswith("[") else "127.0.0.1"
    number = int(found[2])
    return f"listen {host}:{ports[number]}" if number in ports else found[0]


def substituted(template: str, environment: Mapping[str, str]) -> str:
    """Return a template of the image's ``/etc/nginx/templates`` with the variables that are set."""
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: environment.get(found[1] or found[2], found[0]), template)


def main() -> None:
    """Write the configuration below the directory that the first argument names, and become nginx."""
    options = json.loads(sys.argv[1])
    data, paths = Path(options["data"]), dict(options["paths"])
    upstreams = [":".join(parts) for parts in options["upstreams"]]
    addresses = dict(zip(upstreams, os.environ.get(UPSTREAMS, "").split(), strict=False))
    ports = {int(container): int(host) for container, host in options["ports"].items()}
    ports[options["port"]] = int(os.environ["PORT"])
    shutil.rmtree(data, ignore_errors=True)
    (data / "conf.d").mkdir(parents=True)
    (data / "logs").mkdir()
    places = {**paths, "/etc/nginx/conf.d": str(data / "conf.d"), "/var/log/nginx": str(data / "logs")}
    sources = {path: Path(place) for path, place in paths.items()}
    texts = _site(sources, os.environ) or {"default.conf": _SERVER.replace("@PORT@", str(options["port"]))}
    for name, text in texts.items():
        (data / "conf.d" / name).write_text(edited(text, ports, places, addresses), encoding="utf-8")
    given = sources.get("/etc/nginx/nginx.conf")
    mime = next((path for path in _MIME if Path(path).is_file()), "")
    text = _MAIN.replace("include @MIME@;", f"include {mime};" if mime else "")
    text = given.read_text(encoding="utf-8") if given else text
    (data / "nginx.conf").write_text(_with_directories(edited(text, ports, places, addresses), data), encoding="utf-8")
    program = options["program"]
    own = f"daemon off; pid {data}/nginx.pid;"
    if os.geteuid() == 0:  # its workers have to read the project's files
        own += " user root;"
    configuration = str(data / "nginx.conf")
    command = [program, "-p", str(data), "-e", "/dev/stderr", "-c", configuration, "-g", own]
    os.execv(program, command)  # noqa: S606 - no shell is wanted


def _with_directories(text: str, data: Path) -> str:
    own = "".join(f"\n  {name} {data}/{name};" for name in _TEMPORARY if name not in text)
    own += "" if "access_log" in text else "\n  access_log /dev/stdout;"
    return re.sub(r"^(\s*http\s*\{)", lambda found: found[1] + own, text, count=1, flags=re.MULTILINE)


def _site(sources: Mapping[str, Path], environment: Mapping[str, str]) -> dict[str, str]:
    """The files of ``conf.d``, and those that the image makes of its templates."""
    found: dict[str, str] = {}
    for folder, ending in (("/etc/nginx/conf.d", ".conf"), ("/etc/nginx/templates", ".template")):
        for path, place in sources.items():
            files = sorted(place.iterdir()) if path == folder and place.is_dir() else [place]
            if path != folder and not path.startswith(f"{folder}/"):
                continue
            for file in files:
                name = file.name if path == folder else path.rpartition("/")[2]
                if file.is_file() and name.endswith(ending):
                    text = file.read_text(encoding="utf-8")
                    if ending == ".template":
                        name, text = name.removesuffix(".template"), substituted(text, environment)
                    found[name] = text
    return found


if __name__ == "__main__":
    main()

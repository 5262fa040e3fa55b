"""The short form of a service's ``volumes`` and ``tmpfs``: ``[SOURCE:]TARGET[:OPTIONS]``."""

from __future__ import annotations

from dataclasses import field

from devenv.immutable import immutable

GRAMMAR = "[SOURCE:]TARGET[:OPTIONS], such as data:/var/lib/data or ./app:/app:ro"
_PROPAGATIONS = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_COSMETIC = ("cached", "delegated", "consistent", "rw", "copy")
"""Options that are the default, or have no effect on a Linux engine."""


@immutable()
class ShortVolume:
    """The parts of a short form; ``options`` are those of the long form, by dotted key."""

    kind: str
    target: str
    source: str = ""
    options: dict[str, str | bool] = field(default_factory=dict)


def parse_short(text: str) -> ShortVolume:
    """Return the parts of a short form.

    Raises:
        ValueError: If it is not a short form; the message is the reason.
    """
    parts = text.split(":")
    if not all(parts) or len(parts) > 3:
        raise ValueError(f"{text!r} is not a volume")
    if len(parts) == 1:
        return ShortVolume("volume", _absolute(parts[0]))
    source, target = parts[0], _absolute(parts[1])
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    options: dict[str, str | bool] = {"bind.create_host_path": True} if kind == "bind" else {}
    for option in parts[2].split(",") if len(parts) == 3 else ():
        options.update(_option(option))
    return ShortVolume(kind, target, source, options)


def parse_tmpfs(text: str) -> ShortVolume:
    """Return the parts of an entry of ``tmpfs``: ``TARGET[:size=64m,mode=1777]``.

    Raises:
        ValueError: If it is not a short form; the message is the reason.
    """
    target, _, given = text.partition(":")
    options: dict[str, str | bool] = {}
    for option in given.split(",") if given else ():
        name, _, value = option.partition("=")
        if name == "ro":
            options["read_only"] = True
        elif name in ("size", "mode") and value:
            options[f"tmpfs.{name}"] = value
        elif name != "rw":
            raise ValueError(f"tmpfs option {option!r} is not supported: size, mode, ro or rw")
    return ShortVolume("tmpfs", _absolute(target), "", options)


def _absolute(target: str) -> str:
    if not target.startswith("/"):
        raise ValueError(f"{target!r} is not an absolute path in the container")
    return target


def _option(option: str) -> dict[str, str | bool]:
    if option == "ro":
        return {"read_only": True}
    if option in ("z", "Z"):
        return {"bind.selinux": option}
    if option == "nocopy":
        return {"volume.nocopy": True}
    if option in _PROPAGATIONS:
        return {"bind.propagation": option}
    if option in _COSMETIC:
        return {}
    raise ValueError(f"unknown volume option {option!r}")

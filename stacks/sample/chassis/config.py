"""A service's config.yaml: values by dotted key; environment variables take precedence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class ConfigMistake(Exception):
    """A value of config.yaml, or of a variable that takes precedence over it, is invalid."""


@dataclass(frozen=True, slots=True)
class Config:
    """The values of one config.yaml.

    Attributes:
        path: the file, for messages and for the tracing library, which reads its own part of it.
        values: contents of the file.
        environment: variables that take precedence over the file.
    """

    path: Path
    values: Mapping[str, Any]
    environment: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, environment: Mapping[str, str] = os.environ) -> Config:
        """Read a file.

        Raises:
            ConfigMistake: If it cannot be read, or is not a mapping in YAML.
        """
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise ConfigMistake(f"{path}: cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise ConfigMistake(f"{path}: found {type(values).__name__}, expected a mapping")
        return cls(path, values, environment)

    def text(self, key: str, variable: str = "") -> str:
        """Return the text of the variable if it is set and not empty, else that at a dotted key."""
        return str(self._value(key, variable))

    def number(self, key: str, variable: str = "") -> float:
        """Return the number of the variable if it is set and not empty, else that at a dotted key."""
        value = self._value(key, variable)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ConfigMistake(f"{self.path}: {variable or key}: found {value!r}, expected a number") from None

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return the mapping at a dotted key."""
        value = self._value(key, "")
        if not isinstance(value, dict):
            raise ConfigMistake(f"{self.path}: {key}: found {value!r}, expected a mapping")
        return value

    def entries(self, key: str) -> list[Mapping[str, Any]]:
        """Return the list of mappings at a dotted key."""
        value = self._value(key, "")
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise ConfigMistake(f"{self.path}: {key}: found {value!r}, expected a list of mappings")
        return value

    def _value(self, key: str, variable: str) -> Any:
        if variable and self.environment.get(variable):
            return self.environment[variable]
        value: Any = self.values
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise ConfigMistake(f"{self.path}: {key} is missing")
            value = value[part]
        return value

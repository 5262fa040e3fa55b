"""The contract between devenv and its engines: what an engine does, the values it exchanges, and its capabilities."""

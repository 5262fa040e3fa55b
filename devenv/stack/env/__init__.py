"""Variables: interpolation of text, and ``.env`` and ``env_file`` files."""

"""The project's background process: supervisor of local processes, and the embedded trace backend."""

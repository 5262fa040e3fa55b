"""What every service of the sample stands on: configuration, logs, health, problems, calls to others, the server."""

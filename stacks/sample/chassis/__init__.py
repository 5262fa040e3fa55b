"""Code that the sample's services share: configuration, logs, health, problems, calls to other services, the server."""

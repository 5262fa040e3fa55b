"""Engines: what runs services. Import the protocol from :mod:`devenv.engine.protocol`."""

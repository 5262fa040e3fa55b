"""The settings of a service: read from its config.yaml and the environment, checked, and resolved."""

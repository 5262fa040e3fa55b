"""``devenv view``: receivers and pages without a stack."""

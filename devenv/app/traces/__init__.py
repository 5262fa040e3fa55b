"""Use cases for traces: canary, search, export and import, and programs traced to a project."""

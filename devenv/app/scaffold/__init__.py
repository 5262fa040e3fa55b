"""Use cases that write a project's files: ``init``, ``new service`` and their parts."""

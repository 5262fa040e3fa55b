"""Compose documents as nodes: variables substituted, short forms rewritten to long ones, files merged into one."""

"""Layered drawing of a directed graph, after Sugiyama: pure and deterministic, a module for each step."""

"""Engines, which run services; :mod:`devenv.contract.engine` is what each of them implements."""

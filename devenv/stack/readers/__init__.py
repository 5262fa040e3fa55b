"""Readers: the keys of a merged document -> the values of :mod:`devenv.model.stack`, section by section."""

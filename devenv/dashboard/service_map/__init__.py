"""``/dependencies``: which service calls which, as a picture and as a table."""

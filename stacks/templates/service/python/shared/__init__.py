"""The service `__service__`; app.py contains its routes."""

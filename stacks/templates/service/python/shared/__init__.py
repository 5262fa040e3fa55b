"""The service `__service__`; app.py says what it answers."""

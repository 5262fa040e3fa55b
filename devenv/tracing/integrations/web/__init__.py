"""Web frameworks and their clients that ASGI and WSGI do not cover, or not completely; one module each."""

"""HTTP/1.1: what several packages need of it, and a small server."""

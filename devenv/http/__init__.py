"""HTTP/1.1: what several packages share, and a small server."""

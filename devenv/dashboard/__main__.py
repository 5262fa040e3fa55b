"""``python -m devenv.dashboard``: the backend with its pages, alone."""

from devenv.backend.__main__ import main
from devenv.dashboard import page_routes

if __name__ == "__main__":
    raise SystemExit(main(page_routes))

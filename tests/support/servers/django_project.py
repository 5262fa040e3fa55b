"""Django's settings, which a process has once: the tests in it share them, and override the routes."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def project(routes: list[Any]) -> Any:
    """Configure Django, if no test has done it before; a block in which it has these routes."""
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"], ROOT_URLCONF="none", LOGGING_CONFIG=None, SECRET_KEY="x",
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        )  # fmt: skip
        django.setup()
    from django.test.utils import override_settings

    urls: Any = ModuleType("urls")
    urls.urlpatterns = routes
    return override_settings(ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"])

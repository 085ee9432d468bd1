"""Settings of the project; the tests' database is that of EXAMPLE_POSTGRES."""

import os
from urllib.parse import urlsplit

SECRET_KEY = "for tests only"
USE_TZ = True
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASE_URL = (
    os.environ.get("EXAMPLE_POSTGRES", "postgresql://localhost")
    + f"/example_django_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
)
_server = urlsplit(DATABASE_URL)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _server.path.lstrip("/"),
        "HOST": _server.hostname,
        "PORT": _server.port or "",
        "USER": _server.username or "",
        "PASSWORD": _server.password or "",
    }
}

"""Where finished packages lie, by ``artifacts.url``: a folder of this instance or of several, or a bucket."""

from __future__ import annotations

import os
from pathlib import Path

from hfitd.config.model import Config
from hfitd.errors import ConfigError, Mistake
from hfitd.export.depot import Depot


def artifact_folder(config: Config) -> Path:
    """Where this instance keeps and finds finished packages."""
    path = config.artifacts.url.removeprefix("file:")
    return Path(path) if path.startswith("/") else config.server.data_dir / "artifacts"


def open_depot(config: Config) -> Depot | None:
    """The depot of ``artifacts.url``; None when that is a folder. ConfigError for settings that cannot work."""
    if not config.artifacts.url.startswith("s3://"):
        return None
    try:
        from hfitd.export.bucket_depot import BucketDepot  # noqa: PLC0415 - an extra: only who names s3: needs it

        return BucketDepot(config.artifacts.url, plaintext="plaintext" in config.server.insecure, environ=os.environ)
    except ImportError as error:
        missing = "needs one more library: pip install 'hot-fixture-tool[server,s3]'"
        raise ConfigError([Mistake("artifacts.url", missing)]) from error
    except ValueError as error:
        raise ConfigError([Mistake("artifacts.url", f"the bucket {error}")]) from error

"""The real nginx with the configuration of ``deploy/proxy``."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.live.certificates import Certificates
from tests.live.daemon import Daemon
from tests.live.servers import find_binary
from tests.support.source import ROOT

PROXY = ROOT / "deploy" / "proxy"
_SERVER = r"server 10\.0\.0\.12:8765([^;]*);"


def put(text: str, pattern: str, replacement: str) -> str:
    """The text with the one thing that matches replaced; a configuration that changed its words is noticed."""
    changed, count = re.subn(pattern, lambda _: replacement, text)
    assert count == 1, pattern
    return changed


def nginx_config(folder: Path, port: int, certificates: Certificates, instances: Sequence[Daemon]) -> Path:
    """The delivered configuration with the names of this machine, for two instances or more."""
    text = (PROXY / "nginx.conf").read_text()
    text = put(text, r"pid /run/nginx\.pid;", f"pid {folder}/nginx.pid;\nuser root;\ndaemon off;")
    text = put(text, r"/var/log/nginx/error\.log", f"{folder}/error.log")
    text = put(text, r"/var/log/nginx/access\.log", f"{folder}/access.log")
    text = put(text, r"worker_processes auto", "worker_processes 2")
    text = put(text, r"worker_rlimit_nofile 65536", "worker_rlimit_nofile 1024")
    text = put(text, r"worker_connections 16384", "worker_connections 512")
    text = put(text, r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = put(text, r"server_name fixtures\.example\.com", "server_name localhost")
    text = put(text, r"/etc/nginx/tls/server\.crt", str(certificates.certificate))
    text = put(text, r"/etc/nginx/tls/server\.key", str(certificates.key))
    text = put(text, r"server 10\.0\.0\.11:8765", f"server 127.0.0.1:{instances[0].port}")
    found = re.search(_SERVER, text)
    assert found is not None
    rest = "\n".join(f"server 127.0.0.1:{daemon.port}{found[1]};" for daemon in instances[1:])
    path = folder / "nginx.conf"
    path.write_text(put(text, _SERVER, rest))
    return path


class proxying:
    """nginx, running until the block ends."""

    def __init__(self, config: Path, folder: Path) -> None:
        self.config, self.folder = config, folder

    def __enter__(self) -> subprocess.Popen[bytes]:
        nginx = find_binary("nginx", "HFIT_TEST_NGINX_BIN", "nginx-light")
        checked = subprocess.run([nginx, "-t", "-c", self.config], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self.process = subprocess.Popen([nginx, "-c", self.config])
        deadline = time.monotonic() + 10
        while not (self.folder / "nginx.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

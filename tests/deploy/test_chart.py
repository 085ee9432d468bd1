"""The Helm chart: what it refuses, what it makes, and that the daemon takes the configuration it gives to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hfitd.config.load import load_config
from tests.live.servers import find_binary
from tests.support.source import ROOT

CHART = ROOT / "deploy" / "helm" / "hfitd"
TOOLS = Path(sys.executable).parent
REDIS = ("--set", "store.url=redis://redis:6379/0")
CONFIG = """[providers.shop]
type = "postgresql"
host = "db.internal"
user = "hfit_ro"
password = "env:SHOP_PASSWORD"
database = "shop"

[roles.developer]
grants = ["rows:shop/public/*", "template.run:*"]
"""
VALUES = """
config: |
{config}
secretEnv:
  - {{name: SHOP_PASSWORD, secret: shop, key: password}}
"""
WAYS: Mapping[str, tuple[str, ...]] = {
    "defaults with a Redis": REDIS,
    "one instance alone": ("--set", "replicas=1"),
    "a Deployment": (*REDIS, "--set", "kind=Deployment", "--set", "keys.existingSecret=hfitd-keys"),
    "everything": (
        *REDIS, "--set", "store.existingSecret=redis,tls.existingSecret=tls,ingress.enabled=true,ingress.tlsSecret=web",
        "--set", "autoscaling.enabled=true,serviceMonitor.enabled=true,shared.existingClaim=mine,image.tag=1.2.3",
        "--set", "nodeSelector.disk=fast,podLabels.team=data,imagePullSecrets={registry}",
        "--set-json", 'networkPolicy.egress=[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}],"ports":[{"port":5432}]}]',
        "--set-json", 'extraVolumes=[{"name":"logs","persistentVolumeClaim":{"claimName":"logs","readOnly":true}}]',
        "--set-json", 'extraVolumeMounts=[{"name":"logs","mountPath":"/srv/logs","readOnly":true}]',
    ),
}  # fmt: skip
REFUSED = {
    "two instances with the embedded store": ("need a shared store",),
    "a Deployment with the embedded store": ("a disk of its own", "--set", "replicas=1,kind=Deployment"),
    "an ingress by another name": ("name ingress.host", *REDIS, "--set", "ingress.enabled=true,ingress.host=x.org"),
    "an unknown value": ("additional properties", *REDIS, "--set", "replica=3"),
    "an image that moves": ("'not' failed", *REDIS, "--set", "image.tag=latest"),
    "a password in an address": ("does not match pattern", "--set", "store.url=redis://:secret@redis:6379/0"),
}


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The program that ``make test`` has fetched, or the machine's own."""
    fetched = ROOT / ".venv" / "helm"
    if (fetched / "helm").exists() and "HFIT_TEST_HELM_BIN" not in os.environ:
        binary = fetched / "helm"
    else:
        binary = find_binary("helm", "HFIT_TEST_HELM_BIN", "helm")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)


def rendered(tmp_path: Path, *values: str) -> list[dict[str, Any]]:
    """Every object of a release called ``x``; its text lies in ``objects.yaml``."""
    given = tmp_path / "values.yaml"
    given.write_text(VALUES.format(config="".join(f"  {line}\n" for line in CONFIG.splitlines())))
    done = helm("template", "x", CHART, "-n", "fixtures", "-f", given, *values)
    assert done.returncode == 0, done.stderr
    (tmp_path / "objects.yaml").write_text(done.stdout)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def one(objects: list[dict[str, Any]], *kinds: str) -> dict[str, Any]:
    """The only object of these kinds."""
    (found,) = [item for item in objects if item["kind"] in kinds]
    return found


def pod_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The pod of the workload."""
    spec: dict[str, Any] = one(objects, "StatefulSet", "Deployment")["spec"]["template"]["spec"]
    return spec


def test_the_chart_passes_helms_own_check() -> None:
    done = helm("lint", "--strict", CHART, *REDIS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_what_it_makes_is_what_kubernetes_knows(way: str, tmp_path: Path) -> None:
    """Strictly: an unknown field is a mistake. What belongs to another project's operator has no schema there."""
    objects = rendered(tmp_path, *WAYS[way])
    known = [item for item in objects if item["kind"] != "ServiceMonitor"]
    (tmp_path / "objects.yaml").write_text("---\n".join(json.dumps(item) + "\n" for item in known))
    done = subprocess.run(
        [TOOLS / "kubernetes-validate", "--strict", "-k", "1.33", tmp_path / "objects.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(known) > 6


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_made(what: str) -> None:
    words, *values = REFUSED[what]
    done = helm("template", "x", CHART, *values)
    assert done.returncode != 0
    assert words in done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_the_daemon_takes_the_configuration_that_the_chart_gives_it(way: str, tmp_path: Path) -> None:
    objects = rendered(tmp_path, *WAYS[way])
    path = tmp_path / "config.toml"
    path.write_text(one(objects, "ConfigMap")["data"]["config.toml"])
    (container,) = pod_of(objects)["containers"]
    environment = {item["name"]: item.get("value", "a-secret-or-name") for item in container["env"]}
    for name in ("HFITD_SERVER__TLS_CERTIFICATE", "HFITD_SERVER__TLS_KEY"):
        if name in environment:  # the Secret's files
            environment[name] = str(path)
    config = load_config(path, environment)
    assert config.server.listen == "0.0.0.0:8765"
    assert config.server.origin == "https://fixtures.example.com"
    assert config.providers["shop"].password is not None
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(config.server.data_dir), "/etc/hfitd", "/tmp"} <= mounts
    grace = config.server.shutdown_grace_seconds + 5
    assert pod_of(objects)["terminationGracePeriodSeconds"] > grace


@pytest.mark.parametrize("way", WAYS)
def test_pods_are_locked_down_and_their_probes_are_answered(way: str, tmp_path: Path) -> None:
    pod = pod_of(rendered(tmp_path, *WAYS[way]))
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001  # the image's user
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert "limits" in container["resources"]
        assert not container["image"].endswith(":latest")
    (container,) = pod["containers"]
    for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
        assert container[probe]["httpGet"]["path"] == path
    written = {m["name"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert written <= {"data", "shared", "tmp", "keys"}


def test_metrics_are_for_the_cluster_alone(tmp_path: Path) -> None:
    objects = rendered(tmp_path, *WAYS["everything"])
    (rule,) = one(objects, "Ingress")["spec"]["rules"]
    paths = [path["path"] for path in rule["http"]["paths"]]
    assert "/api" in paths
    assert not [path for path in paths if "/metrics".startswith(path)]
    monitor = one(objects, "ServiceMonitor")["spec"]
    services = [item for item in objects if item["kind"] == "Service"]
    wanted = monitor["selector"]["matchLabels"].items()
    assert len([s for s in services if wanted <= s["metadata"]["labels"].items()]) == 1  # else each is asked twice


def test_a_change_of_the_configuration_rolls_the_pods(tmp_path: Path) -> None:
    seen = set()
    for grants in ("[]", '["template.run:*"]'):
        objects = rendered(tmp_path, *REDIS, "--set", f"config=[roles.a]\ngrants = {grants}")
        seen.add(one(objects, "StatefulSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"])
    assert len(seen) == 2


def test_the_chart_carries_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f"version = {chart['appVersion']}\n" in (ROOT / "setup.cfg").read_text()

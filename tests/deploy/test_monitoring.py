"""The dashboard and the alert rules ask for metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from hfitd.observe.metrics import Metrics
from tests.support.source import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
ADDED_BY_PROMETHEUS = {"instance", "job"}
OF_THE_PROCESS = ("process_resident_memory_bytes", "process_open_fds", "process_max_fds")


def dashboard_expressions() -> list[str]:
    document = json.loads((MONITORING / "dashboard.json").read_text())
    return [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def series() -> dict[str, set[str]]:
    """Names that a scrape can hold, with their labels."""
    found: dict[str, set[str]] = {"up": set(), **{name: set() for name in OF_THE_PROCESS}}
    for metric in vars(Metrics()).values():
        labels, kind = set(getattr(metric, "_labelnames", ())), getattr(metric, "_type", "")
        suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}.get(kind, ())
        for suffix in suffixes:
            found[metric._name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def parts(node: Any) -> Iterator[Any]:
    """The node and everything below it."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vs", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None and not isinstance(inner, str):
            yield from parts(inner)
    for inner in getattr(node, "args", ()):
        yield from parts(inner)


def problems(expression: str) -> list[str]:
    """What the expression asks for that no scrape has."""
    known, wrong = series(), []
    for node in parts(promql_parser.parse(expression)):
        if not isinstance(node, promql_parser.VectorSelector):
            continue
        labels = {matcher.name for matcher in node.matchers.matchers}
        if node.name not in known:
            wrong.append(f"no metric {node.name}")
        elif unknown := labels - known[node.name] - ADDED_BY_PROMETHEUS:
            wrong.append(f"{node.name} has no label {unknown}")
    return wrong


def test_the_check_finds_what_is_not_there() -> None:
    assert problems("sum(rate(hfitd_no_such_total[5m])) / sum(hfitd_audit_ready{sink='x'})") == [
        "no metric hfitd_no_such_total",
        "hfitd_audit_ready has no label {'sink'}",
    ]
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum(rate(x[5m])")


@pytest.mark.parametrize("expression", [*dashboard_expressions(), *(rule["expr"] for rule in alert_rules())])
def test_every_expression_asks_for_metrics_that_exist(expression: str) -> None:
    assert problems(expression) == []


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        node.name
        for expression in dashboard_expressions()
        for node in parts(promql_parser.parse(expression))
        if isinstance(node, promql_parser.VectorSelector)
    }
    missing = {name.removesuffix("_bucket") for name in series() if not name.endswith(("_sum", "_count"))}
    assert missing - {name.removesuffix("_bucket") for name in shown} == set()


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    rules = alert_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith((".", "verify`."))


def test_every_alert_has_its_chapter_in_the_runbook_and_the_other_way_round() -> None:
    chapters = re.findall(r"(?m)^## (Hfitd\w+)$", (ROOT / "docs" / "runbook.md").read_text())
    assert chapters == [rule["alert"] for rule in alert_rules()]
    for rule in alert_rules():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_the_process_tells_what_the_rules_ask_of_it() -> None:
    text = Metrics().text().decode()
    assert all(f"\n{name} " in text for name in OF_THE_PROCESS)


def test_no_panels_of_the_dashboard_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] == "row" or panel["description"]
        taken |= cells

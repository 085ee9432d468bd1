"""The model of docs/scaling.md: its simulation loses nobody, keeps to the connections, and is the same each time."""

from __future__ import annotations

import json

import pytest

from benchmarks import scaling
from benchmarks.scaling import Profile, Scene, bill, simulate

SCENE = Scene(instances=2, providers=2, packages_a_second=4.0, seconds=900.0)


def test_the_same_seed_gives_the_same_hour_and_another_one_another() -> None:
    assert simulate(SCENE, 7) == simulate(SCENE, 7)
    assert simulate(SCENE, 7) != simulate(SCENE, 8)


@pytest.mark.parametrize("rate", [0.5, 4.0, 40.0])
def test_everybody_who_asks_is_served_waits_or_is_told_busy(rate: float) -> None:
    scene = Scene(instances=1, providers=1, packages_a_second=rate, seconds=600.0)
    out = simulate(scene)
    open_ones = out.asked - out.kept - out.joined - out.built - out.refused
    assert 0 <= open_ones <= scene.connections + scene.queue * scene.instances  # at the end of the time
    assert max(out.waits) <= scene.patience_seconds


def test_a_provider_builds_no_faster_than_its_connections() -> None:
    scene = Scene(instances=1000, providers=1, packages_a_second=50.0, scenarios=10**6, seconds=600.0)
    most = scene.connections * scene.seconds / scene.build_seconds
    assert simulate(scene).built <= 1.1 * most  # builds take random times


def test_what_grows_with_developers_grows_no_faster_than_they_do_and_counting_alone_with_the_square() -> None:
    costs = json.loads(scaling.CAPACITY.read_text("utf-8"))
    small, large = bill(2_000, 10, costs), bill(8_000, 10, costs)
    assert 3 < large.processors / small.processors < 5
    assert 2 < large.mending / small.mending < 5
    assert bill(8_000, 10, costs, Profile(templates=30)).mending > large.mending
    assert large.beats == small.beats
    assert bill(2_000, 100, costs).beats == pytest.approx(100 * small.beats)

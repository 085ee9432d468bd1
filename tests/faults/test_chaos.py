"""A small one of ``make chaos``: instances killed with -9 in turn under load, behind a real nginx."""

from __future__ import annotations

from pathlib import Path

from tests.faults.chaos import Scale, chaos_world
from tests.live.certificates import Certificates
from tests.live.world import Shop


async def test_r01_r05_r12_whoever_is_killed_clients_have_a_whole_package_or_an_error(
    shop: Shop, certificates: Certificates, tmp_path: Path
) -> None:
    scale = Scale(clients=12, templates=4, kills=3, people=2)
    async with chaos_world(tmp_path, shop.postgres, shop.slow, certificates, scale) as chaos:
        report = await chaos.run()
    assert report.wrong == []
    assert sum(report.codes.values()) == scale.clients
    assert report.codes[0] > 0
    assert set(report.builds) == set(chaos.names)

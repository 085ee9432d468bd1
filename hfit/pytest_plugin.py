"""The pytest plugin: packages and filled databases for tests.

    @pytest.mark.hfit("customer-case", customer_id=42)
    def test_refund(hfit_package, hfit_load):
        report = hfit_load("postgresql://localhost/test_shop")

Loading the plugin imports pytest and the standard library only; everything else waits for a test that asks for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from hfit.errors import HfitClientError
    from hfit.load.interface import LoadReport
    from hfit.testing.rollback import RolledBackConnection
    from hfit.testing.session import FixtureSession

    Loaded = LoadReport | dict[str, LoadReport]

MARKER = (
    "hfit(name, **params): the package that hfit_package and hfit_load give: a package of hfit.toml, "
    "or a template of the server with its parameters"
)
_TRUE = ("1", "true", "yes", "on")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The plugin's settings in pytest's own configuration; the environment wins over them."""
    parser.addini("hfit_server", "address of the hfitd gateway (HFIT_SERVER_URL)", default="")
    parser.addini("hfit_config_dir", "hfit's configuration folder (HFIT_CONFIG_DIR)", default="")
    parser.addini("hfit_isolation", "database, transaction or reload (HFIT_ISOLATION)", default="database")
    parser.addini("hfit_offline", "use the local cache only (HFIT_OFFLINE)", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def _hfit_session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FixtureSession]:
    from hfit.errors import HfitClientError  # noqa: PLC0415 - lazy: most sessions never get here
    from hfit.testing.packages import Options  # noqa: PLC0415
    from hfit.testing.session import open_session  # noqa: PLC0415

    config = request.config
    worker = getattr(config, "workerinput", {})  # of pytest-xdist
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if worker else base) / "hfit"
    options = Options(
        root=config.rootpath,
        server=config.getini("hfit_server"),
        config_dir=os.environ.get("HFIT_CONFIG_DIR") or _below(config.rootpath, config.getini("hfit_config_dir")),
        offline=os.environ.get("HFIT_OFFLINE", "").lower() in _TRUE or config.getini("hfit_offline"),
        isolation=os.environ.get("HFIT_ISOLATION") or config.getini("hfit_isolation"),
    )
    try:
        with open_session(options, folder, worker.get("workerid", "main"), worker.get("testrunuid", "")) as session:
            yield session
    except HfitClientError as error:
        _fail(error)


@pytest.fixture
def hfit_package(request: pytest.FixtureRequest, _hfit_session: FixtureSession) -> Path:
    """The verified, extracted package of the test's ``@pytest.mark.hfit(...)``. Tests share it: read it only."""
    from hfit.errors import HfitClientError  # noqa: PLC0415

    marker = request.node.get_closest_marker("hfit")
    if marker is None:
        pytest.fail(
            'hfit_package and hfit_load need a marker: @pytest.mark.hfit("customer-case", customer_id=42)',
            pytrace=False,
        )
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        pytest.fail(
            'The hfit marker takes one name, and parameters by name: @pytest.mark.hfit("name", key=value)',
            pytrace=False,
        )
    try:
        return _hfit_session.packages.find(marker.args[0], marker.kwargs)
    except HfitClientError as error:
        _fail(error)


@pytest.fixture
def hfit_load(hfit_package: Path, _hfit_session: FixtureSession) -> Iterator[Callable[..., Loaded]]:
    """``hfit_load(url, mode="create")`` fills a database with the package; its report has ``rows`` per table.

    ``hfit_load({"shop_pg": url, "crm": other})`` fills one for each provider and gives a report for each;
    ``hfit_load("crm=" + url)`` that of one provider. After the test the databases are as they were before: see the page
    on pytest for ``isolation``. ``allow_remote`` and ``allow_dangling`` are those of ``hfit load``.
    """
    from hfit.errors import HfitClientError  # noqa: PLC0415
    from hfit.testing.session import Wish  # noqa: PLC0415

    databases = _hfit_session.fixtures()

    def load(
        into: str | Mapping[str, str], mode: str = "create", *, isolation: str | None = None,
        allow_remote: bool = False, allow_dangling: bool = False,
    ) -> Loaded:  # fmt: skip
        try:
            return databases.load(hfit_package, into, Wish(mode, isolation, allow_remote, allow_dangling))
        except HfitClientError as error:
            _fail(error)

    try:
        with databases:
            yield load
    except HfitClientError as error:
        _fail(error)


@pytest.fixture
def hfit_rollback() -> Iterator[Callable[[Any], RolledBackConnection]]:
    """``hfit_rollback(psycopg.connect(url))`` gives the connection in a transaction that is undone after the test.

    ``commit`` and ``rollback`` of the program under test stay inside it. For any synchronous DB-API connection.
    """
    from hfit.errors import HfitClientError  # noqa: PLC0415
    from hfit.testing.rollback import roll_back_later  # noqa: PLC0415

    def begin(connection: Any) -> RolledBackConnection:
        try:
            return roll_back_later(connection, stack)
        except HfitClientError as error:
            _fail(error)

    with contextlib.ExitStack() as stack:
        yield begin


def _below(root: Path, name: str) -> str:
    return str(root / Path(name).expanduser()) if name else ""


def _fail(error: HfitClientError) -> NoReturn:
    """Words instead of a traceback: what happened, why, what to do next."""
    lines = [f"hfit: {error.message}", *([f"  Why:  {error.reason}"] if error.reason else [])]
    lines += [f"  Next: {suggestion}" for suggestion in error.suggestions]
    pytest.fail("\n".join(lines), pytrace=False)

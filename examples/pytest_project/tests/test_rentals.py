"""PostgreSQL: every test has a copy of a database that was loaded once."""

import asyncio

import pytest

from shop.rentals import films, give_back

CUSTOMER = 42


@pytest.mark.hfit("rentals")
@pytest.mark.parametrize("time", ["first", "second"])
def test_what_was_given_back_is_open_again_in_the_next_test(time, hfit_load, postgres_url):
    report = hfit_load(postgres_url)
    assert report.rows["public.rental"] > 20
    asyncio.run(give_back(postgres_url, CUSTOMER))
    assert asyncio.run(give_back(postgres_url, CUSTOMER)) == 0


@pytest.mark.hfit("example-rentals", customer_id=7)  # any template of the gateway, with parameters
def test_the_films_of_another_customer(hfit_load, postgres_url):
    report = hfit_load(postgres_url)
    titles = asyncio.run(films(postgres_url, 7))
    assert 0 < len(titles) <= report.rows["public.rental"]
    assert titles == sorted(set(titles))


@pytest.mark.hfit("rentals")
def test_the_package_itself_is_a_folder(hfit_package):
    assert {path.name for path in hfit_package.iterdir()} >= {"schema.sql", "rows.sql", "METADATA"}

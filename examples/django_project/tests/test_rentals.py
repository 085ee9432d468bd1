"""Pages about a real customer, whose name is nobody's."""

import pytest

from shop.models import Customer, Rental

pytestmark = pytest.mark.hfit("rentals")  # a package of hfit.toml, exactly as hfit.lock has it
CUSTOMER = 42


def test_a_customer_comes_with_all_rentals_and_no_other_customer(browser):
    answer = browser.get(f"/customers/{CUSTOMER}/rentals").json()
    assert answer["all"] == Rental.objects.count() > 20
    assert browser.get("/customers/43/rentals").status_code == 404


def test_the_address_is_masked(browser):
    assert not Customer.objects.get().email.endswith("@sakilacustomer.org")


@pytest.mark.parametrize("time", ["first", "second"])
def test_what_was_given_back_is_open_again_in_the_next_test(time, browser):
    out = browser.get(f"/customers/{CUSTOMER}/rentals").json()["out"]
    assert browser.post(f"/customers/{CUSTOMER}/give-back").json() == {"returned": out}
    assert out > 0
    assert browser.get(f"/customers/{CUSTOMER}/rentals").json()["out"] == 0

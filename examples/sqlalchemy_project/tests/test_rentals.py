"""Rentals of a real customer, whose name is nobody's."""

from datetime import datetime

import pytest
from sqlalchemy import select

from shop.models import Customer
from shop.rentals import give_back

pytestmark = pytest.mark.hfit("rentals")  # a package of hfit.toml, exactly as hfit.lock has it
CUSTOMER = 42


def test_a_customer_comes_with_all_rentals_and_no_other_customer(session):
    customers = session.scalars(select(Customer)).all()
    assert [customer.customer_id for customer in customers] == [CUSTOMER]
    assert len(customers[0].rentals) > 20


def test_the_address_is_masked(session):
    assert not session.get_one(Customer, CUSTOMER).email.endswith("@sakilacustomer.org")


@pytest.mark.parametrize("time", ["first", "second"])
def test_what_was_given_back_is_open_again_in_the_next_test(time, session):
    assert give_back(session, CUSTOMER, datetime(2026, 1, 31)) > 0
    assert give_back(session, CUSTOMER, datetime(2026, 1, 31)) == 0

from __future__ import annotations

import pytest

from hfitd.access.classification import looks_personal
from hfitd.model import Column, Kind

PERSONAL = """
customer.email customer.Email users.e_mail a.EMAIL a.email_address a.contact_email a.customeremail a.emailAddress
customer.phone a.phone_number a.mobile a.Fax a.telephone staff.first_name customer.LastName a.last_name a.surname
a.full_name a.username a.user_name staff.password a.password_hash a.api_key a.secret a.access_token
customer.address address.address2 customer.BillingPostalCode a.postal_code a.zip a.street a.iban a.credit_card
a.card_number a.ssn a.tax_id a.passport_id a.national_id a.ip a.ip_address a.remote_addr a.notes a.comment
customer.name users.name actor.name staff.name patient.Name contact.name t.date_of_birth t.dob a.salary a.gender
employee.picture
"""

CLEAR = """
film.title category.name track.name city.city product.name language.name genre.Name media_type.name playlist.name
film.description film.rating film.length customer.country customer.city store.store_id track.composer
customer.company invoice.total track.bytes album.title film.special_features payment.amount country.country
customer.state mail_merge.template a.email_verified a.email_id a.phone_type a.address_id a.shipping a.mailing
a.last_update a.rental_date a.microphone a.tokenizer a.password_updated_at a.description_id tag.tag a.zipped
"""


def column(name: str, kind: Kind = Kind.TEXT) -> Column:
    return Column(name, "x", kind)


@pytest.mark.parametrize("name", PERSONAL.split())
def test_a_personal_column_is_seen_with_a_reason(name):
    table, _, word = name.partition(".")
    assert looks_personal(table, column(word))


@pytest.mark.parametrize("name", CLEAR.split())
def test_an_ordinary_column_is_clear(name):
    table, _, word = name.partition(".")
    assert looks_personal(table, column(word)) is None


def test_the_type_counts():
    assert looks_personal("t", column("birth_date", Kind.DATE))
    assert looks_personal("t", column("phone", Kind.INTEGER))
    assert looks_personal("t", column("picture", Kind.BYTES))
    assert looks_personal("t", column("ip", Kind.OTHER))
    assert looks_personal("t", column("email", Kind.BOOLEAN)) is None
    assert looks_personal("t", column("email", Kind.TIMESTAMP)) is None
    assert looks_personal("t", column("first_name", Kind.INTEGER)) is None
    assert looks_personal("t", Column("comment", "varchar(10)", Kind.TEXT, max_length=10)) is None


@pytest.mark.parametrize("name", ["", "_", "1", "\u00e9", "\u59d3\u540d", "x" * 1000])
def test_any_name_has_an_answer(name):
    assert looks_personal("t", column(name)) is None

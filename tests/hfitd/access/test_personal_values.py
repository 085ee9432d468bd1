"""What values look like: forms and check digits, seen and not seen too often."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.access.checksums import NATIONAL, is_card, is_iban, is_luhn
from hfitd.access.personal_values import classes_within, national_numbers, value_class

# Examples that the authorities themselves print, or made by their formulas; nobody's numbers.
NUMBERS = {
    "German tax id": "86095742719",
    "German pension insurance number": "15070649C103",
    "French NIR": "255081416802538",
    "Spanish DNI": "12345678Z",
    "Italian codice fiscale": "RSSMRA85T10A562S",
    "Dutch BSN": "111222333",
    "Belgian national number": "85073003328",
    "Polish PESEL": "44051401359",
    "Swedish personnummer": "811218-9876",
    "Norwegian fødselsnummer": "01010750160",
    "Finnish henkilötunnus": "131052-308T",
    "Czech or Slovak rodné číslo": "710319/2745",
    "Romanian CNP": "1800101221144",
    "Turkish kimlik": "10000000146",
    "Brazilian CPF": "529.982.247-25",
    "Chinese resident number": "11010519491231002X",
    "Swiss AHV": "756.9217.0769.85",
    "American SSN": "078-05-1120",
    "British NINO": "AB 12 34 56 C",
}


def test_every_kind_of_national_number_has_an_example() -> None:
    assert NUMBERS.keys() == NATIONAL.keys()


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_national_number_is_seen_and_one_changed_digit_is_not(kind: str) -> None:
    number = NUMBERS[kind]
    assert kind in national_numbers(number)
    if kind in {"American SSN", "British NINO"}:
        return  # these have no check digit
    changed = []
    for place, character in enumerate(number):
        if character.isdigit():
            digit = str((int(character) + 1) % 10)
            changed.append(kind in national_numbers(number[:place] + digit + number[place + 1 :]))
    assert sum(changed) <= len(changed) // 4, "a check digit notices most changes"


@pytest.mark.parametrize("kind", NUMBERS)
def test_random_numbers_of_the_same_form_rarely_pass(kind: str) -> None:
    if kind in {"American SSN", "British NINO"}:
        return
    noise = random.Random(kind)
    forms = [
        "".join(str(noise.randrange(10)) if c.isdigit() else c for c in NUMBERS[kind]) for _ in range(2000)
    ]
    assert sum(kind in national_numbers(form) for form in forms) < 2000 * 0.2


def test_accounts_and_cards_are_seen_by_their_check_digits() -> None:
    assert is_iban("DE89370400440532013000") and is_iban("GB82WEST12345698765432") and is_iban("NO9386011117947")
    assert not is_iban("DE88370400440532013000") and not is_iban("DE8937040044053201300") and not is_iban("XX00")
    assert all(is_card(card) for card in ("4111111111111111", "5500005555555559", "378282246310005"))
    assert not is_card("4111111111111112") and not is_card("0000000000000000") and not is_card("1234567890123")
    assert is_luhn("79927398713") and not is_luhn("79927398710")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("ann.lee@shop.test", "e-mail address"),
        ("ünder@exämple.de", "e-mail address"),
        ("+49 30 1234567", "phone number"),
        ("(555) 123-4567", "phone number"),
        ("4111 1111 1111 1111", "payment card"),
        ("DE89 3704 0044 0532 0130 00", "bank account"),
        ("192.168.10.7", "network address or place"),
        ("2001:db8::17", "network address or place"),
        ("00:1b:44:11:3a:b7", "network address or place"),
        ("52.52000, 13.40500", "network address or place"),
        ("$2b$12$" + "a" * 53, "secret"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "secret"),
        ("12 Main Street", "postal address"),
        ("Hauptstraße 5", "postal address"),
        ("rue de la Paix 5", "postal address"),
    ],
)
def test_a_value_is_seen_by_its_form(value: str, kind: str) -> None:
    assert value_class(value) == kind


@pytest.mark.parametrize(
    "value", ["", "a@b", "2024-01-02", "12:30:45", "10.2.3", "1234567", "hello world", "::", "3.14", "v1.2.3.4-rc"]
)
def test_an_ordinary_value_has_no_class(value: str) -> None:
    assert value_class(value) is None


def test_what_stands_inside_a_text_is_seen() -> None:
    text = "write to ann@x.org or call +49 30 1234567; card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00."
    assert set(classes_within(text)) == {"e-mail address", "phone number", "payment card", "bank account"}
    assert classes_within("order 4711 of 2024-01-02, total 12.50, ref AB-12") == []


@settings(max_examples=150, deadline=500)
@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    value_class(text)
    national_numbers(text)
    classes_within(text)


def test_long_hostile_texts_are_answered_at_once() -> None:
    hostile = ("a" * 4000, "1 " * 2000, "a." * 2000 + "@", "0-" * 2000, "(" * 4000, "a@" * 2000, "a b " * 1000 + "st")
    for text in hostile:
        value_class(text)
        classes_within(text)

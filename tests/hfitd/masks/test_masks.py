from __future__ import annotations

import re
import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.interface import Cell
from hfitd.masks.table import MASKS, bind_mask, rule_mistake
from hfitd.model import Column, Kind, MaskRule

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
TEXT = Column("email", "text", Kind.TEXT)
KEYED_TEXT = ["hash", "email", "phone", "person_name", "digits", "uuid"]

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)
phones = st.from_regex(r"(\+[1-9])?[0-9 ()/.-]{1,20}", fullmatch=True)


def cell_of(mask: str, column: Column = TEXT, key: bytes = KEY, **options) -> Cell:
    cell = bind_mask(MaskRule(mask, options), column, key).cell
    assert cell is not None
    return cell


def refusal(mask: str, column: Column, unique: bool = False, **options) -> MaskDoesNotFit:
    with pytest.raises(MaskDoesNotFit) as caught:
        bind_mask(MaskRule(mask, options), column, KEY, unique=unique)
    return caught.value


@pytest.mark.parametrize("mask", KEYED_TEXT)
@given(value=words)
def test_one_value_has_one_pseudonym_in_every_column(mask, value):
    other = Column("email", "character varying(200)", Kind.TEXT, nullable=False, max_length=200, collation="C")
    raw = value.encode()
    assert cell_of(mask)(raw) == cell_of(mask)(raw) == cell_of(mask, other)(raw)


@pytest.mark.parametrize("mask", ["hash", "email", "uuid"])
def test_another_key_gives_unrelated_pseudonyms(mask):
    values = [f"person{number}@corp.example".encode() for number in range(300)]
    ours, theirs = cell_of(mask), cell_of(mask, key=OTHER_KEY)
    assert {ours(value) for value in values}.isdisjoint(theirs(value) for value in values)


def test_two_masks_never_work_under_one_key():
    value = b"0123456789"
    assert cell_of("digits")(value) != cell_of("phone")(value)
    assert cell_of("uuid")(value).replace(b"-", b"")[:8] != cell_of("hash")(value)[:8]


@pytest.mark.parametrize("mask", ["email", "person_name", "phone"])
@given(value=words)
def test_masks_of_persons_fold_normal_form_case_and_outer_blanks(mask, value):
    cell = cell_of(mask)
    expected = cell(value.encode())
    for same in (f"  {value}\t", unicodedata.normalize("NFD", value), unicodedata.normalize("NFC", value)):
        assert cell(same.encode()) == expected
    if value.isascii():
        assert cell(value.upper().encode()) == cell(value.lower().encode()) == expected


@pytest.mark.parametrize("mask", ["email", "hash", "uuid"])
def test_distinct_values_stay_distinct(mask):
    cell = cell_of(mask)
    assert len({cell(f"user{number}@corp.example".encode()) for number in range(20_000)}) == 20_000


@given(st.lists(phones.map(str.strip), min_size=2, max_size=2, unique=True))
def test_distinct_phone_numbers_stay_distinct(pair):
    cell = cell_of("phone")
    assert cell(pair[0].encode()) != cell(pair[1].encode())


@pytest.mark.parametrize("mask", ["digits", "phone"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_every_number_of_a_length_maps_to_another_of_that_length(mask, length):
    values = [f"{number:0{length}d}".encode() for number in range(10**length)]
    cell = cell_of(mask)
    assert sorted(cell(value) for value in values) == values
    assert length == 1 or [cell(value) for value in values] != values


@given(st.text("0123456789ABab -/", max_size=30))
def test_digits_keep_the_format(value):
    masked = cell_of("digits")(value.encode()).decode()
    assert re.sub("[0-9]", "0", masked) == re.sub("[0-9]", "0", value)


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("+55 (12) 3923-5555", "+55 "), ("+1 (212) 221-3546", "+1 "), ("+420 2 4172 5555", "+420 "),
        ("0049 30 123456", "0049 "), ("+351 (213) 466-111", "+351 "), ("+7 495 1234567", "+7 "),
        ("030 1234567", "0"), ("(408) 996-1010", "("),
    ],
)  # fmt: skip
def test_a_phone_number_keeps_country_length_and_format(number, kept):
    masked = cell_of("phone")(number.encode()).decode()
    assert masked != number
    assert masked.startswith(kept)
    assert re.sub("[0-9]", "0", masked) == re.sub("[0-9]", "0", number)


def test_two_spellings_of_one_phone_number_have_the_same_digits():
    cell = cell_of("phone")
    digits = {
        re.sub(rb"[^0-9]", b"", cell(value)) for value in (b"+49 30 1234567", b"+49 (30) 12345-67", b"+49301234567")
    }
    assert len(digits) == 1


def test_words_in_a_phone_column_do_not_show():
    masked = cell_of("phone")("0151 / ask for J\u00fcrgen Holt".encode())
    assert b"urgen" not in masked
    assert b"holt" not in masked.lower()
    assert b"\xc3\xbc" not in masked


@given(words)
def test_an_email_looks_like_one_and_goes_nowhere(value):
    masked = cell_of("email")(value.encode()).decode()
    if not value.strip():
        assert masked == ""
        return
    assert re.fullmatch(r"[a-z]+\.[a-z]+\.[a-z0-9]{13}@example\.(com|net|org)", masked)
    assert len(masked) <= 45
    assert re.fullmatch(r"u[a-z0-9]{13}@example\.(com|net|org)", cell_of("email", short=True)(value.encode()).decode())


def test_a_full_name_is_made_of_what_its_parts_become():
    first = cell_of("person_name", Column("first_name", "t", Kind.TEXT))(b"MARY")
    last = cell_of("person_name", Column("LastName", "t", Kind.TEXT))(b"smith ")
    full = cell_of("person_name", Column("name", "t", Kind.TEXT))
    assert full(b"Mary Smith") == full(b" mary  SMITH") == first + b" " + last
    assert cell_of("person_name", Column("who", "t", Kind.TEXT), part="last")(b"Smith") == last
    assert full(b"") == full(b"  ") == b""


@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=2, max_size=2, unique=True))
def test_distinct_integers_stay_distinct(pair):
    cell = cell_of("integer", Column("id", "bigint", Kind.INTEGER))
    assert cell(str(pair[0]).encode()) != cell(str(pair[1]).encode())


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_integer_fits_wherever_the_original_fits(number):
    masked = int(cell_of("integer", Column("id", "bigint", Kind.INTEGER))(str(number).encode()))
    for bits in (8, 16, 24, 32, 64):
        if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            assert -(2 ** (bits - 1)) <= masked < 2 ** (bits - 1)
        if 0 <= number < 2**bits:
            assert 0 <= masked < 2**bits
    assert (masked > 0) == (number > 0)
    assert (masked == 0) == (number == 0)


def test_small_integers_are_permuted_among_themselves():
    cell = cell_of("integer", Column("id", "int", Kind.INTEGER))
    values = list(range(1, 128))
    masked = [int(cell(str(value).encode())) for value in values]
    assert sorted(masked) == values
    assert masked != values


@given(st.uuids())
def test_a_uuid_is_the_same_however_it_is_spelled(value):
    cell = cell_of("uuid", Column("id", "uuid", Kind.UUID))
    masked = cell(str(value).encode())
    assert uuid.UUID(masked.decode()).version == 4
    assert masked == cell(value.hex.encode()) == cell(str(value).upper().encode())


@given(words, st.integers(0, 16), st.integers(0, 16))
def test_redact_shows_the_ends_it_was_told_to_and_nothing_of_short_values(value, first, last):
    masked = cell_of("redact", first=first, last=last, mark="#")(value.encode()).decode()
    assert len(masked) == len(value)
    if len(value) <= first + last:
        assert set(masked) <= {"#"}
    else:
        assert masked == value[:first] + "#" * (len(value) - first - last) + value[len(value) - last :]


def test_hash_is_exact_unless_told_to_fold():
    exact, folding = cell_of("hash"), cell_of("hash", fold=True)
    assert exact(b"a@x") != exact(b"A@x")
    assert folding(b"a@x") == folding(b" A@X ")
    assert re.fullmatch(rb"[0-9a-f]{32}", exact(b""))
    assert len(cell_of("hash", length=64)(b"x")) == 64
    assert cell_of("hash", Column("raw", "bytea", Kind.BYTES))(b"\x00\xff") == cell_of("hash")(b"\x00\xff")


@pytest.mark.parametrize("mask", ["hash", "email", "phone", "person_name", "digits", "uuid", "redact"])
@given(value=st.binary(max_size=40))
def test_bytes_that_are_no_text_are_masked_too(mask, value):
    cell = cell_of(mask)
    assert cell(value) == cell(value)
    if mask != "digits":
        cell(value).decode("utf-8")


def test_a_mask_without_a_key_is_refused():
    with pytest.raises(MaskDoesNotFit) as caught:
        bind_mask(MaskRule("hash"), TEXT, b"")
    assert caught.value.suggestions == ("set policy.mask_key",)


@pytest.mark.parametrize("mask", ["null", "const", "drop"])
def test_constant_masks_never_ask_for_a_value(mask):
    bound = bind_mask(MaskRule(mask, {"value": "x"} if mask == "const" else {}), TEXT, b"")
    assert (bound.constant, bound.cell, bound.literal) == (True, None, "x" if mask == "const" else None)


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        (Kind.INTEGER, 5, True), (Kind.INTEGER, "-5", True), (Kind.INTEGER, "5.5", False), (Kind.NUMBER, 1.5, True),
        (Kind.NUMBER, "NaN", False), (Kind.BOOLEAN, False, True), (Kind.BOOLEAN, "maybe", False),
        (Kind.DATE, "2000-01-01", True), (Kind.DATE, "soon", False), (Kind.TIMESTAMP, "2000-01-01 00:00:00", True),
        (Kind.TIME, "25:00", False), (Kind.UUID, "x", False), (Kind.UUID, "0" * 32, True), (Kind.TEXT, "", True),
    ],
)  # fmt: skip
def test_a_constant_has_to_be_of_the_columns_type(kind, value, fits):
    column = Column("c", "x", kind)
    if fits:
        bound = bind_mask(MaskRule("const", {"value": value}), column, KEY)
        assert bound.literal == (str(value).lower() if isinstance(value, bool) else str(value))
    else:
        assert "c" in refusal("const", column, value=value).message


@pytest.mark.parametrize(
    ("mask", "column", "options"),
    [
        ("null", Column("name", "text", Kind.TEXT, nullable=False), {}),
        ("const", Column("name", "varchar(2)", Kind.TEXT, max_length=2), {"value": "abc"}),
        ("hash", Column("name", "varchar(31)", Kind.TEXT, max_length=31), {}),
        ("hash", Column("name", "int", Kind.INTEGER), {}),
        ("hash", Column("name", "jsonb", Kind.JSON), {}),
        ("email", Column("name", "varchar(30)", Kind.TEXT, max_length=30), {}),
        ("email", Column("name", "varchar(25)", Kind.TEXT, max_length=25), {"short": True}),
        ("email", Column("name", "date", Kind.DATE), {}),
        ("person_name", Column("name", "varchar(18)", Kind.TEXT, max_length=18), {}),
        ("phone", Column("name", "bigint", Kind.INTEGER), {}),
        ("uuid", Column("name", "varchar(35)", Kind.TEXT, max_length=35), {}),
        ("integer", Column("name", "varchar(39)", Kind.TEXT, max_length=39), {}),
    ],
)
def test_a_mask_that_cannot_fit_is_refused_naming_column_and_remedy(mask, column, options):
    error = refusal(mask, column, **options)
    assert error.code == "MASK_DOES_NOT_FIT"
    assert column.name in error.message
    assert error.resource == column.name
    assert error.suggestions


@pytest.mark.parametrize("mask", ["const", "person_name", "redact"])
def test_a_mask_that_makes_duplicates_is_refused_on_a_key(mask):
    error = refusal(mask, TEXT, unique=True, **({"value": "x"} if mask == "const" else {}))
    assert "hash" in error.suggestions[0]


def test_a_short_hash_is_refused_on_a_key():
    assert "16" in refusal("hash", TEXT, unique=True, length=15).suggestions[0]
    bind_mask(MaskRule("hash", {"length": 16}), TEXT, KEY, unique=True)


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        ("hash", {"length": 7}), ("hash", {"length": 65}), ("hash", {"length": "32"}), ("hash", {"length": True}),
        ("hash", {"fold": "yes"}), ("hash", {"lenght": 32}), ("const", {}), ("const", {"value": ["x"]}),
        ("redact", {"mark": "ab"}), ("redact", {"first": -1}), ("person_name", {"part": "middle"}),
        ("nonsense", {}), ("null", {"value": 1}), ("email", {"short": 1}),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused(mask, options):
    assert refusal(mask, TEXT, **options).message


def test_every_mask_of_the_table_says_what_it_promises():
    assert [name for name, mask in MASKS.items() if name != mask.name or not mask.promise] == []
    assert {"drop", "null", "const", "hash"} <= MASKS.keys()
    assert rule_mistake(MaskRule("hash", {"length": 12})) == ""

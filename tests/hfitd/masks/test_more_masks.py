"""What the masks of accounts, dates, amounts, prose, addresses, documents and lists promise."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hfitd.errors import MaskDoesNotFit
from hfitd.masks.interface import BoundMask
from hfitd.masks.permutation import Permutation
from hfitd.masks.table import bind_mask, bind_text_mask, rule_mistake
from hfitd.model import Column, Json, Key, Kind, MaskRule, Table, TableName
from hfitd.volumes.masked.json_places import Places

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
TEXT, DATE, STAMP = ("text", Kind.TEXT), ("date", Kind.DATE), ("timestamp without time zone", Kind.TIMESTAMP)
NUMBER, INTEGER, DOC = ("numeric", Kind.NUMBER), ("bigint", Kind.INTEGER), ("jsonb", Kind.JSON)
words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)


def bound(mask: str, of: tuple[str, Kind] = TEXT, key: bytes = KEY, **options: Json) -> BoundMask:
    return bind_mask(MaskRule(mask, options), Column("c", *of), key)


def made(mask: str, value: str, of: tuple[str, Kind] = TEXT, who: bytes | None = None, /, **options: Json) -> str:
    return (bound(mask, of, **options).cover(value.encode(), who) or b"NULL").decode()


def refused(mask: str, column: Column, unique: bool = False, table: Table | None = None, **options: Json) -> str:
    with pytest.raises(MaskDoesNotFit) as caught:
        bind_mask(MaskRule(mask, options), column, KEY, unique=unique, table=table)
    return caught.value.message


# --- distinct values stay distinct ---------------------------------------------------------------------------------

DISTINCT = {
    "email": b"person%d@corp.example", "hash": b"person%d@corp.example", "phone": b"+31 6 %08d", "digits": b"AB-%07d",
    "uuid": b"person%d", "integer": b"%d", "iban": b"NL91ABNA%010d", "card": b"411111%010d",
    "ip": None,
}  # fmt: skip


@pytest.mark.parametrize("mask", DISTINCT)
def test_twenty_thousand_distinct_values_have_as_many_pseudonyms(mask):
    form, count = DISTINCT[mask], 20_000
    cell = bound(mask, INTEGER if mask == "integer" else TEXT).cell
    assert cell is not None
    values = (form % n if form else str(ipaddress.ip_address(n * 65_537)).encode() for n in range(count))
    assert len({cell(value) for value in values}) == count


@pytest.mark.parametrize("mask", ["street", "city", "iban", "card", "text", "ip", "noise", "date_shift"])
def test_another_key_gives_unrelated_values(mask):
    of = {"noise": NUMBER, "date_shift": DATE}.get(mask, TEXT)
    options: dict[str, Json] = {"percent": 50} if mask == "noise" else {}
    form = {
        "iban": "NL91ABNA%010d", "card": "4111111%09d", "ip": "10.0.%d.7", "noise": "9%d.25",
        "date_shift": "20%02d-01-01",
    }  # fmt: skip
    values = [(form.get(mask, "Some Words %d") % n).encode() for n in range(90)]
    ours, theirs = bound(mask, of, **options).cover, bound(mask, of, OTHER_KEY, **options).cover
    assert sum(ours(value) == theirs(value) for value in values) <= 4


@pytest.mark.parametrize("size", [1, 2, 7, 99, 100, 101, 127, 128, 1000, 4097])
def test_a_permutation_meets_every_member_once(size):
    permutation = Permutation(KEY, b"test\0")
    assert sorted(permutation.below(b"", number, size) for number in range(size)) == list(range(size))


@given(st.integers(1, 1300), st.randoms(use_true_random=False))
def test_digits_of_any_length_stay_so_long_and_differ_everywhere(length, chance):
    permutation = Permutation(KEY, b"test\0")
    text = "".join(chance.choice("0123456789") for _ in range(length)).encode()
    masked = permutation.digits(b"", text)
    assert len(masked) == length
    assert masked.isdigit()
    if length > 60:  # no part of it is left
        assert all(text[at : at + 30] != masked[at : at + 30] for at in range(0, length - 30, 30))


# --- accounts ------------------------------------------------------------------------------------------------------

def _is_iban(text: str) -> bool:
    bare = text.replace(" ", "")
    return int("".join(str(int(letter, 36)) for letter in bare[4:] + bare[:4])) % 97 == 1


def _passes_luhn(text: str) -> bool:
    digits = [int(letter) for letter in text if letter.isdigit()][::-1]
    return sum(digits[::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def _iban(country: str, account: str) -> str:
    check = 98 - int("".join(str(int(letter, 36)) for letter in account + country + "00")) % 97
    return f"{country}{check:02d}{account}"


@given(st.sampled_from(["NL", "DE", "MT", "NO"]), st.from_regex(r"[A-Z]{4}[0-9]{7,20}", fullmatch=True))
def test_a_valid_iban_becomes_a_valid_one_of_its_country_and_form(country, account):
    value = _iban(country, account)
    masked = made("iban", value)
    assert masked != value
    assert masked[:2] == country
    assert [letter.isdigit() for letter in masked] == [letter.isdigit() for letter in value]
    assert _is_iban(masked)


def test_layout_case_and_bad_check_digits_of_an_iban():
    plain = made("iban", "NL91ABNA0417164300")
    assert made("iban", "nl91 abna 0417 1643 00").replace(" ", "") == plain
    assert made("iban", "NL91 ABNA 0417 1643 00")[4::5] == "    "
    assert not _is_iban(made("iban", "NL92ABNA0417164300"))
    assert made("iban", "an J\u00fcrgen") != "AN JXRGEN"


@given(st.from_regex(r"[1-9][0-9]{10,17}", fullmatch=True), st.integers(0, 8))
def test_a_valid_card_number_becomes_a_valid_one(payload, kept):
    value = next(f"{payload}{check}" for check in range(10) if _passes_luhn(f"{payload}{check}"))
    masked = made("card", value, first=kept)
    assert len(masked) == len(value)
    assert masked[:kept] == value[:kept]
    assert masked[0] != "0"
    assert _passes_luhn(masked)
    wrong = f"{payload}{(int(value[-1]) + 3) % 10}"
    assert not _passes_luhn(made("card", wrong, first=kept))


# --- places --------------------------------------------------------------------------------------------------------

@given(words)
def test_streets_and_towns_are_made_up_and_short(value):
    street, city = made("street", value), made("city", value)
    if not value.strip():
        assert (street, city) == ("NULL", "NULL") or (street, city) == ("", "")
        return
    assert len(street) <= 22
    assert len(city) <= 12
    assert city.isalpha()
    assert made("street", f" {value.upper()} ".lower()) == made("street", value.upper().lower())


def test_house_numbers_stay_where_they_were_and_one_street_stays_one():
    first, second = made("street", "12 Main Street"), made("street", "7 MAIN STREET ")
    assert first.split()[1:] == second.split()[1:]
    assert first.split()[0].isdigit()
    assert len(first.split()[0]) == 2
    assert made("street", "Hauptstr. 12a").split()[-1].isdigit()
    assert not made("street", "Rue de la Paix")[-1].isdigit()


# --- dates ---------------------------------------------------------------------------------------------------------

dates = st.dates(dt.date(2, 1, 2), dt.date(9998, 1, 1))


@given(dates, dates, st.binary(min_size=1, max_size=20), st.integers(1, 3650))
def test_dates_of_one_subject_keep_their_distance(one, other, subject, days):
    assume(abs((one - other).days) < 300_000)
    options = {"subject": "customer_id", "days": days}
    moved = [
        dt.date.fromisoformat(made("date_shift", str(day), DATE, subject, **options)) for day in (one, other)
    ]
    if all(11 < day.year < 9988 for day in (one, other)):
        assert moved[0] - moved[1] == one - other
        assert 0 < abs((moved[0] - one).days) <= days


def test_a_subject_is_folded_and_null_moves_each_day_by_itself():
    shift = bound("date_shift", DATE, subject="who")
    assert shift.cover(b"2024-05-17", b"Ann@X.org") == shift.cover(b"2024-05-17", b" ann@x.org ")
    assert len({shift.cover(b"2024-05-17", str(who).encode()) for who in range(50)}) > 30
    assert shift.cover(b"2024-05-17", None) == bound("date_shift", DATE).cover(b"2024-05-17")


@pytest.mark.parametrize(
    "value", ["infinity", "-infinity", "0000-00-00", "0000-00-00 00:00:00", "9999-12-31", "0001-01-01 00:00:00"]
)
def test_what_stands_for_never_stays(value):
    assert made("date_shift", value, STAMP, b"7", subject="who") == value


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2024-02-29 23:59:59.123+00", "0000-00-00 23:59:59.123+00"), ("0044-03-15 BC", "0000-00-00 BC"),
        ("294276-12-31 23:59:59.999999", "000000-00-00 23:59:59.999999"), ("2024-05-00", "0000-00-00"),
        ("5874897-12-31", "0000000-00-00"), ("2024-01-05T10:00:00Z", "0000-00-00T10:00:00Z"),
        ("2024-02-31 00:00:00", "0000-00-00 00:00:00"), ("0001-12-31 BC", "0000-00-00 BC"),
    ],
)  # fmt: skip
def test_dates_of_every_engine_keep_their_form(value, form):
    masked = made("date_shift", value, STAMP, b"7", subject="who", days=30)
    assert masked != value or value.endswith("-00")
    assert len(masked) == len(value)
    assert masked[masked.index("-") + 6 :] == form[form.index("-") + 6 :]
    assert value[8:10] != "00" or masked[8:10] == "00"


def test_a_mysql_timestamp_stays_in_its_range():
    for value in ("1970-01-02 00:00:00", "2037-12-30 00:00:00"):
        for who in range(40):
            masked = made("date_shift", value, ("timestamp", Kind.TIMESTAMP), b"%d" % who, subject="who", days=3650)
            assert 1970 <= int(masked[:4]) <= 2037


def test_sqlite_dates_as_numbers_move_too_and_nonsense_is_hidden():
    assert made("date_shift", "2460310.5", DATE, b"1", subject="who").endswith(".5")
    assert (int(made("date_shift", "1704448800", DATE, b"1", subject="who")) - 1704448800) % 86_400 == 0
    assert bound("date_shift", DATE).cover(b"next Tuesday") == b""
    assert bound("date_shift").cover(b"17") == b""


def test_a_subject_has_to_be_a_column_of_the_table():
    date = Column("born", "date", Kind.DATE)
    customer = Table(TableName("s", "customer"), "table", (date, Column("id", "int", Kind.INTEGER)))
    assert "nobody" in refused("date_shift", date, table=customer, subject="nobody")
    assert bind_mask(MaskRule("date_shift", {"subject": "id"}), date, KEY, table=customer).subject == "id"
    assert "key" in refused("date_shift", date, unique=True, subject="id")
    refused("date_shift", date, subject="")
    refused("date_shift", date, days=0)


# --- amounts -------------------------------------------------------------------------------------------------------

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3)


@given(decimals, st.sampled_from([1, 10, 0.25, 1000]))
def test_a_bucket_is_a_multiple_of_its_step_towards_zero(number, step):
    masked = Decimal(made("bucket", str(number), NUMBER, step=step))
    assert masked % Decimal(str(step)) == 0
    assert abs(masked) <= abs(number)
    assert abs(number - masked) < Decimal(str(step))


@pytest.mark.parametrize(
    ("unit", "start"),
    [
        ("year", "2024-01-01 00:00:00.000+00"), ("quarter", "2024-04-01 00:00:00.000+00"),
        ("month", "2024-05-01 00:00:00.000+00"), ("day", "2024-05-17 00:00:00.000+00"),
        ("hour", "2024-05-17 10:00:00.000+00"),
    ],
)  # fmt: skip
def test_a_date_shows_where_its_unit_began(unit, start):
    assert made("bucket", "2024-05-17 10:11:12.123+00", STAMP, unit=unit) == start
    for kept in ("infinity", "0000-00-00"):
        assert made("bucket", kept, STAMP, unit=unit) == kept


def test_a_time_shows_its_hour_and_the_start_of_mysql_timestamps_is_kept():
    assert made("bucket", "23:59:59.5", ("time", Kind.TIME), unit="hour") == "23:00:00.0"
    assert made("bucket", "-838:59:59", ("time", Kind.TIME), unit="hour") == "-838:00:00"
    assert made("bucket", "1970-05-05 10:00:00", ("timestamp", Kind.TIMESTAMP), unit="year") == "1970-01-01 00:00:01"


@given(decimals, st.sampled_from([1, 10, 50, 100]))
def test_noise_keeps_sign_scale_and_nearness(number, percent):
    text = str(number)
    masked = made("noise", text, NUMBER, percent=percent)
    assert len(masked.partition(".")[2]) == len(text.partition(".")[2])
    assert len(masked) <= len(text)
    assert abs(Decimal(masked) - number) <= abs(number) * percent / 100 + Decimal("0.001")
    assert Decimal(masked) * number > 0 or number == 0 == Decimal(masked)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 10**6))
def test_noise_on_whole_numbers_fits_where_they_fit(number, amount):
    masked = int(made("noise", str(number), INTEGER, amount=amount))
    for bits in (8, 16, 32, 64):
        if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            assert -(2 ** (bits - 1)) <= masked < 2 ** (bits - 1)
    assert (masked >= 0) == (number >= 0) or number == 0
    assert abs(masked - number) <= amount


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_stays_or_is_hidden(value):
    assert made("noise", value, NUMBER, percent=5) == made("bucket", value, NUMBER, step=5) == value
    assert bound("noise", percent=5).cover(b"a lot") == bound("bucket", step=5).cover(b"a lot") == b""
    assert len(made("noise", "9" * 1000 + ".5", NUMBER, percent=5)) == 1002


def test_amounts_say_what_they_need():
    price = Column("c", "numeric(6,1)", Kind.NUMBER)
    assert "decimals" in refused("bucket", price, step=0.25)
    assert "decimals" in refused("bucket", Column("c", "int", Kind.INTEGER), step=0.5)
    for options in ({}, {"step": 1, "unit": "year"}, {"unit": "week"}, {"step": 0}, {"step": True}):
        refused("bucket", price, **options)
    for options in ({}, {"percent": 1, "amount": 1}, {"percent": 101}, {"amount": -1}, {"amount": "5"}):
        refused("noise", price, **options)
    refused("bucket", price, unit="year")


# --- prose ---------------------------------------------------------------------------------------------------------

@given(words)
def test_prose_keeps_length_words_case_and_signs(value):
    masked = made("text", value) if value else ""
    assert len(masked) == len(value)
    assert [letter.isspace() for letter in masked] == [letter.isspace() for letter in value]
    for old, new in zip(value, masked, strict=True):
        category = unicodedata.category(old)
        if category[0] in "PSZ":
            assert new == old
        if category == "Nd":
            assert unicodedata.category(new) == "Nd"
        if category in {"Lu", "Ll"}:
            assert new.isupper() == old.isupper()


@pytest.mark.parametrize(
    ("value", "charset"),
    [
        ("Grüße aus Ærø", "ascii"), ("Привет, Мир", "cp1251"), ("Καλημέρα", "iso8859-7"), ("שלום", "cp1255"),
        ("日本語テスト", "shift_jis"), ("한국어", "euc_kr"), ("中文", "gb2312"), ("中文", "big5"),
        ("ภาษาไทย", "tis-620"),
    ],
)  # fmt: skip
def test_prose_fits_the_character_set_that_held_it(value, charset):
    masked = made("text", value)
    assert len(masked.encode(charset)) >= len(masked)
    assert masked != value


# --- addresses -----------------------------------------------------------------------------------------------------

@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_addresses_share_as_many_bits_as_before(one, other):
    shared = 32 - (int(one) ^ int(other)).bit_length()
    masked = [int(ipaddress.ip_address(made("ip", str(address)))) for address in (one, other)]
    assert 32 - (masked[0] ^ masked[1]).bit_length() == shared


@given(st.ip_addresses(v=6), st.integers(0, 128))
def test_networks_stay_networks(address, bits):
    network = ipaddress.ip_network((address, bits), strict=False)
    masked = ipaddress.ip_network(made("ip", str(network), ("cidr", Kind.OTHER)))  # strict: no host bits
    assert masked.prefixlen == bits
    assert ipaddress.ip_address(made("ip", address.exploded)) == ipaddress.ip_address(made("ip", str(address)))


def test_every_host_of_a_small_network_is_another_one():
    hosts = [f"10.1.2.{host}/24" for host in range(256)]
    assert len({made("ip", host, ("inet", Kind.OTHER)) for host in hosts}) == 256


@pytest.mark.parametrize("value", ["localhost", "fe80::1%eth0", "1.2.3", "10.0.0.1/33", "10.0.0.1/08", "1.2.3.4:80"])
def test_what_is_no_address_becomes_an_example(value):
    assert ipaddress.ip_address(made("ip", value)) in ipaddress.ip_network("2001:db8::/32")


def test_bytes_and_short_columns_hold_addresses_too():
    raw = bound("ip", ("varbinary(16)", Kind.BYTES)).cover(ipaddress.ip_address("10.0.0.1").packed)
    assert raw == ipaddress.ip_address(made("ip", "10.0.0.1")).packed
    short = Column("c", "varchar(15)", Kind.TEXT, max_length=15)
    assert bind_mask(MaskRule("ip"), short, KEY).cover(b"::1") == b"::"
    assert "43" in refused("ip", short, unique=True)
    assert "15" in refused("ip", Column("c", "varchar(9)", Kind.TEXT, max_length=9))


# --- documents -----------------------------------------------------------------------------------------------------

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
names = st.sampled_from("abc") | words
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def _null_at_a(value: object) -> object:
    if isinstance(value, dict):
        return {key: (None if key.strip().casefold() == "a" else _null_at_a(item)) for key, item in value.items()}
    return [_null_at_a(item) for item in value] if isinstance(value, list) else value


@given(documents, st.sampled_from([None, 1]), st.booleans())
def test_only_what_a_path_names_changes(document, indent, ascii_only):
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    masked = made("json", text, DOC, paths={"$..a": "null"})
    assert json.loads(masked) == _null_at_a(document)
    assert made("json", text, DOC, paths={"$.nothing.here[3]": "null"}) == text


@pytest.mark.parametrize("name", ["Email", "EMAIL", " email ", "\uff25mail", "e\u0301mail", "\u00e9MAIL", "emails"])
def test_names_in_documents_are_compared_alike_in_columns_and_in_files(name):
    path = "$.\u00e9mail" if "\u0301" in name or "\u00e9" in name else "$.email"
    covered = name not in {"\uff25mail", "emails"}
    text = json.dumps({"x": {name: "Ann@x.org"}})
    expected = made("email", "ann@x.org") if covered else "Ann@x.org"
    for mask in ({path.replace("$", "$.x"): "email"}, {path.replace("$.", "$.X."): "email"}):
        assert json.loads(made("json", text, DOC, paths=mask))["x"][name] == expected
    places = Places({path.replace("$", "$.x"): object()})  # type: ignore[dict-item]
    assert (places.root.member(b"X").member(name.encode()).mask is not None) == covered


def test_the_text_of_a_document_stays_but_for_its_leaves():
    text = '{ "a" :1e2, "id": 12345678901234567890, "id":1.0,\n"x": {"\\u0065mail": "Ann@x.org", "n": null} , "z": [ ]}'
    masked = made("json", text, DOC, paths={"$.x.email": "email"})
    email = made("email", "ann@x.org")
    assert masked == text.replace('"Ann@x.org"', f'"{email}"')


@pytest.mark.parametrize(
    ("path", "hit"),
    [
        ("$.a.b", [0]), ("$['a'][\"b\"]", [0]), ("$.l[1]", [3]), ("$.l[*]", [2, 3]), ("$.*.b", [0]), ("$..b", [0, 5]),
        ("$.a", [0, 1]), ("$", [0, 1, 2, 3, 4, 5]), ("$.l[7]", []), ("$.d.*.b", [5]), ("$['x y']", [4]),
    ],
)  # fmt: skip
def test_paths_name_their_places(path, hit):
    text = '{"a": {"b": "v0", "c": "v1"}, "l": ["v2", "v3"], "x y": "v4", "d": [{"b": "v5"}]}'
    whole = made("json", text, DOC, paths={path: {"mask": "redact"}})
    assert [n for n in range(6) if f'"v{n}"' not in whole] == hit


@pytest.mark.parametrize("text", ["nope", "{", '{"a": NaN}', "[1,]", '{"a":1} x', "[" * 200_000, "\ufeff{}"])
def test_what_is_no_document_is_hidden_whole(text):
    assert made("json", text, paths={"$.a": "email"}) == "null"


def test_a_document_that_no_longer_fits_shows_null_and_is_never_cut():
    column = Column("c", "varchar(40)", Kind.TEXT, max_length=40)
    mask = bind_mask(MaskRule("json", {"paths": {"$.e": "email"}}), column, KEY)
    assert mask.cover(b'{"e": "a@b.org", "n": 1}') == b'{"e": null, "n": 1}'


def test_numbers_truths_and_whole_values_in_documents():
    paths: Json = {"$.id": "integer", "$.on": "email", "$.o": {"mask": "const", "value": 7}, "$.p": "digits"}
    masked = json.loads(made("json", '{"id": 4711, "on": true, "o": {"deep": [1]}, "p": 123}', DOC, paths=paths))
    assert masked["id"] == int(made("integer", "4711", INTEGER))
    assert (masked["on"], masked["o"]) == (None, 7)
    assert isinstance(masked["p"], int)


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        ("json", {}), ("json", {"paths": {}}), ("json", {"paths": {"user.email": "email"}}),
        ("json", {"paths": {"$.a[": "email"}}), ("json", {"paths": {"$.a": "nonsense"}}),
        ("json", {"paths": {"$.a": "drop"}}), ("json", {"paths": {"$.a": {"mask": "hash", "size": 3}}}),
        ("json", {"paths": {"$.a": 5}}), ("json", {"paths": {"$a": "email"}}),
        ("json", {"paths": {"$.a": {"mask": "json", "paths": {"b": "email"}}}}), ("delimited", {}),
        ("delimited", {"parts": ["", ""]}), ("delimited", {"parts": "nonsense"}),
        ("delimited", {"parts": "email", "separator": ""}), ("delimited", {"parts": 5}),
    ],
)  # fmt: skip
def test_mistakes_inside_options_are_found_without_a_column(mask, options):
    assert rule_mistake(MaskRule(mask, options))


# --- lists ---------------------------------------------------------------------------------------------------------

@given(st.lists(st.from_regex(r"[a-z0-9@. ]{0,9}", fullmatch=True), min_size=1, max_size=5))
def test_each_field_of_a_list_has_its_own_pseudonym(fields):
    masked = (bound("delimited", separator=";", parts="digits").cover(";".join(fields).encode()) or b"").decode()
    assert masked.split(";") == [made("digits", field) if field else "" for field in fields]


def test_fields_by_place_and_a_list_of_another_form_is_hidden():
    parts: Json = ["", {"mask": "redact", "last": 1}, "email"]
    assert made("delimited", "7, abc ,x@y.org", parts=parts) == f"7, **c ,{made('email', 'x@y.org')}"
    assert made("delimited", "7,abc", parts=parts) == ","
    assert made("delimited", '"Lee, Ann",abc,x@y.org', parts=parts) == ",,,"


def test_subjects_of_parts_are_handed_down():
    mask = bound("json", DOC, paths={"$.born": {"mask": "date_shift", "subject": "id"}})
    assert mask.subject == "id"
    alone = bound("date_shift", DATE, subject="id").cover(b"2024-05-17", b"7")
    assert json.loads(mask.cover(b'{"born": "2024-05-17"}', b"7") or b"")["born"] == (alone or b"").decode()
    two: Json = ["date_shift", {"mask": "date_shift", "subject": "a"}, {"mask": "date_shift", "subject": "b"}]
    assert "subjects" in refused("delimited", Column("c", *TEXT), parts=two)


# --- files and keys ------------------------------------------------------------------------------------------------

def test_a_mask_for_files_needs_no_column():
    assert bind_text_mask("email", {}, KEY).cover(b"Ann@x.org") == bound("email").cover(b"ann@x.org")
    assert bind_text_mask("null", {}, b"").cover(b"x") is None
    assert bind_text_mask("const", {"value": "x"}, b"").cover(b"y") == b"x"
    with pytest.raises(MaskDoesNotFit):
        bind_text_mask("street", {}, b"")


def test_unique_columns_take_masks_that_keep_values_apart_only():
    unique = Table(TableName("s", "t"), "table", (), (Key("k", ("c",), primary=True),))
    for mask in ("street", "city", "text"):
        refused(mask, Column("c", *TEXT), unique=True, table=unique)
    refused("noise", Column("c", *INTEGER), unique=True, table=unique, amount=1)
    refused("bucket", Column("c", *INTEGER), unique=True, table=unique, step=1)
    for mask in ("iban", "card", "ip"):
        assert bind_mask(MaskRule(mask), Column("c", *TEXT), KEY, unique=True).cell is not None

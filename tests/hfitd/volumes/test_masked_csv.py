"""Masks in CSV files; Python's own reader is the oracle."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.config.model import VolumeMask
from hfitd.errors import FileNotMaskable, MaskDoesNotFit
from hfitd.masks.table import bind_text_mask
from hfitd.model import MaskRule
from hfitd.volumes.masked.interface import MAX_RECORD
from tests.support.masked import KEY, feed, machine

EMAIL = VolumeMask(("*.csv",), "csv", {"email": MaskRule("email")})
MAIL = bind_text_mask("email", {}, KEY)


def masked(value: str) -> str:
    made = MAIL.cover(value.encode())
    assert made is not None
    return made.decode()


CELLS = st.text(alphabet=st.sampled_from('ab",;\n é\t='), max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5)


@settings(max_examples=120, deadline=None)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
       st.sampled_from([",", ";", "\t"]), st.integers(1, 9), st.booleans(), st.booleans())  # fmt: skip
def test_the_masked_column_alone_differs_however_the_file_is_written(
    rows: list[tuple[str, str, str]], end: str, quoting: int, delimiter: str, piece: int, mark: bool, ended: bool
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=quoting, delimiter=delimiter)  # type: ignore[arg-type]
    writer.writerows([("id", "Email", "note"), *rows])
    original = (b"\xef\xbb\xbf" if mark else b"") + text.getvalue().encode()
    if not ended:
        original = original.removesuffix(end.encode())
    rule = VolumeMask(("*",), "csv", {"email": MaskRule("email")}, delimiter=delimiter)
    made = feed(machine(rule), original, piece)
    found = list(csv.reader(io.StringIO(made.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    assert [[r[0], masked(r[1]) if r[1] else "", r[2]] for r in map(list, rows)] == found[1:]
    assert made.startswith(b"\xef\xbb\xbf") == mark
    assert made.endswith(b"\n") == (ended or original.endswith(b"\n"))


@settings(max_examples=120, deadline=None)
@given(ROWS, st.integers(1, 9))
def test_what_no_rule_covers_keeps_its_bytes(rows: list[tuple[str, str, str]], piece: int) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("a", "b", "c"), *rows])
    rule = VolumeMask(("*",), "csv", {"a": MaskRule("redact", {"first": 16})})
    other = VolumeMask(("*",), "csv", {"c": MaskRule("null")})
    original = text.getvalue().encode()
    kept = list(csv.reader(io.StringIO(feed(machine(other), original, piece).decode(), newline="")))
    assert [row[:2] for row in kept[1:]] == [[one, two] for one, two, _ in rows]
    assert feed(machine(rule), original, 1) == feed(machine(rule), original, len(original) + 1)


def test_bytes_stay_quotes_blanks_line_ends_and_foreign_bytes() -> None:
    original = b'id,email,note\n1,a@x.org, "x\r\n\r\n2,,"y"\n"3","","\xff\xfe"\n4,b@x.org,\x00'.replace(b' "x', b" x")
    assert feed(machine(EMAIL), original, 3) == original.replace(b"a@x.org", masked("a@x.org").encode()).replace(
        b"b@x.org", masked("b@x.org").encode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "id,mail\n1,a@x.org\n",  # a renamed column
        "id,email\n1,a@x.org,more\n",
        "id,email\n1\n",
        'id,email\n1,"a@x.org\n',
        'id,email\n1,a@x.org"x,\n',
        'id,email\n1,"a@x.org"x\n',
        "id,email\n1,a\r2,b@x.org\n",
        'id,email\n1, "a,b@x.org"\n',
        "id;email\n1;a@x.org\n",
        "\ufeff\ufeffemail\na@x.org\n",
        "id,em\0ail\n1,a@x.org\n",
        "PK\x03\x04email",
    ],
)
def test_what_is_not_csv_with_that_column_is_refused_and_nothing_of_it_shown(text: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        maker = machine(EMAIL)
        out = b""
        with pytest.raises(FileNotMaskable) as caught:
            for byte in text.encode(encoding):
                out += maker.feed(bytes([byte]))
            out += maker.finish()
        assert b"x.org" not in out
        assert "x.org" not in caught.value.message + str(caught.value.suggestions)


@pytest.mark.parametrize("second", ["Email,id,note", '"note",id," EMAIL "', "\ufeffnote,EMAIL,id"])
def test_f13_a_second_header_that_moves_the_columns_refuses_the_file(second: str) -> None:
    text = f"id,email,note\n1,ann@corp.de,x\n{second}\nbob@corp.de,2,y\n"
    with pytest.raises(FileNotMaskable, match=r"another order \(line 3\)"):
        feed(machine(EMAIL), text.encode(), 7)


def test_the_same_header_once_more_and_its_words_in_records_are_data() -> None:
    text = "id,email,note\n1,ann@corp.de,email\nid,email,note\nemail,bob@corp.de,id\nnote,,\n"
    made = [line.split(",") for line in feed(machine(EMAIL), text.encode(), 5).decode().splitlines()]
    assert [(line[0], line[2]) for line in made[1:]] == [("1", "email"), ("id", "note"), ("email", "id"), ("note", "")]
    assert [line[1] for line in made[1:]] == [masked("ann@corp.de"), masked("email"), masked("bob@corp.de"), ""]


def test_a_line_number_helps_to_find_the_mistake() -> None:
    with pytest.raises(FileNotMaskable, match=r"line 4"):
        feed(machine(EMAIL), b'id,email\n1,"a\nb"\n2\n', 4)


def test_every_column_of_the_name_is_masked_however_it_is_spelled() -> None:
    made = feed(machine(EMAIL), b'EMAIL," email ",E-Mail,"e""x",eMail\na,b,c,d,e\n')
    assert made.splitlines()[1] == ",".join([masked("a"), masked("b"), "c", "d", masked("e")]).encode()


@pytest.mark.parametrize(
    ("mask", "made"),
    [
        (MaskRule("drop"), b"id,note\n1,x\n2,y\n"),
        (MaskRule("null"), b"id,email,note\n1,,x\n2,,y\n"),
        (MaskRule("const", {"value": 'a,"b'}), b'id,email,note\n1,"a,""b",x\n2,"a,""b",y\n'),
        (MaskRule("redact", {"last": 1}), b"id,email,note\n1,**c,x\n2,,y\n"),
    ],
)
def test_each_mask_without_a_key_has_its_meaning(mask: MaskRule, made: bytes) -> None:
    rule = VolumeMask(("*",), "csv", {"email": mask})
    assert feed(machine(rule), b"id,email,note\n1,abc,x\n2,,y\n", 2) == made


def test_a_file_of_dropped_columns_only_is_refused() -> None:
    with pytest.raises(FileNotMaskable):
        feed(machine(VolumeMask(("*",), "csv", {"a": MaskRule("drop")})), b"a\n1\n")


def test_dates_of_one_subject_move_together() -> None:
    rule = VolumeMask(("*",), "csv", {"day": MaskRule("date_shift", {"subject": "Who"})})
    made = feed(machine(rule), b"who,day\nann,2024-01-01\nann,2024-01-11\n")
    one, two = (date.fromisoformat(row.split(",")[1]) for row in made.decode().splitlines()[1:])
    assert one != date(2024, 1, 1)
    assert two - one == timedelta(days=10)
    with pytest.raises(FileNotMaskable):
        feed(machine(rule), b"whom,day\nann,2024-01-01\n")


def test_o10_a_record_without_end_is_refused_in_bounded_memory() -> None:
    maker = machine(EMAIL)
    maker.feed(b'id,email\n1,"')
    with pytest.raises(FileNotMaskable, match="does not end"):
        for _ in range(MAX_RECORD // 2**20 + 2):
            maker.feed(b"x" * 2**20)


def test_empty_files_stay_empty() -> None:
    assert feed(machine(EMAIL), b"") == b""
    assert feed(machine(EMAIL), b"\xef\xbb\xbf") == b"\xef\xbb\xbf"
    assert feed(machine(EMAIL), b"\n\r\n") == b"\n\r\n"


def test_without_a_key_no_keyed_mask_works() -> None:
    with pytest.raises(MaskDoesNotFit):
        machine(EMAIL, key=b"")

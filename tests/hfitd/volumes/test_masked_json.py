"""Masks in JSON and NDJSON files; Python's own reader is the oracle."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfitd.config.model import VolumeMask
from hfitd.errors import FileNotMaskable
from hfitd.masks.table import bind_text_mask
from hfitd.model import MaskRule
from hfitd.volumes.masked.interface import MAX_RECORD
from hfitd.volumes.masked.json_machine import MAX_DEPTH
from tests.support.masked import KEY, feed, machine

HASH = bind_text_mask("hash", {}, KEY)


def rule(paths: dict[str, object], form: str = "json") -> VolumeMask:
    masks = {path: mask if isinstance(mask, MaskRule) else MaskRule(str(mask)) for path, mask in paths.items()}
    return VolumeMask(("*",), form, {}, masks)


def masked(value: str) -> str:
    made = HASH.cover(value.encode("utf-8", "surrogatepass"))
    assert made is not None
    return made.decode()


class Pairs(tuple):  # type: ignore[type-arg]
    """An object with its members in order, names repeated."""


KEYS = st.sampled_from(["e", "E", "f", "g"])
LEAVES = st.one_of(
    st.text(alphabet=st.sampled_from('ab"\\/\n é\ud800😀'), max_size=5), st.integers(), st.none(), st.booleans()
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.lists(st.tuples(KEYS, inner), max_size=4).map(Pairs)),
    max_leaves=12,
)


def spell(value: Any, blank: str, *, ascii: bool) -> str:
    if isinstance(value, Pairs):
        members = [json.dumps(k) + blank + ":" + blank + spell(v, blank, ascii=ascii) for k, v in value]
        return "{" + blank + f"{blank},{blank}".join(members) + blank + "}"
    if isinstance(value, list):
        return "[" + blank + f"{blank},{blank}".join(spell(v, blank, ascii=ascii) for v in value) + blank + "]"
    return json.dumps(value, ensure_ascii=ascii or "\ud800" in str(value))


def expect(value: Any, *, hide: bool) -> Any:
    """What ``$..e`` under ``hash`` makes of it."""
    if isinstance(value, Pairs):
        return Pairs((k, expect(v, hide=hide or k in "eE")) for k, v in value)
    if isinstance(value, list):
        return [expect(item, hide=hide) for item in value]
    if not hide or value is None:
        return value
    return None if isinstance(value, bool) else masked(value if isinstance(value, str) else str(value))


def read(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=Pairs)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.sampled_from(["", " ", "\n\t "]), st.integers(1, 7), st.booleans())
def test_every_named_value_is_masked_and_nothing_else(document: Any, blank: str, piece: int, ascii: bool) -> None:
    original = spell(document, blank, ascii=ascii).encode()
    made = feed(machine(rule({"$..e": "hash"})), original, piece)
    assert read(made) == expect(document, hide=False)
    assert made == feed(machine(rule({"$..e": "hash"})), original)
    if not any(mark in original for mark in (b'"e"', b'"E"')):
        assert made == original


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.sampled_from(["", " "]), st.integers(1, 7))
def test_dropped_members_are_gone_with_their_commas(document: Any, blank: str, piece: int) -> None:
    def without(value: Any) -> Any:
        if isinstance(value, Pairs):
            return Pairs((k, without(v)) for k, v in value if k not in "eE")
        return [without(item) for item in value] if isinstance(value, list) else value

    original = spell(document, blank, ascii=True).encode()
    assert read(feed(machine(rule({"$..e": "drop"})), original, piece)) == without(document)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from('{}[],:"0123.eE-+ truefalsn\\x\n'), max_size=14), st.integers(1, 5),
       st.sampled_from(["$.zz", "$..zz"]))  # fmt: skip
def test_only_json_passes(text: str, piece: int, path: str) -> None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
        valid = True
    except ValueError:
        valid = not text
    try:
        made = feed(machine(rule({path: "hash"})), text.encode(), piece)
    except FileNotMaskable:
        assert not valid
    else:
        assert (valid, made) == (True, text.encode())


def test_bytes_stay_big_numbers_escapes_duplicates_and_blanks() -> None:
    original = (
        b'\xef\xbb\xbf {"n" : 1.50e+0400, "big":123456789012345678901234567890,"\\u0061":"\\u00e9\\/" ,"d":1,\r\n'
        b' "d": 2 ,"e\\u006d": "x@y", "t":[ 1 , {"e":  "z"}, [] ,{ }]} \n'
    )
    made = feed(machine(rule({"$.em": "hash", "$.t[*].e": "hash"})), original, 1)
    assert made == original.replace(b'"x@y"', json.dumps(masked("x@y")).encode()).replace(
        b'"z"', json.dumps(masked("z")).encode()
    )


@pytest.mark.parametrize(
    ("paths", "text", "made"),
    [
        ({"$.a": "null"}, '{"a":{"b":[1]},"c":2}', '{"a":null,"c":2}'),
        ({"$.a[*]": "drop"}, '{"a":[1, {"x":[2]} , 3],"b":[1]}', '{"a":[ ],"b":[1]}'),
        ({"$.a[0]": "drop"}, '{"a":[1, 2, 3]}', '{"a":[ 2, 3]}'),
        ({"$.a": MaskRule("const", {"value": 5})}, '{"a":{"b":1}, "a":null, "a":"x"}', '{"a":5, "a":null, "a":5}'),
        ({"$.A.b": "null"}, '{"a":{"B":"x","c":1}}', '{"a":{"B":null,"c":1}}'),
        ({"$": "null"}, '[1,{"a":2}]', "null"),
        ({"$['a.b']": "null"}, '{"a.b":"x","a":{"b":"y"}}', '{"a.b":null,"a":{"b":"y"}}'),
        ({"$.a": MaskRule("redact", {"first": 1})}, '{"a":["xyz",[{"b":"uvw","c":true}]]}',
         '{"a":["x**",[{"b":"u**","c":null}]]}'),
        ({"$.a": "drop", "$.b": "drop"}, '{ "a":1 , "b":{"c":"}"} , "d":2 , "a":[] }', '{   "d":2  }'),
    ],
)  # fmt: skip
def test_what_masks_make_of_containers(paths: dict[str, object], text: str, made: str) -> None:
    assert feed(machine(rule(paths)), text.encode(), 1).decode() == made


def test_a_number_stays_one_where_the_mask_knows_numbers() -> None:
    made = read(feed(machine(rule({"$.n": "integer", "$.h": "hash"})), b'{"n": 42, "h": 42}'))
    assert dict(made)["n"] != 42
    assert isinstance(dict(made)["n"], int)
    assert dict(made)["h"] == masked("42")


@pytest.mark.parametrize(
    "data",
    [
        b'{"e":"\xff@x.org"}', '{"e":"a@x.org"}'.encode("utf-16"), b'{"e":"a@x.org"', b'{"e":"a@x.org"} {}',
        b"{'e':'a@x.org'}", b'{"e":NaN,"f":"a@x.org"}', b'{"e":"a@x.org",}', b'{"e" "a@x.org"}', b'["a@x.org" "b"]',
        b'{"e":"a\n@x.org"}', b'{"e":01,"f":"a@x.org"}', b"\x1f\x8b\x08a@x.org", b'{"e":"\\x@x.org"}',
        b"[" * (MAX_DEPTH + 1) + b'"a@x.org"' + b"]" * (MAX_DEPTH + 1),
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused_and_its_text_not_shown(data: bytes) -> None:
    maker, out = machine(rule({"$..e": "hash"})), b""
    with pytest.raises(FileNotMaskable) as caught:
        for byte in data:
            out += maker.feed(bytes([byte]))
        out += maker.finish()
    assert b'"e":"a@x' not in out
    assert "x.org" not in caught.value.message


@pytest.mark.parametrize("unit", [b"x", b" "])
def test_o10_a_token_without_end_is_refused_in_bounded_memory(unit: bytes) -> None:
    maker = machine(rule({"$..e": "hash"}))
    maker.feed(b'{"e":"' if unit == b"x" else b"{")
    with pytest.raises(FileNotMaskable):
        for _ in range(MAX_RECORD // 2**20 + 2):
            maker.feed(unit * 2**20)


def test_ndjson_is_one_document_a_line_and_blank_lines_stay() -> None:
    maker = machine(VolumeMask(("*",), "ndjson", {"e": MaskRule("hash")}, {"$.u.m": MaskRule("null")}))
    original = b'\xef\xbb\xbf{"e":"a", "x":{"e":"a"}}\r\n\n \n{"u":{"m":1}} \n{"e":"b"}'
    expected = original.replace(b'{"e":"a", ', b'{"e":"%s", ' % masked("a").encode()).replace(b'"m":1', b'"m":null')
    assert feed(maker, original, 3) == expected.replace(b'"b"', b'"%s"' % masked("b").encode())


@pytest.mark.parametrize("data", [b'{"e":\n"a"}', b'{"e":"a"}{"e":"a"}', b'{"e":"a"}\nnothing', b'{"e":"a"'])
def test_a_line_that_is_no_document_refuses_the_file(data: bytes) -> None:
    with pytest.raises(FileNotMaskable, match="line"):
        feed(machine(VolumeMask(("*",), "ndjson", {"e": MaskRule("hash")})), data)


def test_o10_a_line_without_end_is_refused_in_bounded_memory() -> None:
    maker = machine(VolumeMask(("*",), "ndjson", {"e": MaskRule("hash")}))
    with pytest.raises(FileNotMaskable, match="longer than"):
        for _ in range(MAX_RECORD // 2**20 + 2):
            maker.feed(b" " * 2**20)

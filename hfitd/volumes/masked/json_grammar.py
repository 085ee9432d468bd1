"""The grammar of JSON (RFC 8259, sections 2 to 7) as regular expressions over bytes; nothing in them backtracks.

Besides tokens there are *small* values: leaves, and arrays and objects nested no deeper than two levels. A value ends
for certain only where a comma or bracket is seen behind it: a number may go on in the next piece of a file.
"""

from __future__ import annotations

import re

_WS = rb"[ \t\n\r]*+"
_TEXT = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMERAL = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
_LEAF = rb"(?>%b|%b|true|false|null)" % (_TEXT, _NUMERAL)


def _list_of(item: bytes) -> bytes:
    return rb"%b(?:%b,%b)*+" % (item, _WS, _WS + item)


def _member_of(value: bytes) -> bytes:
    return _TEXT + _WS + b":" + _WS + value


def _value_around(inner: bytes) -> bytes:
    """Leaves, and arrays and objects whose values are ``inner``."""
    array = rb"\[%b(?:%b)?+%b\]" % (_WS, _list_of(inner), _WS)
    members = rb"\{%b(?:%b)?+%b\}" % (_WS, _list_of(_member_of(inner)), _WS)
    return rb"(?>%b|%b|%b)" % (_LEAF, array, members)


_SMALL = _value_around(_value_around(_LEAF))
_SMALL_MEMBER = _member_of(_SMALL)

SPACE = re.compile(_WS)
TOKEN = re.compile(rb"%b(?:(%b)|(%b)|(true|false|null)|([{}\[\],:]))" % (_WS, _TEXT, _NUMERAL))
STRING, DIGITS, WORD = 1, 2, 3  # groups of TOKEN; 4 is punctuation
# blanks, then as many small members or elements as surely end here
MEMBERS = re.compile(rb"(%b)(%b(?:%b,%b)*)(?=%b[,}])" % (_WS, _SMALL_MEMBER, _WS, _WS + _SMALL_MEMBER, _WS))
ELEMENTS = re.compile(rb"(%b)(%b(?:%b,%b)*)(?=%b[,\]])" % (_WS, _SMALL, _WS, _WS + _SMALL, _WS))
# blanks, a name up to its value; then the value alone, up to the comma if there is one
NAME = re.compile(rb"(%b)((%b)%b:%b)" % (_WS, _TEXT, _WS, _WS))
SMALL_VALUE = re.compile(rb"(%b)%b(?:(,)|(?=\}))" % (_SMALL, b"(" + _WS + b")"))
LEAF_VALUE = re.compile(rb"(%b)%b(?:(,)|(?=\}))" % (_LEAF, b"(" + _WS + b")"))


def may_go_on(buffer: bytes, end: int) -> bool:
    """Whether more of a number may follow; ``1.5e`` is the beginning of one."""
    return end == len(buffer) or buffer[end] in b"0123456789.eE+-"

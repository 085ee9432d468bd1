"""``text``: prose that looks like the prose it stands for and says nothing.

Every letter becomes another of its script and case, every digit another digit; blanks, punctuation and signs stay, so
length, words and lines are what they were. Latin letters, with accents or without, become plain ones, and the other
scripts keep to letters that every character set for them has: a column that held the value holds its mask.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from hfitd.masks.derive import keyed_draw, stretch
from hfitd.masks.fitting import need_kind
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.model import Column, Kind, MaskRule

_LOWER, _UPPER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
# Letters of other scripts by the first word of their Unicode names: (small or without case, capital).
_SCRIPTS = {
    "GREEK": ("αβγδεζηθικλμνξοπρστυφχψω", "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"),
    "CYRILLIC": ("абвгдежзийклмнопрстуфхцчшщыьэюя", "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЫЬЭЮЯ"),
    "HEBREW": ("אבגדהוזחטיכלמנסעפצקרשת",) * 2,
    "ARABIC": ("ابتثجحخدذرزسشصضطظعغفقكلمنهوي",) * 2,
    "DEVANAGARI": ("कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह",) * 2,
    "THAI": ("กขคงจฉชซญดตถทธนบปผฝพฟมยรลวสหอฮ",) * 2,
    "HIRAGANA": ("あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわ",) * 2,
    "KATAKANA": ("アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワ",) * 2,
    "HANGUL": ("가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후",) * 2,
    "CJK": ("一二三四五六七八九十上下中大小山川日月火水木金土石田人口目耳手足力男女子天空雨花草竹林森村町車",) * 2,
}
_KEPT_ALPHABETS = 4096
_ASCII = {
    **{ord(letter): _LOWER for letter in _LOWER},
    **{ord(letter): _UPPER for letter in _UPPER},
    **{ord(digit): _DIGITS for digit in _DIGITS},
}


@lru_cache(_KEPT_ALPHABETS)
def _alphabet(character: str) -> str:
    """The letters or digits one of which stands for the character; nothing where it stays."""
    category = unicodedata.category(character)
    if category == "Nd":
        zero = ord(character) - unicodedata.decimal(character)
        return "".join(chr(zero + number) for number in range(10))
    if category[0] not in "LMN" or (category[0] == "M" and "\u0300" <= character <= "\u036f"):
        return ""  # an accent belongs to the letter before it
    script = unicodedata.name(character, "LATIN").partition(" ")[0]
    small, capital = _SCRIPTS.get(script, (_LOWER, _UPPER))
    return capital if category in {"Lu", "Lt"} else small


def _bind(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    need_kind(rule.mask, column, (Kind.TEXT,))
    draw = keyed_draw(binding.key, b"text\0")

    def cell(value: bytes) -> bytes:
        text = value.decode("utf-8", "replace")
        noise = stretch(draw(value), 2 * len(text))
        masked = []
        for place, character in enumerate(text):
            alphabet = _ASCII.get(ord(character), "") if character.isascii() else _alphabet(character)
            if alphabet:
                number = noise[2 * place] << 8 | noise[2 * place + 1]
                masked.append(alphabet[number % len(alphabet)])
            else:
                masked.append(character)
        return "".join(masked).encode()

    return BoundMask(rule.mask, cell=cell)


TEXT = Mask(
    "text",
    _bind,
    "meaningless text of the same length, words, case and punctuation",
    keyed=True,
)

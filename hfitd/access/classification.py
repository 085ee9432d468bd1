"""Does a column look as if it held something of a person? Judged by its name and type alone, with the reason.

A name is cut into words at ``_``, other non-letters and ``camelCase`` borders, digits and accents dropped
(``address2`` is ``address``, ``Prénom`` is ``prenom``). The words are those of a dozen languages
(``personal_names``). The rules, in order:

1. Truth values never look personal; a last word that makes it a fact *about* the value (``email_id``,
   ``phone_count``, ``address_type``, ``email_sent_at`` ...) clears it, unless the words before it are themselves a
   number of a person (``national_id``, ``passport_id``, ``tax_id``).
2. A word, or a run of words, of ``PERSONAL`` makes it personal, if the type can hold such a value; so does a word
   that ends with one of ``SUFFIXES`` (``customeremail``).
3. A bare ``name`` is personal only in tables that are called like persons (``customer``, ``staff``, ``actor`` ...),
   so ``film.title``, ``category.name`` and ``track.name`` are clear.
4. A long text called like free writing (``notes``, ``comment``, ``message`` ...) is personal: people write
   everything there.
"""

from __future__ import annotations

import re
import unicodedata

from hfitd.access.personal_names import ABOUT, FREE_TEXT, NUMBERS_OF_PERSONS, PERSON_TABLES, PERSONAL, SUFFIXES, TEXT
from hfitd.model import Column, Kind

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+")
_SPECIAL = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "Ae", "ı": "i"})
_LONGEST = max(len(name.split()) for names, _ in PERSONAL.values() for name in names)


FREE_WRITING = "free text"
PERSON_NAME = "name of a person"
_PHRASES = {FREE_WRITING: "free text in which people write anything"}


def looks_personal(table: str, column: Column) -> str | None:
    """Why the column looks personal, or None. ``table`` is the bare name of its table."""
    return _PHRASES.get(reason, f"the name says {reason}") if (reason := personal_class(table, column)) else None


def personal_class(table: str, column: Column) -> str | None:
    """The class that a column's name and type speak for: a key of ``PERSONAL``, ``FREE_WRITING``, or None."""
    words = name_words(column.name)
    if not words or column.kind is Kind.BOOLEAN:  # 1
        return None
    reason = _by_words(words, column.kind)  # 2
    about = words[-1] in ABOUT and " ".join(words[-2:]) not in NUMBERS_OF_PERSONS  # 1
    if reason and not about:
        return reason
    if words == ["name"] and column.kind in TEXT and is_person_table(table):  # 3
        return PERSON_NAME
    if words[-1] in FREE_TEXT and column.kind is Kind.TEXT and (column.max_length or 1 << 30) > 40:  # 4
        return FREE_WRITING
    return None


def name_words(name: str) -> list[str]:
    """The words of a name, lower case, without accents."""
    plain = unicodedata.normalize("NFKD", name.translate(_SPECIAL))
    folded = "".join(character for character in plain if not unicodedata.combining(character))
    return [word.lower() for word in _WORD.findall(folded)]


def is_person_table(table: str) -> bool:
    """Whether a table is called like persons."""
    return any(word in PERSON_TABLES for word in name_words(table))


def _by_words(words: list[str], kind: Kind) -> str | None:
    if kind in TEXT:
        for suffix, reason in SUFFIXES.items():
            if any(word.endswith(suffix) for word in words):
                return reason
    for reason, (names, kinds) in PERSONAL.items():
        if kind not in kinds:
            continue
        for start in range(len(words)):
            for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                if " ".join(words[start:end]) in names:
                    return reason
    return None

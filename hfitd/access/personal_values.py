"""What a value looks like, judged by itself: the second opinion beside a column's name.

``value_class`` names the class of one whole value; ``classes_within`` those of what stands inside a longer text. Both
say a class of ``personal_names.PERSONAL`` and never repeat the value. They are for samples and alarms: a match is a
hint with false ones among it, and no match proves nothing.
"""

from __future__ import annotations

import ipaddress
import re

from hfitd.access.checksums import NATIONAL, is_card, is_iban

EMAIL, PHONE, NAME, ADDRESS = "e-mail address", "phone number", "name of a person", "postal address"
CARD, BANK, BIRTH = "payment card", "bank account", "birth"
NATIONAL_NUMBER, NETWORK, SECRET = "national, tax or document number", "network address or place", "secret"

_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,24}")
_PHONE = re.compile(r"(?:\+|00)[1-9][0-9 ()./-]{6,20}[0-9]|\(0?[0-9]{2,5}\)[ -]?[0-9][0-9 -]{4,12}[0-9]", re.ASCII)
_LOCAL_PHONE = re.compile(r"0?[0-9]{2,5}[ /-][0-9]{2,4}[ -][0-9]{2,4}(?:[ -][0-9]{2,4}){0,3}|0[0-9]{2,5}[/-][0-9]{4,9}")
_SECRET = re.compile(
    r"\$2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$(?:argon2(?:id|i|d)|pbkdf2[a-z0-9-]*|scrypt|[156y]|apr1|s0|7)\$[^\s]{8,}"
    r"|pbkdf2_sha\d+\$\d+\$[^\s]+|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|glpat-[A-Za-z0-9_-]{20}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
)  # shapes that each tool documents: crypt(3), argon2, PHC strings, PEM (RFC 7468), JWT (RFC 7519), cloud keys
_STREET_WORDS = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|square|way|place|terrace|close|crescent|"
    "parkway|loop|strasse|straße|str|weg|platz|allee|gasse|ring|ufer|damm|rue|avenue|impasse|chemin|quai|calle|"
    "avenida|paseo|plaza|via|viale|piazza|corso|rua|travessa|largo|straat|laan|plein|gracht|gatan|vägen|gade|vej|"
    "gate|veien|katu|tie|ulica|ul|aleja|ulice|náměstí|utca|út|tér|cadde|sokak|manor"
)
_STREET = re.compile(
    rf"\d{{1,5}}[a-z]?,? (?:[\w.'-]+ ){{0,4}}(?:{_STREET_WORDS})\b\.?"
    rf"|(?:[\w.'-]+ ){{0,3}}[\w.'-]*(?:{_STREET_WORDS})\.? \d{{1,5}}(?: ?[a-z])?\b"
    rf"|(?:{_STREET_WORDS})\.? (?:[\w.'-]+ ){{1,5}}\d{{1,5}}\b",
    re.IGNORECASE,
)
_COORDINATES = re.compile(r"[-+]?\d{1,2}\.\d{4,}[,; ] ?[-+]?\d{1,3}\.\d{4,}|POINT ?\([-+0-9. ]+\)", re.IGNORECASE)
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_DIGITS_WITHIN = re.compile(r"(?<![\w.-])[0-9](?:[ -]?[0-9]){11,18}(?![\w-])", re.ASCII)
_IBAN_WITHIN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b", re.ASCII)
_SEPARATORS = str.maketrans("", "", " -./")
_DASHED = re.compile(r"[0-9]{6}[-+ABCDEFUVWXY][0-9]{3}[0-9A-Y]|[0-9]{3}-[0-9]{2}-[0-9]{4}", re.ASCII)


def value_class(value: str) -> str | None:
    """The class of a whole value, or None."""
    text = value.strip()
    if not 3 <= len(text) <= 4096:
        return None
    if _EMAIL.fullmatch(text):
        return EMAIL
    if _SECRET.match(text):
        return SECRET
    bare = text.translate(_SEPARATORS).upper()
    if is_iban(bare):
        return BANK
    if bare.isdigit() and is_card(bare):
        return CARD
    if _is_network(text) or _COORDINATES.fullmatch(text):
        return NETWORK
    if _PHONE.fullmatch(text) or (_LOCAL_PHONE.fullmatch(text) and not _is_date(text)):
        return PHONE
    return ADDRESS if len(text) < 200 and _STREET.fullmatch(text) else None


def national_numbers(value: str) -> set[str]:
    """The kinds of national number whose form and check digits the value has."""
    text = value.strip().upper()
    bare = text.translate(_SEPARATORS)
    if not 8 <= len(bare) <= 18 or not any(character.isdigit() for character in bare):
        return set()
    spellings = {bare, text} if _DASHED.fullmatch(text) else {bare}
    return {name for name, (check, _) in NATIONAL.items() if any(map(check, spellings))}


def classes_within(text: str) -> list[str]:
    """The classes of what stands inside a text, once per finding: those whose form alone says enough."""
    found = [EMAIL for _ in _EMAIL.finditer(text)] + [SECRET for _ in _SECRET.finditer(text)]
    found += [BANK for match in _IBAN_WITHIN.finditer(text) if is_iban(match[0].replace(" ", ""))]
    found += [CARD for match in _DIGITS_WITHIN.finditer(text) if is_card(match[0].translate(_SEPARATORS))]
    return found + [PHONE for match in _PHONE.finditer(text) if match[0].startswith("+")]


def _is_network(text: str) -> bool:
    if _MAC.fullmatch(text):
        return True
    if text.count(".") != 3 and text.count(":") < 2:
        return False
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return len(text) > 4


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}|\d{2}[-/ ]\d{2}[-/ ]\d{2,4}", text) is not None

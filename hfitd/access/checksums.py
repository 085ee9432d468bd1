"""Numbers with a check digit: payment cards, bank accounts, and the numbers that states give to people.

Every function takes the bare number, separators removed, letters upper case, and says whether it is well formed and
its check digits agree. That a number passes does not say that it was ever given to anybody: about one in ten or a
hundred random numbers passes, so ``personal_values`` asks many values of a column.

Sources of the formulas: ISO/IEC 7812-1 (cards, Luhn), ISO 13616 and 7064 (IBAN, mod 97-10; mod 11,10; mod 11-2), and
the public descriptions of each authority, named at the function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

_IBAN_LENGTHS: Mapping[str, int] = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL", "19": "MK SI", "20": "AT BA EE KZ LT LU XK",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS", "23": "AE GI IL IQ TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "PT ST", "26": "IS TR", "27": "FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB PL SV", "29": "BR PS QA", "30": "JO KW MU UA", "31": "MT SC", "32": "LC",
    }.items()
    for country in countries.split()
}  # fmt: skip


def is_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: from the right every second digit doubled, the sum a multiple of ten."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """A payment card: 13 to 19 digits of an issuer's range, not all alike, Luhn."""
    if not re.fullmatch(r"(3[0-9]|4|5[0-8]|6[0-9]|2[2-7])[0-9]{11,17}", digits, re.ASCII):
        return False
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and is_luhn(digits)


def is_iban(text: str) -> bool:
    """ISO 13616: the country's length, and the number that letters and digits make is 1 modulo 97."""
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", text, re.ASCII) or _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_month_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def is_german_tax_id(text: str) -> bool:
    """Steuer-Identifikationsnummer (§ 139b AO): 11 digits, ISO 7064 mod 11,10, exactly one digit repeated in the first
    ten (twice or three times)."""
    if not re.fullmatch(r"[1-9][0-9]{10}", text, re.ASCII):
        return False
    counts = sorted((text[:10].count(digit) for digit in set(text[:10])), reverse=True)
    if counts[0] not in (2, 3) or counts[1] != 1:
        return False
    product = 10
    for digit in text[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(text[10])


def is_german_insurance_number(text: str) -> bool:
    """Rentenversicherungsnummer (VKVV § 4): area, birth DDMMYY, letter, serial, check digit."""
    found = re.fullmatch(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([A-Z])([0-9]{2})([0-9])", text, re.ASCII)
    if found is None or not _is_month_day(int(found[3]), int(found[2]) % 50 or 1):
        return False
    digits = text[:8] + f"{ord(found[5]) - 64:02d}" + found[6]
    products = (int(d) * w for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(product // 10 + product % 10 for product in products) % 10 == int(found[7])


def is_french_nir(text: str) -> bool:
    """Numéro de sécurité sociale (INSEE): sex, birth YYMM, place, serial, key 97 - n mod 97; Corsica 2A, 2B."""
    found = re.fullmatch(r"([1278][0-9]{4}(?:2A|2B|[0-9]{2})[0-9]{6})([0-9]{2})", text, re.ASCII)
    if found is None:
        return False
    number = int(found[1].replace("2A", "19").replace("2B", "18"))
    return 97 - number % 97 == int(found[2])


def is_spanish_dni(text: str) -> bool:
    """DNI and NIE (Ministerio del Interior): the letter is the number modulo 23 in a fixed row."""
    if not re.fullmatch(r"[0-9XYZ][0-9]{7}[A-Z]", text, re.ASCII):
        return False
    number = text[:8].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[8]


_CODICE_ODD = dict(
    zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23), strict=True)
)  # fmt: skip


def is_codice_fiscale(text: str) -> bool:
    """Codice fiscale (D.M. 23/12/1976): names, birth, place; odd and even characters weighted, modulo 26."""
    shape = r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]"
    if not re.fullmatch(shape, text, re.ASCII):
        return False
    odd = sum(_CODICE_ODD[character] for character in text[0:15:2])
    even = sum(int(c) if c.isdigit() else ord(c) - 65 for c in text[1:15:2])
    return chr(65 + (odd + even) % 26) == text[15]


def is_dutch_bsn(text: str) -> bool:
    """Burgerservicenummer (RvIG): nine digits, weights 9 to 2 and -1, a multiple of 11."""
    if not re.fullmatch(r"[0-9]{9}", text, re.ASCII) or len(set(text)) < 3:
        return False
    return _weighted(text, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_belgian_number(text: str) -> bool:
    """Rijksregisternummer (IBZ): YYMMDD, serial, 97 - n mod 97, with a leading 2 for births since 2000."""
    if not re.fullmatch(r"[0-9]{11}", text, re.ASCII) or not _is_month_day(int(text[2:4]), int(text[4:6])):
        return False
    return int(text[9:]) in (97 - int(text[:9]) % 97, 97 - int("2" + text[:9]) % 97)


def is_pesel(text: str) -> bool:
    """PESEL (Dz.U. 2010 nr 217): YYMMDD with the century in the month, weights 1 3 7 9."""
    if not re.fullmatch(r"[0-9]{11}", text, re.ASCII) or not _is_month_day(int(text[2:4]) % 20, int(text[4:6])):
        return False
    return _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def is_swedish_number(text: str) -> bool:
    """Personnummer (Skatteverket): YYMMDD and four digits, Luhn; twelve digits carry the century."""
    if not re.fullmatch(r"(18|19|20)?[0-9]{10}", text, re.ASCII) or len(text) not in (10, 12):
        return False
    short = text[-10:]
    return _is_month_day(int(short[2:4]), int(short[4:6]) % 60 or 1) and is_luhn(short)


def is_norwegian_number(text: str) -> bool:
    """Fødselsnummer (Skatteetaten): DDMMYY, serial, two check digits modulo 11."""
    if not re.fullmatch(r"[0-9]{11}", text, re.ASCII) or not _is_month_day(int(text[2:4]), int(text[:2]) % 40 or 1):
        return False
    first = _weighted(text, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = _weighted(text, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return first == second == 0


def is_finnish_number(text: str) -> bool:
    """Henkilötunnus (DVV): DDMMYY, a sign for the century, serial, one of 31 characters."""
    found = re.fullmatch(r"([0-9]{6})[-+ABCDEFUVWXY]([0-9]{3})([0-9A-Y])", text, re.ASCII)
    if found is None or not _is_month_day(int(text[2:4]), int(text[:2])):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(found[1] + found[2]) % 31] == found[3]


def is_czech_number(text: str) -> bool:
    """Rodné číslo (zákon 133/2000): YYMMDD, month +50 for women, ten digits a multiple of 11."""
    if not re.fullmatch(r"[0-9]{10}", text, re.ASCII):
        return False
    month = int(text[2:4]) % 50
    return _is_month_day(month - 20 if month > 20 else month, int(text[4:6])) and int(text) % 11 == 0


def is_romanian_cnp(text: str) -> bool:
    """CNP (OUG 97/2005): sex and century, YYMMDD, county, serial, weights 279146358279 modulo 11."""
    if not re.fullmatch(r"[1-9][0-9]{12}", text, re.ASCII) or not _is_month_day(int(text[3:5]), int(text[5:7])):
        return False
    rest = _weighted(text, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if rest == 10 else rest) == int(text[12])


def is_turkish_number(text: str) -> bool:
    """T.C. kimlik no (NVİ): two check digits over odd and even places."""
    if not re.fullmatch(r"[1-9][0-9]{10}", text, re.ASCII):
        return False
    digits = [int(character) for character in text]
    tenth = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return digits[9] == tenth and sum(digits[:10]) % 10 == digits[10]


def is_cpf(text: str) -> bool:
    """CPF (Receita Federal): eleven digits, two check digits modulo 11."""
    if not re.fullmatch(r"[0-9]{11}", text, re.ASCII) or len(set(text)) < 3:
        return False
    first = _weighted(text[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(text[:10], range(11, 1, -1)) * 10 % 11 % 10
    return text[9:] == f"{first}{second}"


def is_chinese_id(text: str) -> bool:
    """Resident identity number (GB 11643-1999): region, birth, serial, ISO 7064 mod 11-2."""
    if not re.fullmatch(r"[1-9][0-9]{5}(18|19|20)[0-9]{9}[0-9X]", text, re.ASCII):
        return False
    if not _is_month_day(int(text[10:12]), int(text[12:14])):
        return False
    return "10X98765432"[_weighted(text, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11] == text[17]


def is_swiss_ahv(text: str) -> bool:
    """AHV number (AHVV Art. 133): 756 and ten digits, check digit of EAN-13."""
    if not re.fullmatch(r"756[0-9]{10}", text, re.ASCII):
        return False
    return _weighted(text, (1, 3) * 6 + (1,)) % 10 == 0


def is_american_ssn(text: str) -> bool:
    """Social security number as it is printed (SSA): no area 000, 666 or 900 and up; it has no check digit."""
    return re.fullmatch(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}", text, re.ASCII) is not None


def is_british_nino(text: str) -> bool:
    """National insurance number (HMRC NIM39110): two letters of a known set, six digits, A to D; no check digit."""
    shape = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]"
    return re.fullmatch(shape, text, re.ASCII) is not None


# name -> (check, whether a column of random numbers would pass too often to be believed without its name)
NATIONAL: Mapping[str, tuple[Callable[[str], bool], bool]] = {
    "German tax id": (is_german_tax_id, False),
    "German pension insurance number": (is_german_insurance_number, False),
    "French NIR": (is_french_nir, False),
    "Spanish DNI": (is_spanish_dni, False),
    "Italian codice fiscale": (is_codice_fiscale, False),
    "Dutch BSN": (is_dutch_bsn, True),
    "Belgian national number": (is_belgian_number, False),
    "Polish PESEL": (is_pesel, False),
    "Swedish personnummer": (is_swedish_number, False),
    "Norwegian fødselsnummer": (is_norwegian_number, False),
    "Finnish henkilötunnus": (is_finnish_number, False),
    "Czech or Slovak rodné číslo": (is_czech_number, False),
    "Romanian CNP": (is_romanian_cnp, False),
    "Turkish kimlik": (is_turkish_number, False),
    "Brazilian CPF": (is_cpf, False),
    "Chinese resident number": (is_chinese_id, False),
    "Swiss AHV": (is_swiss_ahv, False),
    "American SSN": (is_american_ssn, False),
    "British NINO": (is_british_nino, False),
}  # fmt: skip

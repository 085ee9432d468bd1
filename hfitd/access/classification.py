"""Does a column look as if it held something of a person? Judged by its name and type alone, with the reason.

A name is cut into words at ``_``, other non-letters and ``camelCase`` borders, digits dropped (``address2`` is
``address``). The rules, in order:

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
from collections.abc import Mapping

from hfitd.model import Column, Kind

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+")


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split(";"))


PERSON_TABLES = _names(
    "account;accounts;actor;actors;applicant;attendee;author;authors;candidate;cardholder;child;"
    "citizen;client;clients;contact;contacts;customer;customers;donor;driver;employee;employees;"
    "guest;guests;holder;individual;instructor;lead;leads;member;members;owner;owners;passenger;"
    "patient;patients;people;person;persons;player;players;profile;profiles;recipient;rep;"
    "representative;resident;sender;staff;student;students;subscriber;teacher;tenant;user;users;"
    "visitor;worker;workers"
)

_TEXT = frozenset({Kind.TEXT, Kind.BYTES, Kind.OTHER, Kind.JSON})
_NUMERIC = frozenset({Kind.INTEGER, Kind.NUMBER})
_TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP})

_ABOUT = _names(
    "id;ids;count;total;number_of;type;types;kind;flag;status;state_id;verified;confirmed;valid;"
    "enabled;optin;length;at;on;sent;format;template;subject;level;rank;score;limit;attempts;expires;"
    "expiry;version;order;position;format_id;is;has;updated;created;changed"
)

# reason -> (names as runs of words, kinds of column that can hold one)
PERSONAL: Mapping[str, tuple[frozenset[str], frozenset[Kind]]] = {
    "e-mail address": (frozenset({"email", "e mail", "mail", "mailbox", "emailaddress"}), _TEXT),
    "phone number": (
        frozenset({"phone", "telephone", "tel", "mobile", "cell phone", "cellphone", "fax", "msisdn", "phonenumber"}),
        _TEXT | _NUMERIC,
    ),
    "name of a person": (
        _names(
            "first name;firstname;last name;lastname;middle name;middlename;surname;forename;given name;givenname;"
            "family name;familyname;full name;fullname;maiden name;nickname;nick name;birth name;fname;lname;username;"
            "user name;login;login name;display name;displayname;contact name;customer name;employee name;patient name;"
            "cardholder;card holder;holder name;account holder;signature"
        ),
        _TEXT,
    ),
    "postal address": (
        _names(
            "address;street;street name;house number;postal code;postalcode;postcode;post code;zip;zipcode;zip code;"
            "addr;po box"
        ),
        _TEXT | _NUMERIC,
    ),
    "payment card": (
        _names("credit card;creditcard;card number;cardnumber;card no;ccnumber;cc number;cvv;cvc;debit card"),
        _TEXT | _NUMERIC,
    ),
    "bank account": (
        _names("iban;bic;swift;bank account;account number;accountnumber;account no;routing number;sort code"),
        _TEXT | _NUMERIC,
    ),
    "birth": (
        _names("birth;birthday;birthdate;birth date;date of birth;dob;birthplace;born"),
        _TEXT | _NUMERIC | _TIMES,
    ),
    "national, tax or document number": (
        _names(
            "ssn;social security;national id;national number;nationalid;nin;nino;tax id;taxid;tax number;tin;vat id;"
            "passport;passport number;passport id;driver license;driving licence;drivers license;license number;"
            "licence number;personal id;personal number;personnummer;insurance number;identity number;id card"
        ),
        _TEXT | _NUMERIC,
    ),
    "network address or place": (
        _names(
            "ip;ip address;ipaddress;ipaddr;remote addr;mac address;latitude;longitude;lat;lng;geolocation;"
            "user agent;useragent"
        ),
        _TEXT | _NUMERIC,
    ),
    "secret": (
        _names(
            "password;passwd;pwd;passphrase;secret;token;api key;apikey;access key;private key;salt;otp;pin;pin code;"
            "security question;security answer;session key;cookie;credential;credentials;password hash"
        ),
        _TEXT | _NUMERIC,
    ),
    "health, belief or origin": (
        _names(
            "diagnosis;religion;ethnicity;blood type;medication;allergy;allergies;gender;sex;marital status;"
            "nationality;disability"
        ),
        _TEXT,
    ),
    "picture of a person": (
        _names("photo;picture;avatar;portrait;selfie;fingerprint;biometric"),
        frozenset({Kind.BYTES, Kind.TEXT}),
    ),
    "income": (_names("salary;wage;income"), _TEXT | _NUMERIC),
}

_FREE_TEXT = _names(
    "note;notes;comment;comments;remark;remarks;message;messages;memo;feedback;bio;biography;transcript"
)
SUFFIXES: Mapping[str, str] = {
    "email": "e-mail address",
    "emailaddress": "e-mail address",
    "phonenumber": "phone number",
    "firstname": "name of a person",
    "lastname": "name of a person",
    "surname": "name of a person",
    "address": "postal address",
    "birthdate": "birth",
    "password": "secret",
}
_NUMBERS_OF_PERSONS = frozenset({"national id", "tax id", "vat id", "passport id", "personal id"})
_LONGEST = max(len(name.split()) for names, _ in PERSONAL.values() for name in names)


def looks_personal(table: str, column: Column) -> str | None:
    """Why the column looks personal, or None. ``table`` is the bare name of its table."""
    words = _words(column.name)
    if not words or column.kind is Kind.BOOLEAN:  # 1
        return None
    reason = _by_words(words, column.kind)  # 2
    about = words[-1] in _ABOUT and " ".join(words[-2:]) not in _NUMBERS_OF_PERSONS  # 1
    if reason and not about:
        return f"the name says {reason}"
    if words == ["name"] and column.kind in _TEXT and _is_person_table(table):  # 3
        return "the name of somebody, in a table of persons"
    if words[-1] in _FREE_TEXT and column.kind is Kind.TEXT and (column.max_length or 1 << 30) > 40:  # 4
        return "free text in which people write anything"
    return None


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_person_table(table: str) -> bool:
    return any(word in PERSON_TABLES for word in _words(table))


def _by_words(words: list[str], kind: Kind) -> str | None:
    if kind in _TEXT:
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

"""Names of fields and columns that hold personal data, in the languages and spellings that are met.

Names and dates of birth have no form of their own; they are known by their field alone. A bare `name` may be that of a
machine or a product, so it counts only beside another personal field or where a person's name stands in it.
"""

import re
from functools import lru_cache
from string import ascii_letters

from bastion.masking.rows import Row

_FIELDS = {
    "name": (
        "first_name last_name full_name given_name family_name middle_name maiden_name birth_name real_name legal_name"
        " firstname lastname fullname givenname familyname surname forename fname lname name_first name_last"
        " customer_name patient_name employee_name contact_name client_name member_name person_name holder_name"
        " owner_name student_name guest_name driver_name sender_name recipient_name beneficiary_name cardholder_name"
        " cardholder card_holder account_holder emergency_contact next_of_kin mother_name father_name spouse_name"
        " vorname nachname familienname geburtsname prenom prénom nom_de_famille nom_complet apellido apellidos"
        " nombre_completo primer_apellido segundo_apellido cognome sobrenome nome_completo voornaam achternaam imie"
        " imię nazwisko fornamn förnamn efternamn fornavn etternavn etunimi sukunimi"
        " soyad soyadi имя фамилия отчество фио"
    ),
    "birth-date": (
        "dob birth_date date_of_birth birthdate birthday birth_day dateofbirth date_birth born born_on geburtsdatum"
        " geburtstag geb_datum date_naissance date_de_naissance fecha_nacimiento fecha_de_nacimiento data_nascita"
        " data_di_nascita data_nascimento data_de_nascimento geboortedatum fødselsdato födelsedatum syntymäaika"
        " data_urodzenia dogum_tarihi дата_рождения"
    ),
    "email": "email e_mail mail email_address e_mail_address mail_address emailaddress correo courriel",
    "phone": (
        "phone phone_number phone_no telephone telephone_number tel mobile mobile_phone mobile_number cell cell_phone"
        " fax telefon telefonnummer handy mobil mobilnummer msisdn telefono teléfono telephone téléphone celular"
        " telefone"
    ),
    "national-id": (
        "ssn social_security social_security_number social_security_no nino national_id national_insurance_number"
        " national_insurance nhs_number nhs_no tax_id tax_number tin steuer_id steuernummer bsn pesel cpf dni nie nif"
        " nir curp aadhaar aadhaar_number passport passport_number passport_no personnummer personal_code"
        " personal_number cnp ahv egn oib sin tfn tckn identity_number id_card_number national_identifier"
        " codice_fiscale"
    ),
    "iban": "iban iban_number bank_account bank_account_number",
    "card": "card card_number card_no cardnumber credit_card credit_card_number creditcard cc_number cc pan",
    "ip": "ip ip_address ipaddress ip_addr client_ip remote_addr remote_ip",
    "mac": "mac mac_address mac_addr hwaddr",
    "secret": (
        "password passwd pwd passphrase passcode secret token api_key apikey access_token refresh_token auth_token"
        " client_secret secret_key secret_key_base secret_access_key access_key account_key private_key encryption_key"
        " signing_key connection_string password_hash pass_hash db_pass smtp_pass mail_pass user_pass webhook_url"
        " pin cvv cvc"
    ),
}
_KINDS = {name.encode(): kind for kind, names in _FIELDS.items() for name in names.split()}
WEAK_NAMES = frozenset(b"name names nom nome nombre naam navn namn nimi cn sn displayname display_name".split())
_ENDS = frozenset(name[-2:] for name in (*_KINDS, *WEAK_NAMES))
_LAST_WORDS = frozenset(name.rpartition(b"_")[2] for name in _KINDS)
_NO_LETTERS = bytes(set(range(0x80)) - set(ascii_letters.encode()))
_LONGEST = 4  # words of a field's name

WEAK = "weak"
"""What `kind_of` says of a bare `name`."""

_TELL_NOTHING = frozenset(("", WEAK))
PERSONAL = frozenset(("name", "birth-date", "email", "phone", "national-id", "iban", "card"))
"""Kinds of fields that tell of a bare `name` beside them whose it is."""

_PERSONAL_NAMES = tuple(name.encode() for kind in PERSONAL for name in _FIELDS[kind].split())
_PERSONAL_ENDS = frozenset(name[-2:] for name in _PERSONAL_NAMES)

_CAMEL = re.compile(rb"(?<=[a-z0-9])(?=[A-Z])")
_APART = bytes(byte if byte >= 0x80 or bytes([byte]).isalnum() else 0x20 for byte in range(0x100))
_VALID = re.compile(rb"[\"'`\[]?[A-Za-z_\x80-\xff#][\w .\-/#()\x80-\xff]{0,60}[\"'`\]]?")
_TAG = re.compile(rb"\[(?:EMAIL|PHONE|IBAN|CARD|NATIONAL-ID|IP|MAC|SECRET|NAME|BIRTH-DATE|PARTIAL)(?::[^\]]*)?\]")
_FIRST_WORDS = frozenset(b"select insert from where order group update set delete and or values please the".split())


def kind_of(field: bytes) -> str:
    """Return the kind of value that a field of this name holds, `WEAK` for a bare name, or an empty text.

    What stands before counts little: `customer_email`, `c.email` and `BillingEmail1` are all `email`.
    """
    if field.rstrip(_NO_LETTERS)[-2:].lower() not in _ENDS:
        return ""  # as of most values, which are not worth to be remembered
    return _kind_of(field)


@lru_cache(maxsize=4096)
def _kind_of(field: bytes) -> str:
    words = _words(field)
    if not words:
        return ""
    if (words[0] if len(words) == 1 else b"_".join(words[:3])) in WEAK_NAMES:
        return WEAK
    if words[-1] in _LAST_WORDS:
        for count in range(min(_LONGEST, len(words)), 0, -1):
            kind = _KINDS.get(b"_".join(words[-count:]))
            if kind is not None:
                return kind
    return ""


def may_be_personal(field: bytes) -> bool:
    """Return whether the end of such a name may be that of a personal field: all that are, and some more."""
    words = b"_".join(_words(field))
    return words[-2:] in _PERSONAL_ENDS and words.endswith(_PERSONAL_NAMES)


def _words(field: bytes) -> list[bytes]:
    last = field.rpartition(b".")[2]
    lower = last.lower()
    if lower != last:
        lower = _CAMEL.sub(b" ", last).lower()
    return lower.translate(_APART).rstrip(b" 0123456789").split()


def header(cells: list[bytes]) -> tuple[str, ...] | None:
    """Return the kind of each column if these cells name columns and one of them is personal, else None."""
    if len(cells) < 2 or len(cells) > 400:
        return None
    stripped = [cell.strip() for cell in cells]
    stripped[0] = stripped[0].removeprefix(b"\xef\xbb\xbf")  # as programs for tables begin a file
    if not stripped[-1] and not any(stripped[1:]):
        return None  # one word and a comma: a line of a list
    kinds = [kind_of(cell) for cell in stripped]
    if _TELL_NOTHING.issuperset(kinds) or stripped[0].lower().partition(b" ")[0] in _FIRST_WORDS:
        return None
    for cell in stripped:
        if cell and not (cell.isalpha() and len(cell) < 60) and not _is_column(cell):
            return None
    return tuple(kinds) if WEAK not in kinds else tuple(["name" if kind == WEAK else kind for kind in kinds])


def _is_column(cell: bytes) -> bool:
    return _VALID.fullmatch(cell) is not None and cell.count(b" ") <= 3 and _TAG.fullmatch(cell) is None


def lone(cell: bytes) -> str:
    """Return the kind of a column that stands alone, if it is one that its name alone tells, or an empty text."""
    name = cell.strip()
    kind = kind_of(name)
    spelled = (
        _VALID.fullmatch(name) is not None
        and _TAG.fullmatch(name) is None
        and name.count(b" ") < (1 if b"_" in name else 3)
    )
    return kind if kind in _UNSEEN and spelled else ""


_UNSEEN = frozenset(("name", "birth-date", "national-id", "phone"))
"""Kinds of which some values have no form of their own."""

_NUMBERED = (
    "ssn social_security_number social_security_no social_security national_id national_identifier national_insurance"
    " national_insurance_number nino passport_number passport_no identity_number id_card_number tax_number tax_id"
    " personal_number personal_code personnummer aadhaar_number codice_fiscale"
)


def _alternatives(names: str) -> bytes:
    spellings = [name.replace("_", "[ _-]?") for name in names.split()]
    return "|".join(sorted(spellings, key=len, reverse=True)).encode()


KEYS = tuple(map(_alternatives, (_FIELDS["name"], _FIELDS["birth-date"], _NUMBERED)))
"""Alternatives of patterns (in any case): fields whose value is known by their name alone; names, dates, numbers.

No field of one of these ends like one of another.
"""
ALIGNED = _alternatives(
    "first_name last_name full_name given_name family_name firstname lastname surname customer_name vorname nachname"
    " prenom apellido cognome dob birth_date birthdate date_of_birth birthday geburtsdatum ssn national_id phone"
    " phone_number mobile telefon"
)
"""Names of columns that tell a header in which they stand apart by blanks; few, as blanks are everywhere."""
WEAK_KEYS = b"|".join(sorted(WEAK_NAMES))
COLUMNS = tuple(map(_alternatives, _FIELDS.values()))
"""The same for the name of any personal column, or how it ends. Apart by kind: hyperscan takes all in one slowly."""


class _Nothing:
    """A row found by its field alone holds nothing back by itself."""

    limit = 0
    firsts = b""

    def start(self, text: bytes, end: int) -> int:
        """Return the end."""
        del text
        return end

    def free(self, text: bytes, start: int) -> int:
        """Return the end."""
        del start
        return len(text)


_NOTHING = _Nothing()

ROWS = (
    Row(
        name="field",
        kind="name",
        probes=(),
        opening=_NOTHING,
        samples=(
            "first_name=<Alice> x",
            '{"firstName": "<Anna Maria>", "n": 1}',
            "Last Name: <O'Neil>\n",
            "surname=<Škvorecký>,",
            "id,name,email\n1,<Bob Smith>,\n",
            " name  | ssn \n-------+-----\n <Zoë>   | \n(1 row)\n",
            "-[ RECORD 1 ]\nname | <Alice>\n",
            '{"name": "<Bob>", "email": null}\n',
            "INSERT INTO t (id, last_name) VALUES (1, '<O''Neil>');\n",
            "COPY t (id, last_name) FROM stdin;\n1\t<Müller>\n\\.\n",
        ),
        near_misses=(
            "name: nginx",
            '{"name": "web-1", "image": "x"}',
            "first_name = None",
            "first_name: str",
            "self.first_name = first_name",
            "first_name = models.CharField(max_length=30)",
            "hostname: web-1",
            "NAME   READY\nweb    1/1\n",
            "id,title,price\n1,Book,3.50\n",
        ),
        context="in a field or column such as first_name, or name beside other personal ones",
    ),
    Row(
        name="field",
        kind="birth-date",
        probes=(),
        opening=_NOTHING,
        samples=(
            "date_of_birth: <1985-03-12>\n",
            '"dob":"<12/03/1985>",',
            "Geburtsdatum: <12.03.1985>\n",
            "id;birthday\n7;<1 May 1990>\n",
        ),
        near_misses=("dob: none", "birthday party", "created: 1985-03-12"),
        context="in a field or column such as birth_date",
    ),
)

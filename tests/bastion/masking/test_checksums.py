"""Our check digits against python-stdnum's, on random numbers of the right shape: no right number may be refused."""

import random
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import phonenumbers
import pytest
import schwifty

from bastion.masking import identifiers
from bastion.masking.accounts import IBAN_LENGTHS, is_card
from bastion.masking.checksums import last_completes, luhn, mod11_10, mod97, verhoeff
from bastion.masking.ids_europe import ROWS as EUROPE
from bastion.masking.ids_world import ROWS as WORLD
from bastion.masking.phones import is_international
from tests.bastion.masking.generators import REGIONS

TRIES = 4000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def filled(rng: random.Random, template: str) -> str:
    """Return the template with digits for #, letters for A, and a date for Y (YYMMDD) or D (DDMMYY)."""
    year, month, day = rng.randint(40, 99), rng.randint(1, 12), rng.randint(1, 28)
    dates = {"Y": f"{year:02}{month:02}{day:02}", "D": f"{day:02}{month:02}{year:02}"}
    digits = {"#": lambda: rng.choice("0123456789"), "A": lambda: rng.choice(LETTERS)}
    return "".join(digits[part]() if part in digits else dates.get(part, part) for part in template)


@pytest.mark.parametrize(
    ("module", "template", "check", "exact"),
    [
        ("luhn", "################", luhn, True),
        ("verhoeff", "############", verhoeff, True),
        ("hr.oib", "###########", mod11_10, True),
        ("gb.nhs", "##########", last_completes(range(10, 1, -1), 11), True),
        ("pt.nif", "1########", last_completes(range(9, 1, -1), 11, tens=0), True),
        ("fr.nir", "17006##########", identifiers.fr_nir, True),
        ("fr.nir", "26#062B########", identifiers.fr_nir, True),
        ("de.idnr", "###########", identifiers.de_tax, True),
        ("es.dni", "########A", identifiers.es_dni, True),
        ("es.nie", "X#######A", identifiers.es_dni, True),
        ("it.codicefiscale", "RSSMRA80A01H501A", identifiers.it_fiscal, True),
        ("nl.bsn", "#########", identifiers.nl_bsn, True),
        ("be.nn", "Y#####", identifiers.be_national, False),
        ("se.personnummer", "Y####", identifiers.se_personal, True),
        ("no.fodselsnummer", "D#####", identifiers.no_birth, False),
        ("is_.kennitala", "D####", identifiers.is_kennitala, False),
        ("pl.pesel", "Y#####", identifiers.pl_pesel, True),
        ("cz.rc", "Y####", identifiers.cz_birth, True),
        ("ro.cnp", "1Y12####", identifiers.ro_cnp, True),
        ("bg.egn", "Y####", identifiers.bg_egn, True),
        ("ee.ik", "3Y####", identifiers.baltic_personal, True),
        ("lt.asmens", "4Y####", identifiers.baltic_personal, True),
        ("lv.pvn", "D1####", identifiers.lv_personal, True),
        ("ie.pps", "#######A", identifiers.ie_pps, True),
        ("ie.pps", "#######AA", identifiers.ie_pps, False),
        ("gr.amka", "D#####", identifiers.gr_amka, True),
        ("gr.vat", "#########", identifiers.gr_tax, True),
        ("tr.tckimlik", "###########", identifiers.tr_identity, True),
        ("br.cpf", "###########", identifiers.br_cpf, True),
        ("cl.rut", "#########", identifiers.cl_rut, True),
        ("cl.rut", "########K", identifiers.cl_rut, True),
        ("mx.curp", "GOMLYHDFRRR##", identifiers.mx_curp, True),
        ("cn.ric", "11010119Y####", identifiers.cn_resident, False),
        ("jp.in_", "############", identifiers.jp_individual, True),
        ("kr.rrn", "Y1######", identifiers.kr_resident, False),
        ("za.idnr", "Y####08#", identifiers.za_identity, True),
        ("my.nric", "Y01####", identifiers.my_identity, True),
        ("th.pin", "1############", identifiers.th_identity, True),
        ("ru.inn", "############", identifiers.ru_inn, True),
        ("ua.rntrc", "##########", identifiers.ua_tax, True),
        ("at.vnr", "####D", identifiers.at_social_security, True),
        ("ch.ssn", "756##########", identifiers.ch_social_security, True),
        ("ec.ci", "170#######", identifiers.ec_identity, True),
        ("us.ssn", "#########", identifiers.us_social_security, False),
    ],
)
def test_agrees_with_stdnum(module: str, template: str, check: Callable[[bytes], bool], exact: bool) -> None:
    rng = random.Random(module + template)
    theirs: Any = import_module(f"stdnum.{module}")
    numbers = {filled(rng, template) for _ in range(TRIES)}
    right = {number for number in numbers if theirs.is_valid(number)}
    accepted = {number for number in numbers if check(number.encode())}
    assert right <= accepted
    assert not exact or accepted == right


def test_iban_lengths_and_remainders_are_those_of_schwifty() -> None:
    rng = random.Random(7)
    for country in ("DE", "FR", "GB", "NL", "PL", "ES", "IT", "SE", "NO", "CH", "AT", "BE", "PT", "DK", "FI", "TR"):
        for _ in range(20):
            iban = str(schwifty.IBAN.random(country_code=country, random=rng))
            assert IBAN_LENGTHS[country.encode()] == len(iban)
            assert mod97(iban.encode())
            assert not mod97((iban[:2] + f"{(int(iban[2:4]) + 1) % 97:02}" + iban[4:]).encode())


def test_iban_lengths_are_those_of_stdnum() -> None:
    numdb: Any = import_module("stdnum.numdb")
    structures = numdb.get("iban")
    for country, length in IBAN_LENGTHS.items():
        info = structures.info(country.decode() + "00")[0][1]
        if "bban" in info:
            assert length == 4 + sum(map(int, re.findall(r"(\d+)!?[nac]", info["bban"]))), country


def test_cards_of_every_network_count() -> None:
    for number in (
        "4111111111111111", "5555555555554444", "2223003122003222", "378282246310005", "30569309025904",
        "6011111111111117", "3530111333300000", "6212345678901265", "4222222222222",
    ):  # fmt: skip
        assert is_card(number.encode())


@pytest.mark.parametrize(
    "region",
    REGIONS,
)
def test_international_numbers_of_every_country_count(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        example = phonenumbers.example_number_for_type(region, kind)
        assert example is not None
        digits = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        assert is_international(digits[1:].encode())


def test_every_row_of_identifiers_has_a_sample_its_check_accepts() -> None:
    for row in (*EUROPE, *WORLD):
        assert row.samples, row.name
        assert row.near_misses, row.name

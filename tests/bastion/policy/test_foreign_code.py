"""Which Python, awk and sed is surely harmless: near misses on both sides."""

import pytest

from bastion.policy.python_code import python_is_harmless
from bastion.policy.text_programs import awk_is_harmless, sed_is_harmless

PYTHON = {
    "print(1)": True,
    "import json,sys; print(json.load(sys.stdin)['a'])": True,
    "import sys\nfor line in sys.stdin:\n    print(line.strip().split(',')[0])": True,
    "from datetime import datetime, timedelta; print(datetime.now() - timedelta(days=1))": True,
    "import urllib.parse, sys; print(urllib.parse.quote(sys.argv[1]))": True,
    "print(sum(int(x) for x in open('f')))": False,
    "import os": False,
    "import os as json": False,
    "import json as j; j.loads('1')": False,
    "from os import system": False,
    "from json import *": False,
    "from . import x": False,
    "import json; json.codecs.open('x','w')": False,
    "import json; json.decoder.scanner": False,
    "import sys; sys.modules['os'].system('x')": False,
    "import sys; sys.path.insert(0,'/tmp')": False,
    "import uuid; uuid.os.replace('a','b')": False,
    "from uuid import os": False,
    "__import__('os').system('x')": False,
    "eval('1')": False,
    "exec('1')": False,
    "compile('1','','exec')": False,
    "getattr(1,'x')": False,
    "globals()": False,
    "().__class__": False,
    "print.__self__": False,
    "''.__class__.__mro__": False,
    "f'{().__class__}'": False,
    "x = print; x(1)": True,
    "json = 1; json.x": False,
    "def f(): pass": False,
    "class A: pass": False,
    "with x: pass": False,
    "async def f(): pass": False,
    "import json; del json": False,
    "import json; json.loads = print": False,
    "lambda __builtins__: 1": False,
    "print(1": False,
    "print(1)" + " " * 5000: False,
}
AWK = {
    "{print $1}": True,
    "$3 > 5": True,
    "/a|b/ {print}": True,
    "$1 ~ /x|y/ && $2 > 3 {c++} END {print c}": True,
    '{print $1 "|" $2}': True,
    'BEGIN {FS="|"} {print $2}': True,
    "{print ($1 > 5)}": True,
    '{printf "%s\\n", $1} # system': True,
    "{if ($1 >= 2 || $2) print}": True,
    'BEGIN {system("x")}': False,
    'BEGIN {"x" | getline}': False,
    'BEGIN {"x" |& getline}': False,
    '{print | "sh"}': False,
    '{print "x" | "sh"}': False,
    '{print > "f"}': False,
    '{print $1 >> "f"}': False,
    '{print(1) > "f"}': False,
    '{getline < "f"}': False,
    '@load "x"': False,
    "{@f()}": False,
    'BEGIN { x = "system"; @x("id") }': False,
    '{ print "\\"" | "sh" }': False,
    '{ print "a" ; print "b" > "/etc/x" }': False,
    "{print $1 / 2}": True,
    "{s += $1} END {print s / NR}": True,
    '/[]/ "]/ {print | a} #"': False,
    '{ if (1) /"/; print | a; /"/ }': False,
    "{ if (1) /#/; print | a }": False,
    "{ x = 4 \\\n/ 2; print | a; y = 4 / 2 }": False,
    '{ print "unclosed }': False,
}
SED = {
    "s/a/b/": True,
    "s/a/b/g": True,
    "s|a|b|gI2p": True,
    "1,5p": True,
    "$d": True,
    "/a/,/b/d": True,
    "/^#/d;/^$/d": True,
    "1!G;h;$!d": True,
    "s/a/w x/": True,
    "s/e/e/": True,
    "y/abc/xyz/": True,
    "10q": True,
    "/x/{s/a/b/;p}": True,
    "5i\\ text": True,
    "1e id": False,
    "e": False,
    "s/a/b/e": False,
    "s/a/b/ge": False,
    "s/a/b/w f": False,
    "w f": False,
    "1,2w f": False,
    "r f": False,
    "R f": False,
    "W f": False,
    "s/a/b/;e id": False,
    "p;1e id": False,
    "/x/{p;e id\n}": False,
    "s/a/b": False,
    "s/[0-9]/x/": True,
    "s/[[:space:]]*$//": True,
    "s/[]/]/g;s/e;#/x/": False,
    "s/[/]/x/": False,
    "s,[a,b],x,": False,
    "sxaxex": False,
    "s/a\nb/c/": False,
    "s/a\\nb/c/": True,
    "s/\\//x/": True,
    "\\,a,e": False,
}


@pytest.mark.parametrize(("code", "harmless"), PYTHON.items())
def test_python(code: str, harmless: bool) -> None:
    assert python_is_harmless(code) is harmless


@pytest.mark.parametrize(("code", "harmless"), AWK.items())
def test_awk(code: str, harmless: bool) -> None:
    assert awk_is_harmless(code) is harmless


@pytest.mark.parametrize(("code", "harmless"), SED.items())
def test_sed(code: str, harmless: bool) -> None:
    assert sed_is_harmless(code) is harmless

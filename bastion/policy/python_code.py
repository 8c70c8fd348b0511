"""Python given on a command line: whether it surely only computes and prints.

Every name, attribute and kind of node must be on a list; anything else is not sure. That a file of the working
directory hides a module of the standard library is not seen, as for any program that is started there.
"""

import ast

MAX_LENGTH = 4096

# What may be used of each module; none of these is a module, a file or a function that opens one
_MODULES = {
    name: frozenset(rest.split())
    for name, _, rest in (
        line.partition(": ")
        for line in """
json: load loads dump dumps JSONDecodeError
sys: stdin argv stdout stderr exit version version_info platform maxsize executable byteorder
math: ceil floor sqrt pi e log log2 log10 exp pow sin cos tan gcd isqrt factorial inf nan fabs hypot prod comb
datetime: datetime date timedelta timezone UTC
time: time strftime localtime gmtime monotonic ctime
re: findall search match fullmatch sub split compile escape finditer IGNORECASE MULTILINE DOTALL I M S
base64: b64encode b64decode urlsafe_b64encode urlsafe_b64decode b32encode b32decode
hashlib: md5 sha1 sha256 sha512 blake2b
secrets: token_hex token_urlsafe token_bytes choice randbelow
uuid: uuid4 uuid1 UUID
string: ascii_letters ascii_lowercase ascii_uppercase digits punctuation
random: random randint choice choices sample shuffle uniform seed
statistics: mean median stdev mode
decimal: Decimal
itertools: chain product count combinations permutations groupby islice
collections: Counter defaultdict OrderedDict
platform: python_version platform system machine node release
ipaddress: ip_address ip_network IPv4Network IPv4Address
urllib.parse: quote unquote urlencode urlparse quote_plus parse_qs
socket: gethostname getfqdn
getpass: getuser
textwrap: dedent indent fill wrap
""".strip().splitlines()
    )
}
_NAME_TEXT = """
    print len range sorted sum min max int str float list dict set tuple abs round enumerate zip map filter any all
    bool repr ord chr hex bin oct reversed isinstance bytes divmod pow format Exception KeyError ValueError
"""
_METHOD_TEXT = """
    read readline readlines strip split splitlines join get items keys values append upper lower startswith endswith
    replace encode decode hexdigest digest strftime isoformat now utcnow today total_seconds group groups count index
    find sort pop extend add write lstrip rstrip zfill update most_common hex timestamp fromtimestamp isdigit title
    setdefault insert rjust ljust year month day hour minute second buffer union intersection difference seconds days
    netloc path query scheme hostname port num_addresses hosts bit_length to_bytes
"""
_NAMES = frozenset(_NAME_TEXT.split())
_METHODS = frozenset(_METHOD_TEXT.split())
_NODES = (
    *(ast.Module, ast.Expr, ast.Call, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.List, ast.Tuple, ast.Dict, ast.Set, ast.Subscript, ast.Slice, ast.JoinedStr, ast.FormattedValue),
    *(ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.comprehension, ast.Assign, ast.AugAssign),
    *(ast.For, ast.While, ast.If, ast.Starred, ast.keyword, ast.Load, ast.Store, ast.operator, ast.unaryop),
    *(ast.boolop, ast.cmpop, ast.Pass, ast.Break, ast.Continue, ast.Lambda, ast.arguments, ast.Try),
    *(ast.alias, ast.ExceptHandler, ast.Assert, ast.Raise),
)


def python_is_harmless(text: str) -> bool:
    """Whether Python code surely only computes and prints."""
    if len(text) > MAX_LENGTH:
        return False
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    modules: set[str] = set()
    names = set(_NAMES)
    nodes = sorted(ast.walk(tree), key=_rank)
    return all(_is_harmless(node, modules, names) for node in nodes)


def _rank(node: ast.AST) -> int:
    """Put imports first, then what binds names, then the rest."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return 0
    binds = isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return 1 if binds else 2


def _is_harmless(node: ast.AST, modules: set[str], names: set[str]) -> bool:
    if isinstance(node, ast.Import):
        modules.update(alias.name for alias in node.names)
        return all(alias.name in _MODULES and alias.asname is None for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        allowed = _MODULES.get(node.module or "", frozenset())
        names.update(alias.asname or alias.name for alias in node.names)
        return not node.level and all(alias.name in allowed for alias in node.names)
    if isinstance(node, ast.arg):
        return _bind(node.arg, modules, names)
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            return _bind(node.id, modules, names)
        return node.id in names or node.id in {name.split(".")[0] for name in modules}
    if isinstance(node, ast.Attribute):
        return _is_harmless_attribute(node, modules)
    return isinstance(node, _NODES)


def _bind(name: str, modules: set[str], names: set[str]) -> bool:
    names.add(name)
    return not name.startswith("_") and name not in {module.split(".")[0] for module in modules}


def _is_harmless_attribute(node: ast.Attribute, modules: set[str]) -> bool:
    if not isinstance(node.ctx, ast.Load):
        return False
    base = ast.unparse(node.value)
    if base in modules:
        return node.attr in _MODULES[base]
    if f"{base}.{node.attr}" in modules:
        return True
    return node.attr in _METHODS

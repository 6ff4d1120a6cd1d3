"""What public docstrings leave out, read from the source without running it: used by test_docs.py.

Three things are looked for: the exceptions a function raises by itself, the
page each module takes its rules from, and the units of numbers.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

# --- the pages that a rule can come from ---------------------------------------------------------

_PAGES = """applications blog bootstrap chat contacts core_tags cryptography encrypted_secret_key facts filter
    human_encodings human_readable_content identity keyschedule kind kinds messages microblog network notation
    principles profile protocol quic rationale record reference reply_comment reporting status sync tag_types
    tags tcp timestamps transports url websockets"""
PAGES: Final = frozenset(_PAGES.split())
"""The pages of the specification, without their `.md`."""
EDITION_SECTIONS: Final = range(1, 8)
OURS: Final = re.compile(r'this project\'s own design, docs/architecture\.md(?: "([^"]+)")?')
OUTSIDE: Final = re.compile(r"\b(?:RFC|BEP) \d+\b|\b\w+\(\d\)")
"""What others have written down: a standard, or a page of the system's manual."""

# --- numbers and their units -----------------------------------------------------------------------

_QUANTITY = """age amount bound budget capacity cost count deadline delay depth duration end height interval
    left length limit limits longest many maximum minimum most offset pause period position rate room size
    start timeout timestamp total until wait weight width window"""
QUANTITY: Final = frozenset(_QUANTITY.split())
"""Words of a name that says "how much": such a number needs its unit."""
UNIT_SUFFIX: Final = re.compile(r"_(?:ns|us|ms|s|seconds|minutes|hours|days|bytes|bits|kib|mib|percent)$")
UNIT: Final = re.compile(
    r"""\b(?:ns|ms|s|nanoseconds?|milliseconds?|microseconds?|seconds?|minutes?|hours?|days?|years?
    |bytes?|bits?|KiB|MiB|GiB|kilobytes?|megabytes?|characters?|letters?|digits?|words?|columns?|pixels?|percent
    |records?|messages?|frames?|links?|connections?|entries|entry|lines?|tags?|servers?|keys?|files?|blobs?|queries
    |subscriptions?|attempts?|times|tries|answers?|posts?|people|cases?|ports?|items?|rows?|changes?
    |requests?|delivery|deliveries
    |log_n|position|u8|u16|u32|u64|i64|a\ second|per\ second)\b""",
    re.VERBOSE,
)
NUMBERS: Final = re.compile(r"\b(?:int|float)\b")

SEE: Final = re.compile(r"\bSee `([\w.]+)`")
"""Where a docstring points at the method of a protocol that tells the rest."""
EVERY_RAISES: Final = re.compile(r"(?s)\bEvery \w+ (?:may )?raises? .*")
"""Where the docstring of a class tells what all of its methods raise."""
NEVER_TOLD: Final = frozenset(
    {"NotImplementedError", "AssertionError", "StopIteration", "StopAsyncIteration"}
)


@dataclass(slots=True)
class Source:
    """One module: where it is, its tree, its functions and methods."""

    path: Path
    tree: ast.Module
    functions: dict[str, Function] = field(default_factory=dict)
    """By name; methods by `Class.name`."""

    @classmethod
    def read(cls, root: Path, path: Path) -> Source:
        """The module in a file, which findings name as seen from `root`."""
        source = cls(path.relative_to(root), ast.parse(path.read_text(encoding="utf-8")))
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                source.functions[node.name] = node
            elif isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                        source.functions[f"{node.name}.{inner.name}"] = inner
        return source

    def public(self) -> Iterator[tuple[Function, ast.ClassDef | None, str]]:
        """Each public function and method, its class, and the docstring that has to tell about it."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield node, None, ast.get_docstring(node) or ""
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for inner in node.body:
                    if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                        continue
                    if inner.name in {"__init__", "__new__", "__post_init__"}:
                        yield inner, node, ast.get_docstring(inner) or ast.get_docstring(node) or ""
                    elif not inner.name.startswith("_"):
                        yield inner, node, ast.get_docstring(inner) or ""


class Package:
    """What all modules together say: the tree of exceptions, the functions that make one, all docstrings."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._bases: dict[str, list[str]] = {
            name: [base.__name__ for base in kind.__bases__]
            for name, kind in vars(builtins).items()
            if isinstance(kind, type) and issubclass(kind, BaseException)
        }
        for source in sources:
            for node in ast.walk(source.tree):
                if isinstance(node, ast.ClassDef):
                    self._bases.setdefault(node.name, [_last_name(base) for base in node.bases])
        self._makers = {
            name.rsplit(".", 1)[-1]: _last_name(function.returns)
            for source in sources
            for name, function in source.functions.items()
            if function.returns is not None and self.is_one(_last_name(function.returns))
        }
        self._docstrings = {
            name: ast.get_docstring(function) or ""
            for source in sources
            for name, function in source.functions.items()
        }
        self._families = {base for bases in self._bases.values() for base in bases}

    def is_one(self, name: str) -> bool:
        """Whether it is the name of an exception."""
        return "BaseException" in self.line(name)

    def raised(self, expression: ast.expr) -> str | None:
        """The class that `raise expression` raises; None when that shows at run time only."""
        name = _last_name(expression)
        if (made := self._makers.get(name)) is not None:
            return None if made in self._families else made
        return name if self.is_one(name) else None

    def told_raises(self, docstring: str, owner: ast.ClassDef | None) -> set[str]:
        """The words after `Raises` in a docstring, in that of a method it points at, in that of the class."""
        texts = [docstring, *(self._docstrings.get(name, "") for name in SEE.findall(docstring))]
        told = [text[found.start() :] for text in texts if (found := re.search(r"\bRaises\b", text))]
        told += EVERY_RAISES.findall((owner and ast.get_docstring(owner)) or "")
        return set(re.findall(r"\w+", " ".join(told)))

    def line(self, name: str) -> set[str]:
        """The exception and all that it is a kind of."""
        return {name}.union(*(self.line(base) for base in self._bases.get(name, ())))


# --- exceptions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that leaves a function: its class, unless that shows at run time only, and its `raise`."""

    name: str | None
    line: int


def unnamed_exceptions(source: Source, package: Package) -> Iterator[str]:
    """The exceptions that public functions raise and don't name, as `file:line: what is missing`."""
    for function, owner, docstring in source.public():
        words = package.told_raises(docstring, owner)
        told: set[str | None] = set()
        for raised in _leaving(source, package, function, owner, frozenset()):
            if raised.name in told or (words & package.line(raised.name) if raised.name else words):
                continue
            told.add(raised.name)
            yield (
                f"{source.path}:{function.lineno}: {_called(function, owner)} raises "
                f"{raised.name or 'an exception'} in line {raised.line}; "
                "its docstring doesn't say so under Raises"
            )


def _leaving(
    source: Source,
    package: Package,
    function: Function,
    owner: ast.ClassDef | None,
    callers: frozenset[Function],
) -> Iterator[Raised]:
    """What leaves a function: its own raises, and those of the module's private helpers that it calls."""
    handled = {node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler)}
    for node, caught in _reached(function.body, frozenset()):
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = package.raised(node.exc)
            again = isinstance(node.exc, ast.Name) and node.exc.id in handled
            if not again and name not in NEVER_TOLD and not (name and caught & package.line(name)):
                yield Raised(name, node.lineno)
        elif isinstance(node, ast.Call):
            helper = _helper(source, node.func, owner)
            if helper is None or helper is function or helper in callers:
                continue
            for raised in _leaving(source, package, helper, owner, callers | {function}):
                if not (raised.name and caught & package.line(raised.name)):
                    yield raised


def _reached(body: Iterable[ast.AST], caught: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Each node under `body`, inner functions left out, with the exceptions that are caught around it."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        yield node, caught
        if isinstance(node, ast.Try):
            names = {name for handler in node.handlers for name in _caught_names(handler.type)}
            yield from _reached(node.body, caught | names)
            yield from _reached([*node.handlers, *node.orelse, *node.finalbody], caught)
        elif isinstance(node, ast.With):
            calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
            names = {
                _last_name(name)
                for call in calls
                if _last_name(call.func) == "suppress"
                for name in call.args
            }
            yield from _reached(node.items, caught)
            yield from _reached(node.body, caught | names)
        else:
            yield from _reached(ast.iter_child_nodes(node), caught)


def _caught_names(caught: ast.expr | None) -> set[str]:
    if caught is None:
        return {"BaseException"}
    return {_last_name(one) for one in (caught.elts if isinstance(caught, ast.Tuple) else [caught])}


def _helper(source: Source, called: ast.expr, owner: ast.ClassDef | None) -> Function | None:
    """The private function or method of the same module behind a call, if it is one."""
    if isinstance(called, ast.Name) and called.id.startswith("_"):
        return source.functions.get(called.id)
    if (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id in {"self", "cls"}
        and called.attr.startswith("_")
        and owner is not None
    ):
        return source.functions.get(f"{owner.name}.{called.attr}")
    return None


# --- sources -----------------------------------------------------------------------------------------


def missing_source(source: Source, headings: set[str]) -> Iterator[str]:
    """What a module leaves open about where its rules come from, as `file:line: what is missing`.

    The module says it, or each of its public classes and functions does.
    `headings` are those of docs/architecture.md.
    """
    public = [
        node
        for node in source.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    ]
    if source.path.name.startswith("__") and not public:
        return
    whole = _source_lines(ast.get_docstring(source.tree))
    each = {node: _source_lines(ast.get_docstring(node)) for node in public}
    for node, lines in [(None, whole), *each.items()]:
        for line in lines:
            if problem := _unknown_source(line, headings):
                yield f"{source.path}:{node.lineno if node else 1}: {problem}: Source: {line}"
    if whole:
        return
    if not public:
        yield f"{source.path}:1: the module's docstring has no Source:"
    for node, lines in each.items():
        if not lines:
            yield f"{source.path}:{node.lineno}: neither the module nor {node.name} has a Source:"


def _source_lines(docstring: str | None) -> list[str]:
    """The text after each `Source:`, up to the end of its paragraph."""
    return [
        " ".join(found.split())
        for found in re.findall(r"(?ms)^\s*Source: (.+?)(?=\n\s*\n|\Z)", docstring or "")
    ]


def _unknown_source(line: str, headings: set[str]) -> str | None:
    pages = set(re.findall(r"\b([\w/]+)\.md\b", line)) - {"docs/architecture"}
    sections = re.findall(r"§(\d+)", line)
    ours = OURS.search(line)
    if unknown := sorted(pages - PAGES):
        return f"the specification has no page {', '.join(unknown)}"
    if any(int(section) not in EDITION_SECTIONS for section in sections):
        return "the edition has no such section"
    if ours and ours[1] and ours[1] not in headings:
        return f"docs/architecture.md has no heading {ours[1]}"
    if not (pages or (sections and "edition" in line) or ours or OUTSIDE.search(line)):
        return "names no page"
    return None


# --- units -------------------------------------------------------------------------------------------


def missing_units(source: Source) -> Iterator[str]:
    """The numbers that nobody describes or whose unit nobody says, likewise: arguments, results, fields."""
    for function, owner, docstring in source.public():
        if _is_told_elsewhere(function, docstring):
            continue
        where = f"{source.path}:{function.lineno}: {_called(function, owner)}"
        described = _words(docstring) | _words(ast.get_docstring(owner) if owner else "")
        has_unit = bool(UNIT.search(docstring))
        for argument in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]:
            if _is_number(argument.annotation):
                yield from _missing(where, argument.arg, described, has_unit=has_unit)
        if _is_number(function.returns) and _is_quantity(function.name) and not has_unit:
            yield f"{where} doesn't say its unit"
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _missing_in_fields(source, node)


def _missing(where: str, name: str, described: set[str], *, has_unit: bool) -> Iterator[str]:
    """What is not said of one number."""
    if UNIT_SUFFIX.search(name):
        return
    if not (name.removesuffix("s") in described or _words(name.replace("_", " ")) <= described):
        yield f"{where} doesn't say what the number `{name}` is"
    elif _is_quantity(name) and not has_unit:
        yield f"{where} doesn't say in which unit `{name}` is"


def _missing_in_fields(source: Source, owner: ast.ClassDef) -> Iterator[str]:
    """What is not said of a class: in its docstring, below the field, or as the help of a setting."""
    for node, below in zip(owner.body, [*owner.body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        name, default = node.target.id, node.value
        if name.startswith("_") or name.isupper() or not _is_number(node.annotation):
            continue
        own = (
            below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
        )
        if own or (default is not None and "help" in ast.unparse(default)):
            continue
        docstring = ast.get_docstring(owner) or ""
        where = f"{source.path}:{node.lineno}: {owner.name}"
        yield from _missing(where, name, _words(docstring), has_unit=bool(UNIT.search(docstring)))


def _words(text: str | None) -> set[str]:
    """The words of a text, all as if they stood in the singular."""
    return {word.removesuffix("s") for word in re.findall(r"\w+", (text or "").lower())}


def _is_told_elsewhere(function: Function, docstring: str) -> bool:
    """Whether it is a command, whose options have a help each, or points at the same one of a protocol."""
    decorators = {_last_name(decorator) for decorator in function.decorator_list}
    return not decorators.isdisjoint({"command", "overload", "setter"}) or bool(SEE.search(docstring))


def _is_number(annotation: ast.expr | None) -> bool:
    return annotation is not None and bool(NUMBERS.search(ast.unparse(annotation)))


def _is_quantity(name: str) -> bool:
    return not UNIT_SUFFIX.search(name) and not QUANTITY.isdisjoint(name.split("_"))


# --- names -------------------------------------------------------------------------------------------


def _last_name(node: ast.expr) -> str:
    """`b` of `a.b`, `b(…)` and `a.b[…]`."""
    match node:
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
        case ast.Call():
            return _last_name(node.func)
        case ast.Subscript():
            return _last_name(node.value)
        case ast.Constant(value=str(name)):
            return name.rsplit(".", 1)[-1]
        case _:
            return ast.unparse(node)


def _called(function: Function, owner: ast.ClassDef | None) -> str:
    return f"{owner.name}.{function.name}" if owner else function.name

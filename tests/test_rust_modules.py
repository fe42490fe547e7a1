"""No module of a Rust crate needs one that needs it, which the compiler would allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

CRATES = sorted(path.parent for path in (Path(__file__).parents[1] / "rust").glob("*/Cargo.toml"))

Module = tuple[str, ...]

# Comments, strings and characters, in which a path is no path.
NO_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\])\'', re.DOTALL
)
INLINE = re.compile(r"(#\[cfg\(test\)\]\s*)?(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(\w+)\s*\{")
TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod\s+(\w+)\s*;")
CHILD = re.compile(r"\bmod\s+(\w+)\s*;")
ROOTED = re.compile(r"\b(?:crate|self|super)\s*::")


def modules_of(sources: Path) -> dict[Module, str]:
    """Return the code of every file of a crate, but for tests, by the path of its module."""
    modules = {}
    for file in sources.rglob("*.rs"):
        parts = file.relative_to(sources).with_suffix("").parts
        module = parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts
        modules[module] = NO_CODE.sub(" ", file.read_text(encoding="utf-8"))
    tests = {(*module, name) for module, code in modules.items() for name in TESTS.findall(code)}
    return {module: code for module, code in modules.items() if module not in tests}


def block_end(code: str, start: int) -> int:
    """Return where the block ends whose brace opens just before `start`."""
    depth = 1
    for place in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[place], 0)
        if depth == 0:
            return place
    raise AssertionError("a brace is not closed")


def scopes(code: str, module: Module) -> Iterator[tuple[Module, str]]:
    """Yield the code of a module and of those inside it, tests left out."""
    own, place = "", 0
    while found := INLINE.search(code, place):
        end = block_end(code, found.end())
        own += code[place : found.start()]
        if not found[1]:
            yield from scopes(code[found.end() : end], (*module, found[2]))
        place = end + 1
    yield module, own + code[place:]


def paths(tree: str) -> Iterator[list[str]]:
    """Yield each path of the tree that a text begins with: a::b and a::c of ``a::{b, c}; ...``."""
    head = re.match(r"\s*(\w+)\s*(::)?\s*", tree)
    if not head:
        return
    rest = tree[head.end() :]
    if not head[2]:
        yield [head[1]]
    elif not rest.startswith("{"):
        tails = list(paths(rest)) or [[]]
        yield from ([head[1], *tail] for tail in tails)
    else:
        inside, depth, start = rest[1 : block_end(rest, 1)] + ",", 0, 0
        for place, letter in enumerate(inside):
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                yield from ([head[1], *tail] for tail in paths(inside[start:place]))
                start = place + 1


def needs(modules: dict[Module, str]) -> dict[Module, set[Module]]:
    """Return, for every file of a crate, the files that its paths lead to."""
    graph: dict[Module, set[Module]] = {}
    for file, code in modules.items():
        graph[file] = set()
        for scope, text in scopes(code, file):
            children = CHILD.findall(text)
            by_name = [rf"(?<![\w:])(?:{'|'.join(children)})\s*::"] if children else []
            starts = [m.start() for p in [ROOTED.pattern, *by_name] for m in re.finditer(p, text)]
            for path in (path for start in starts for path in paths(text[start:])):
                graph[file].add(leads_to(path, scope, modules))
        graph[file].discard(file)
    return graph


def leads_to(path: list[str], scope: Module, modules: dict[Module, str]) -> Module:
    """Return the file in which the thing is that a path names in a scope."""
    base = () if path[0] == "crate" else scope
    for step in path[1:] if path[0] in ("crate", "self") else path:
        base = base[:-1] if step == "super" else (*base, step)
    while base not in modules:
        base = base[:-1]
    return base


def circle(sources: Path) -> list[str]:
    """Return the modules of a circle, or none."""
    try:
        TopologicalSorter(needs(modules_of(sources))).prepare()
    except CycleError as error:
        return ["::".join(("crate", *module)) for module in error.args[1]]
    return []


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_no_two_modules_need_each_other(crate):
    assert circle(crate / "src") == []


def test_every_crate_is_read_and_what_its_modules_need_is_seen():
    assert {crate.name for crate in CRATES} >= {"colony", "forest", "python"}
    for crate in CRATES:
        graph = needs(modules_of(crate / "src"))
        # The root, and what merely adds methods to types of others, is named by no other.
        assert len(graph) > 5
        assert len(set.union(*graph.values())) > 0.8 * len(graph)


def plant(folder: Path, **files: str) -> Path:
    for name, code in files.items():
        file = folder / f"{name.replace('__', '/')}.rs"
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"a": "use crate::b::B;", "b": "pub fn b() { crate::a::a() }"},
        {"a": "use crate::{error, b::{self, B}};", "b": "use super::{c::C};", "c": "use super::a;"},
        # A parent that uses its child, and a child that uses its parent.
        {"a": "mod child;\nuse child::{X, Y};", "a__child": "use super::{Z, helper};"},
        # A child that finds its sibling through their parent.
        {"a__mod": "mod c; mod d;\npub use {c::C, d::D};", "a__d": "use super::C;"},
        # The root gives everybody's things on.
        {"lib": "mod a;\npub use a::A;", "a": "use crate::B;"},
        {"a": "mod inner { use super::super::b::B; }", "b": "use crate::a::A;"},
    ],
)
def test_a_circle_is_found(tmp_path, files):
    sources = plant(tmp_path, **{"lib": "mod a; mod b;", **files})
    found = circle(sources)
    assert found[0] == found[-1]
    graph = needs(modules_of(sources))
    for one, other in pairwise(found):
        # `TopologicalSorter` names them in the order of what is needed by what.
        assert tuple(one.split("::")[1:]) in graph[tuple(other.split("::")[1:])]


@pytest.mark.parametrize(
    "code",
    [
        "/// See [`b`](crate::b).\nfn a() {}",
        'const TEXT: &str = "crate::b";',
        "#[cfg(test)]\nmod tests { use crate::b::B; }",
        "pub(crate) fn a() -> char { '\"' }\npub(super) fn c() {} // crate::b",
    ],
)
def test_what_is_no_path_of_the_product_is_no_need(tmp_path, code):
    sources = plant(tmp_path, lib="mod a; mod b;", a=code, b="use crate::a::a;")
    assert circle(sources) == []
    assert needs(modules_of(sources))["b",] == {("a",)}


def test_files_of_tests_may_use_what_they_test_and_more(tmp_path):
    code = "#[cfg(test)]\nmod tests;\nmod child;\nuse child::C;"
    sources = plant(tmp_path, lib="mod a;", a=code, a__tests="use super::a;", a__child="")
    assert needs(modules_of(sources)) == {
        (): set(),
        ("a",): {("a", "child")},
        ("a", "child"): set(),
    }

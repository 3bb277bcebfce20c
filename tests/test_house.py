"""The house rules that no linter knows, as tests: layout, names, floors, clocks, locks, and what may be shipped.

Each rule collects every offender before it fails and names them, so that one run shows the whole list. What ruff and
mypy can say is not repeated here; the import contracts are, because they guard the architecture and must fail a plain
test run as well.
"""

import ast
import importlib
import importlib.metadata
import re
import socket
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
MODULE_LINES = 400
FUNCTION_LINES = 40
FORBIDDEN_NAMES = {
    name for word in ("util", "helper", "manager", "service") for name in (word, word + "s")
} | {"core", "common", "misc"}  # fmt: skip
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
HEAVY = ("alembic", "anthropic", "imapclient", "phonenumbers", "psycopg")

CLOCKS = {
    "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today",
    "time.gmtime", "time.localtime", "time.time", "time.time_ns",
}  # fmt: skip
CLOCK_OWNERS = ("sidecar/app", "sidecar/cli")  # the composition root builds the clock that everybody else is given

LOCK_LINE = re.compile(
    r"""[\w.-]+==[\w.]+(\ ;\ [^/]+)?\ \\           # a version, perhaps for some machines only
    | \ {4}--hash=sha256:[0-9a-f]{64}(\ \\)?     # the digest of one of its files
    | \s*\#(?!.*(://|\s/\w)).* | \s*            # a comment without an address or an absolute path
    """,
    re.VERBOSE,
)

# Spelt in pieces, so that this file doesn't hold what it forbids.
MACHINE = re.compile(
    "|".join(
        (
            "(?<![\\w.-])/" + "(?:work|root)/",  # this or that developer's folders
            "/opt/" + "(?:wheels|pypi)",
            "file:" + "///",
            "https?://[^\\s\"'`<>]+" + "/simple\\b",  # the address of a package index
            "(?<!emit-)(?:extra-)?" + "index-url[ =]+\\S*:",
            "\\.\\./" + "shared\\b",
        )
    )
)


def test_import_contracts_are_kept() -> None:
    """The floors hold; seen to fail for each contract by adding one forbidden import."""
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-logo', '--no-cache'])"
    command = [sys.executable, "-c", lint]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_modules_and_functions_stay_small() -> None:
    """Nobody has to scroll to understand one thing; seen to fail with both limits at 20."""
    large = []
    for path, tree in _trees("sidecar", "adapters"):
        lines = len((ROOT / path).read_text().splitlines())
        if lines > MODULE_LINES:
            large.append(f"{path}: {lines} lines, {MODULE_LINES} allowed")
        for function in _functions(tree):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES:
                large.append(f"{path}:{function.lineno} {function.name}: {lines} lines, {FUNCTION_LINES} allowed")
    assert not large, _list(large)


def test_every_module_says_why_it_exists() -> None:
    """A reader learns from a module's first lines what it is for; seen to fail with one docstring removed."""
    silent = [
        path
        for path, tree in _trees("sidecar", "adapters", "tests", "bench")
        if not ast.get_docstring(tree) and not (tree.body == [] and path.startswith("tests/"))
    ]
    assert not silent, _list(silent)


def test_every_test_says_which_truth_it_defends() -> None:
    """A red test names a broken truth, not only a line; seen to fail with one docstring removed."""
    silent = [
        f"{path}:{function.lineno} {function.name}"
        for path, tree in _trees("tests")
        for function in _functions(tree)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent, _list(silent)


def test_every_adapter_exists_and_is_under_contract() -> None:
    """No adapter is offered that can't be imported, or that no contract suite exercises; seen to fail with either."""
    under_contract = _names_in_contract_suites()
    wrong = []
    for target in _adapter_targets():
        module, _, name = target.partition(":")
        try:
            getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            wrong.append(f"{target}: {error}")
            continue
        if name not in under_contract:
            wrong.append(f"{target}: no test class under tests/contract names it")
    assert not wrong, _list(wrong)


def test_every_adapter_module_is_in_the_table() -> None:
    """A file in a family of adapters that no table leads to is dead; seen to fail with one table entry removed."""
    listed = {target.partition(":")[0] for target in _adapter_targets()}
    dead = []
    for family in ("channels", "crms", "llms", "engines", "notifiers", "transcribers"):
        for path in sorted((ROOT / "adapters" / family).iterdir()):
            module = f"adapters.{family}.{path.stem}"
            is_module = path.suffix == ".py" or (path / "__init__.py").exists()
            if is_module and path.stem != "__init__" and not any(_is_within(name, module) for name in listed):
                dead.append(module)
    assert not dead, _list(dead)


def test_no_file_is_named_for_nothing() -> None:
    """Every file is named for what it holds; seen to fail with an empty helpers.py."""
    vague = [
        path for path in _tracked() if FORBIDDEN_NAMES & {part.partition(".")[0] for part in PurePosixPath(path).parts}
    ]
    assert not vague, _list(vague)


def test_no_tracked_file_knows_this_machine() -> None:
    """What is shipped works elsewhere: no folder of ours, no package index; seen to fail with either in a comment."""
    found = []
    for path in _tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if match := MACHINE.search(line):
                found.append(f"{path}:{number} {match.group()}")
    assert not found, _list(found)


def test_the_command_line_starts_without_heavy_libraries() -> None:
    """`sidecar --help` doesn't wait for what it doesn't use; seen to fail with an import at the top of a cli module."""
    code = f"import sidecar.cli, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"


def test_no_error_vanishes() -> None:
    """An error is handled, named or passed on; seen to fail with `except Exception: pass`."""
    swallowed = [
        f"{path}:{node.lineno}"
        for path, tree in _trees("sidecar", "adapters", "tests", "bench")
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _swallows(node)
    ]
    assert not swallowed, _list(swallowed)


def test_every_wait_can_be_interrupted() -> None:
    """A stop signal ends each wait, so product code waits on an Event; seen to fail with a time.sleep."""
    assert not (found := _uses({"time.sleep"}, "sidecar", "adapters")), _list(found)


def test_the_clock_is_injected() -> None:
    """Only the composition root asks the machine for the time: tests and replays own it; seen to fail with a now()."""
    found = [use for use in _uses(CLOCKS, "sidecar", "adapters") if not use.startswith(CLOCK_OWNERS)]
    assert not found, _list(found)


def test_only_the_http_adapter_opens_urls() -> None:
    """Time-outs, redaction and errors of HTTP have one home; seen to fail with an import of urllib.request."""
    found = _imports({"urllib.request", "http.client"}, "sidecar", "adapters")
    found += [use for use in _imports({"httpx2"}, "adapters") if not use.startswith("adapters/http")]
    assert not found, _list(found)


def test_our_own_code_is_never_mocked() -> None:
    """Tests exercise real parts, so a green run means that the parts fit; seen to fail with an import of mock."""
    assert not (found := _imports({"unittest.mock", "mock"}, "tests")), _list(found)


def test_no_test_reaches_another_machine() -> None:
    """A green run needs no network and disturbs nobody; seen to fail without the hook in conftest.py."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(AssertionError, match=r"192\.0\.2\.1"):
        sock.connect(("192.0.2.1", 9))


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_are_pinned_hashed_and_free_of_places(lock: str) -> None:
    """Anybody's pip installs the same bytes from any index; seen to fail without a hash, and with an address."""
    text = (ROOT / lock).read_text()
    odd = [line for line in text.splitlines() if not LOCK_LINE.fullmatch(line)]
    assert not odd, _list(odd)
    requirements = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    loose = [lines.splitlines()[0] for lines in requirements if "--hash=sha256:" not in lines]
    assert requirements
    assert not loose, _list(loose)


def test_locks_cover_what_the_project_asks_for() -> None:
    """A dependency added without `make lock` is caught here, not at a newcomer's; seen to fail with one added."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-build.lock": project["build-system"]["requires"],
    }
    wanted["requirements-dev.lock"] = sum(wanted.values(), project["project"]["optional-dependencies"]["dev"])
    stale = [
        f"{lock}: {line}"
        for lock, lines in wanted.items()
        for line in lines
        if not (asked := Requirement(line)).specifier.contains(_pins(lock).get(canonicalize_name(asked.name), "0"))
    ]
    assert not stale, _list(stale)


def test_tests_run_on_the_versions_that_ship() -> None:
    """What is installed for development holds each pin of what runs; seen to fail with one version changed."""
    development = _pins("requirements-dev.lock")
    pins = _pins("requirements.lock") | _pins("requirements-build.lock")
    differing = [f"{name}: {version}, not {development.get(name)}" for name, version in pins.items()
                 if development.get(name) != version]  # fmt: skip
    assert not differing, _list(differing)


def test_nothing_that_runs_is_under_the_gpl() -> None:
    """Whoever ships the sidecar owes no source code but ours; seen to fail with the LGPL forbidden too (psycopg)."""
    bound = []
    for name in _pins("requirements.lock"):
        metadata = importlib.metadata.metadata(name)
        licence = " ".join(
            line for key in ("License-Expression", "License", "Classifier") for line in metadata.get_all(key, [])
        )
        if re.search(r"\bA?GPL|(?<!Lesser )General Public", licence):
            bound.append(f"{name}: {licence[:80]}")
    assert not bound, _list(bound)


def test_the_wheel_carries_both_packages_and_the_prompts(tmp_path: Path) -> None:
    """What is installed can run without the repository beside it; seen to fail without the prompts' source mapping."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=120, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    expected = {
        path.replace("prompts/", "sidecar/_prompts/", 1) if path.startswith("prompts/") else path
        for path in _tracked()
        if path.startswith(("sidecar/", "adapters/", "prompts/"))
    }
    assert expected <= packed, _list(sorted(expected - packed))
    assert {PurePosixPath(path).parts[0] for path in packed if ".dist-info/" not in path} == {"sidecar", "adapters"}


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _tracked() -> tuple[str, ...]:
    """Return what git tracks or would track, as paths from the root; deleted files left out."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return tuple(path for path in sorted(set(run.stdout.split("\0"))) if path and (ROOT / path).is_file())


def _trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for path in _tracked():
        if path.endswith(".py") and path.startswith(tuple(folder + "/" for folder in folders)):
            yield path, _parse(path)


@cache
def _parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), filename=path)


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _adapter_targets() -> list[str]:
    """Return each "module:Class" in the tables of the adapters package."""
    tables = vars(importlib.import_module("adapters")).values()
    targets = sorted({target for table in tables for target in _targets_in(table)})
    assert targets, "adapters/__init__.py names no adapter"
    return targets


def _targets_in(table: object) -> Iterator[str]:
    if isinstance(table, Mapping):
        for value in table.values():
            yield from _targets_in(value)
    elif isinstance(table, str) and re.fullmatch(r"adapters(\.\w+)+:\w+", table):
        yield table


def _names_in_contract_suites() -> set[str]:
    """Return every name used in a file under tests/contract that has a test class of its own."""
    return {
        name
        for _, tree in _trees("tests/contract")
        if any(isinstance(node, ast.ClassDef) and node.name.startswith("Test") for node in tree.body)
        for node in ast.walk(tree)
        for name in _identifiers(node)
    }


def _identifiers(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _swallows(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    is_broad = any(node is None or ast.unparse(node) in {"Exception", "BaseException"} for node in caught)
    does_nothing = all(isinstance(node, ast.Pass | ast.Continue) or _says_nothing(node) for node in handler.body)
    return handler.type is None or (is_broad and does_nothing)


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _imports(modules: set[str], *folders: str) -> list[str]:
    """Return the places that import one of the modules, in whichever form."""
    return [
        f"{path}:{line} {name}"
        for path, tree in _trees(*folders)
        for name, line in _imported(tree)
        if any(_is_within(name, module) for module in modules)
    ]


def _imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _uses(functions: set[str], *folders: str) -> list[str]:
    """Return the places that name one of the functions (called or passed on), under whichever alias it was imported."""
    found = []
    for path, tree in _trees(*folders):
        aliases = _aliases(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute | ast.Name):
                continue
            first, dot, rest = ast.unparse(node).partition(".")
            if (name := aliases.get(first, first) + dot + rest) in functions:
                found.append(f"{path}:{node.lineno} {name}")
    return found


def _aliases(tree: ast.AST) -> dict[str, str]:
    """Map each imported name of a module to its full name: `dt` to `datetime` for `import datetime as dt`."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return aliases


def _pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def _list(offenders: list[str]) -> str:
    return "\n" + "\n".join(offenders)

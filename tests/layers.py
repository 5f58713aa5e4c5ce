"""Finds imports in the wrong direction, and heavy ones at module level, by reading the syntax tree.

python tests/layers.py            the checkout's packages
python tests/layers.py FOLDER     another folder of packages
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAY_IMPORT = {
    "wandb_track_core": set(),
    "wandb_track_serializers": {"wandb_track_core"},
    "wandb_track_flyte": {"wandb_track_core", "wandb_track_serializers", "flytekit", "flyteidl"},
    "wandb_track_metaflow": {"wandb_track_core", "wandb_track_serializers", "metaflow", "metaflow_extensions"},
    # Metaflow imports this with itself, in every process, and packs it into every flow: it needs nothing of ours.
    "metaflow_extensions": {"wandb_track_metaflow", "wandb_track_core", "metaflow"},
}
OURS_AND_ORCHESTRATORS = {*MAY_IMPORT, "flytekit", "flyteidl", "metaflow"}
HEAVY = {
    "joblib",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "safetensors",
    "scipy",
    "sklearn",
    "skops",
    "torch",
    "wandb",
}


def violations(packages: Path) -> Iterator[str]:
    """Yield a line for each import that breaks a rule, below `packages`/*/src."""
    for path in sorted(packages.glob("*/src/**/*.py")):
        package = path.relative_to(packages).parts[2]
        for node, imported, at_module_level in imports(ast.parse(path.read_text())):
            where = f"{path}:{node.lineno}"
            if imported in OURS_AND_ORCHESTRATORS - {package} - MAY_IMPORT[package]:
                yield f"{where}: {package} must not import {imported}"
            if package == "metaflow_extensions" and at_module_level and imported.startswith("wandb_track"):
                yield f"{where}: the extension is imported with Metaflow itself and must import nothing of ours"
            if at_module_level and imported in HEAVY:
                yield f"{where}: {imported} is imported at module level: import it where it is used"
            elif package == "wandb_track_core" and imported in HEAVY and not may_use_client(path):
                yield f"{where}: only _wandb, offline and cli of the core may import {imported}"


def may_use_client(path: Path) -> bool:
    """Whether this module of the core lies in a folder that talks to the client."""
    return bool({"_wandb", "offline", "cli"} & set(path.parts))


def imports(tree: ast.Module) -> Iterator[tuple[ast.stmt | ast.expr, str, bool]]:
    """Yield each import that runs, the top-level name it imports, and whether it runs at import time.

    An import is a statement, or a call of `import_module` or `__import__` with the name as it is.
    """
    pending: list[tuple[ast.AST, bool]] = [(tree, True)]
    while pending:
        node, at_module_level = pending.pop()
        match node:
            case ast.Import():
                yield from ((node, alias.name.split(".")[0], at_module_level) for alias in node.names)
            case ast.ImportFrom(level=0):
                yield node, str(node.module).split(".")[0], at_module_level
            case ast.Call(
                func=ast.Name("import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                yield node, name.split(".")[0], at_module_level
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                pending += [(child, at_module_level) for child in node.orelse]
                continue
        inside = at_module_level and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, inside) for child in ast.iter_child_nodes(node)]


if __name__ == "__main__":
    found = list(violations(Path(sys.argv[1] if len(sys.argv) > 1 else "packages")))
    print("\n".join(found) or "every import points the right way")
    sys.exit(bool(found))

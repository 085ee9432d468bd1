"""Free SELECTs of template authors, rewritten onto what an actor may see.

1. ``parse_query`` at save time: text is scanned, parsed, and every node and function checked against the lists of
   what is allowed (``scan``, ``tree``, ``grammar``, ``functions``). Nothing about tables is known then.
2. ``rewrite_query`` at plan or run time: every table becomes a derived table of granted, masked columns (``resolve``).
3. What is sent is written anew from the tree by our own writer (``render``); a class of node without a spelling there
   is refused, and no byte of the author's text outside literals, which are spelt by the dialect, is in it.

Both are pure, without I/O, and may take tens of milliseconds for the longest text: call them in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from hfitd.engines.interface import Dialect, Select
from hfitd.errors import SqlTooComplex
from hfitd.export.query.expressions import Values
from hfitd.export.query.grammar import check_tree, settle_words
from hfitd.export.query.render import QueryWriter
from hfitd.export.query.resolve import Reader, Resolver
from hfitd.export.query.scan import scan_query, variable_names
from hfitd.export.query.special import check_special
from hfitd.export.query.tables import written_tables
from hfitd.export.query.tree import read_tree
from hfitd.masks.interface import BoundMask
from hfitd.model import Relation

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.In, exp.Between)
_PATTERNS = (exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike, exp.SimilarTo, exp.Glob)


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A checked query. ``variables`` are names without ``$`` (``"1"`` for ``$1``); ``tables`` as written, CTEs left
    out, each once."""

    variables: frozenset[str]
    tables: tuple[str, ...]
    root: exp.Expr
    placeholders: Mapping[str, str]
    taken: str  # every word of the text, for names that must differ


def parse_query(source: str, sqlglot_name: str) -> ParsedQuery:
    """Check a query. Raises SqlRefused, SqlTooComplex; no message holds a part of it but names."""
    scanned = scan_query(source, sqlglot_name)
    root = read_tree(scanned.text, sqlglot_name)
    placeholders = variable_names(scanned)
    try:
        settle_words(root)
        check_tree(root, sqlglot_name, placeholders)
        tables = written_tables(root, sqlglot_name)
    except RecursionError:
        raise SqlTooComplex("The query is too deeply nested.") from None
    return ParsedQuery(frozenset(scanned.variables), tables, root, placeholders, source)


def rewrite_query(  # noqa: PLR0917 - callers give all of them, in this order
    parsed: ParsedQuery,
    dialect: Dialect,
    catalog_default_schema: str,
    relation_of: Callable[[str | None, str], Relation],
    masks_of: Callable[[Relation], Mapping[str, BoundMask]],
    values: Mapping[str, str | None],
) -> Select:
    """The query as it may be sent, with its outputs.

    ``relation_of`` gets the schema (None when not written) and the exact name, and raises NotFound. An output that is
    directly a keyed masked column carries its cell; any other use of such a column sees NULL. Doubled output names
    get ``_2``, ``_3``. Raises NotFound for what is missing or not granted, SqlRefused for what is ambiguous,
    ParamInvalid for a variable without an entry.
    """
    root = parsed.root.copy()
    resolver = Resolver(dialect, Reader(relation_of, masks_of, catalog_default_schema), parsed.taken)
    try:
        outputs = resolver.outermost(root)
        check_special(root)
        types = _bind_types(root, resolver.origins)
        writer = QueryWriter(dialect, Values(parsed.placeholders, values, types), resolver.tables())
        writer.query(root)
    except RecursionError:
        raise SqlTooComplex("The query is too deeply nested.") from None
    return Select(writer.result(), outputs, reads=resolver.reads())


def _bind_types(root: exp.Expr, origins: Mapping[int, str]) -> Mapping[int, str]:
    types = dict(origins)
    for placeholder in root.find_all(exp.Placeholder):
        around = placeholder.parent
        while isinstance(around, exp.Paren | exp.Neg | exp.Tuple):
            around = around.parent
        if isinstance(around, _PATTERNS):
            types[id(placeholder)] = "text"
        elif isinstance(around, _COMPARISONS):
            columns = [origins[id(child)] for child in around.iter_expressions() if id(child) in origins]
            if columns:
                types[id(placeholder)] = columns[0]
    return types

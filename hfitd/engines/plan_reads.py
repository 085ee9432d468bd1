"""The server's own plan as a second opinion on what a free query reads (layer 3 of the query guard).

The rewriting knows which tables a query may read. The server's plan says what it will read, whatever trick of spelling
was played on our parser. So ``estimate`` compares both:

1. The tables that the rewriting put in are expected.
2. So is whatever the plans of the derived tables alone lead to: what is beneath a view, partitions, the tables of a
   row filter. They are ours or the policy's words, without a word of the query's author. They are planned only when
   something stands in the plan that (1) does not explain.
3. Anything else is SqlRefused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from typing import TypeVar

from hfitd.engines.interface import Output, Reads, Select
from hfitd.errors import SqlRefused
from hfitd.sql import text

T = TypeVar("T")


async def refuse_unexpected(
    seen: Set[T], tables: Set[T], reads: Reads, plan: Callable[[Select], Awaitable[Set[T]]]
) -> None:
    """SqlRefused when ``seen`` holds what neither ``tables`` (1) nor the plans of the sources (2) explain.

    ``tables`` are those of ``reads`` as the engine's plan names them; ``plan`` says what a select of ours reads.
    """
    unexplained = set(seen - tables)
    for source in reads.sources:
        if not unexplained:
            return
        whole = Select(text("SELECT * FROM ") + source + text(" AS hfit_source"), (Output("hfit_source"),))
        unexplained -= await plan(whole)  # 2
    if unexplained:  # 3
        raise SqlRefused(
            "The database would read something that this query does not name.",
            suggestions=("Let an operator look at the views that the query uses.",),
        )

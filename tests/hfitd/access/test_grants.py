"""Grants decided for many files at once are the same as decided one by one."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from hfitd.access.grants import decide, decide_below, parse_grant
from hfitd.model import Action, Permission

GLOBS = ("**", "*", "logs/**", "logs/*", "LOGS/**", "logs", "logs/app/**", "*/app/*.log", "logs/?pp/**", "%6Cogs/**")
GRANTS = st.lists(
    st.builds(
        lambda deny, action, glob: f"{'!' if deny else ''}{action}:{glob}",
        st.booleans(),
        st.sampled_from(("files.list", "files.read")),
        st.sampled_from(GLOBS),
    ),
    max_size=5,
)
PATHS = st.lists(st.sampled_from(("app", "a.log", "App", "\n", "b*c", "%2F", "x")), min_size=1, max_size=3)


@given(GRANTS, st.sampled_from(("logs", "other", "l*s")), PATHS.map("/".join))
@example(["files.list:logs/**", "!files.list:logs/app/**"], "logs", "App/a.log")
def test_a_decision_prepared_for_a_volume_is_that_of_each_file(grants: list[str], volume: str, path: str) -> None:
    parsed = [parse_grant("r", grant) for grant in grants]
    wanted = decide(parsed, Permission(Action.FILES_LIST, f"{volume}/{path}")).allowed
    assert decide_below(parsed, Action.FILES_LIST, volume)(path) == wanted

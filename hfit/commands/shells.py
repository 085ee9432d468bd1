"""What the shells are told: the scripts of click, mended where names with colons, paths and blanks went wrong.

bash cuts the line into words at colons too, so ``app_logs:/app/`` is three of them. ``hfit`` gets the line itself, cuts
it as a command line is cut, and answers with what stands behind the last colon, as bash wants it. What a name is only
the beginning of (``app_logs:/``, ``app/``, ``customer_id=``) gets no blank behind it, in bash and zsh; fish sees to
that itself, but cut help texts at commas.
"""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

_END = "\0"  # of the line, so that a word of nothing at its end is a word, too
_SPECIAL = re.compile(r"([\s'\"\\$&();<>|*?\[\]`!#~{}^])")
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' answer type value
    COMPREPLY=()
    answer=$(env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete $1 2>/dev/null)
    while IFS=',' read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value"); [[ $value == *[/:=] ]] && compopt -o nospace ;;
        esac
    done <<< "$answer"
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class HfitBash(BashComplete):
    """bash, which is given the line instead of its own words."""

    source_template = _BASH
    _typed = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and that one."""
        words = split_arg_string(os.environ.get("COMP_LINE", "") + _END)
        self._typed = words.pop().removesuffix(_END) if words else ""
        return words[1:], self._typed

    def format_completion(self, item: CompletionItem) -> str:
        """Without what bash takes for words of their own, quoted where the shell would read it otherwise."""
        colon = self._typed.rfind(":") + 1 if ":" in os.environ.get("COMP_WORDBREAKS", "") else 0
        begun = item.value[:colon] == self._typed[:colon]
        return f"{item.type}," + _SPECIAL.sub(r"\\\1", item.value[colon:] if begun else item.value)


class HfitZsh(ZshComplete):
    """zsh, which puts no blank behind the beginning of a name."""

    source_template = ZshComplete.source_template.replace(
        '                completions+=("$key")',
        '                if [[ "$key" == *[/:=] ]]; then compadd -U -S "" -- "$key"; else completions+=("$key"); fi',
    )


class HfitFish(FishComplete):
    """fish, which shows all of a help text, also behind its first comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


def add_shells() -> None:
    """Let click use these."""
    add_completion_class(HfitFish)
    add_completion_class(HfitBash)
    add_completion_class(HfitZsh)


def completion_script(root: click.Command, shell: str, program: str, variable: str) -> str:
    """What a shell sources to complete ``program``."""
    add_shells()
    kind = get_completion_class(shell)
    assert kind is not None
    completer = kind(root, {}, program, variable)
    return completer.source_template % completer.source_vars()  # source() would start a bash to ask its version

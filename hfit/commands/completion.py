"""``hfit completion``: the script that a shell sources."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from hfit.commands.root import HfitCommand, root
from hfit.output.printer import Printer

VARIABLE = "_HFIT_COMPLETE"


@click.command("completion", cls=HfitCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the shell completion script.

    Names of templates, providers and volumes come from the server while you type.

    \b
    bash: eval "$(hfit completion bash)"           in ~/.bashrc
    zsh:  eval "$(hfit completion zsh)"            in ~/.zshrc
    fish: hfit completion fish > ~/.config/fish/completions/hfit.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    completer = kind(root, {}, "hfit", VARIABLE)
    script = completer.source_template % completer.source_vars()  # source() would start a bash to ask its version
    Printer().raw(script.encode())

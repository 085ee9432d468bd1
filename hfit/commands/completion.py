"""``hfit completion``: the script that a shell sources."""

from __future__ import annotations

import click

from hfit.commands.root import COMPLETION, HfitCommand, root
from hfit.commands.shells import completion_script
from hfit.output.printer import Printer


@click.command("completion", cls=HfitCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the shell completion script.

    Names of templates, parameters, providers, databases, tables and volumes, and paths within volumes, come from the
    server while you type, as you would see them: with --config-dir and --server-url where the line has them. It waits
    two seconds at most, and says nothing where it fails.

    \b
    bash: eval "$(hfit completion bash)"           in ~/.bashrc
    zsh:  eval "$(hfit completion zsh)"            in ~/.zshrc
    fish: hfit completion fish > ~/.config/fish/completions/hfit.fish
    """
    Printer().raw(completion_script(root, shell, "hfit", COMPLETION).encode())

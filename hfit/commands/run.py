"""Running a command line: every way it can end becomes an exit code of contract section 2."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

import click

from hfit.commands.root import COMPLETION, first_steps, root
from hfit.errors import HfitClientError, UsageMistake
from hfit.text import visible

INTERRUPTED = 130
BROKEN_PIPE = 1
_SECRET = re.compile(r"(://[^\s:/@]*:)[^\s@]*@")


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; errors have been printed."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _interrupt)
    if COMPLETION in os.environ:
        from hfit.commands.shells import add_shells  # noqa: PLC0415 - only a shell asks for it

        add_shells()
    try:
        result = root.main(list(arguments), prog_name="hfit", standalone_mode=False)
        sys.stdout.flush()
    except HfitClientError as error:
        return _report(arguments, error)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(first_steps() if arguments in ([], ["--no-color"]) else error.format_message(), err=True)
        return UsageMistake.exit_code
    except click.UsageError as error:
        return _report(arguments, _as_mistake(error))
    except click.ClickException as error:
        return _report(arguments, HfitClientError(error.format_message()))
    except (KeyboardInterrupt, click.Abort) as error:
        _tell_what_is_left(error)
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_output()
        return BROKEN_PIPE
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _report(arguments, HfitClientError(f"{error.strerror or error}{where}."))
    except Exception as error:  # noqa: BLE001 - the last net: a person gets words, -v gets the trace
        return _unexpected(arguments, error)
    return result if isinstance(result, int) else 0


def _interrupt(_: int, __: FrameType | None) -> None:
    """Like Ctrl-C, which an event loop handles in its own way."""
    signal.raise_signal(signal.SIGINT)


def _tell_what_is_left(error: BaseException) -> None:
    """Whoever was interrupted in the midst of changes has noted what became of them."""
    cause: BaseException | None = error
    while cause is not None:
        for note in getattr(cause, "__notes__", ()):
            click.echo(f"Interrupted. {visible(note)}", err=True)
        cause = cause.__cause__ or cause.__context__


def _as_mistake(error: click.UsageError) -> UsageMistake:
    """Without the passwords of URLs that stand at the wrong place of the command line."""
    path = error.ctx.command_path if error.ctx else "hfit"
    said = _SECRET.sub(r"\1***@", error.format_message())
    return UsageMistake(said, suggestions=[f"See: {path} --help"])


def _report(arguments: Sequence[str], error: HfitClientError) -> int:
    from hfit.output.console import colors_wanted  # noqa: PLC0415 - lazy start-up
    from hfit.output.printer import Printer  # noqa: PLC0415

    color = colors_wanted(os.environ, refused="--no-color" in arguments)
    Printer(json="--json" in arguments, color=color).error(error)
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_output()
    return error.exit_code


def _abandon_output() -> None:
    """Whoever read it has gone; without this the interpreter complains once more while it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(arguments: Sequence[str], error: Exception) -> int:
    if {"-v", "--verbose"} & set(arguments):
        traceback.print_exception(error)
    mistake = HfitClientError(
        "hfit itself failed; this is a mistake in the program.",
        reason=f"{type(error).__name__}: {error}",
        suggestions=["Run it again with -v and report what it prints."],
    )
    return _report(arguments, mistake)

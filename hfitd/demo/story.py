"""``hfitd demo``: the whole road on sample data, command by command.

1. Everything lies in one temporary folder, which is removed at the end unless the caller wants to go on with it.
2. The daemon and the commands are processes of this installation, as a user starts them; nothing is simulated.
3. What is claimed at the end is checked: row counts, references, and that no raw value is in any file.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from hfitd.demo.daemon import Daemon, start_daemon, stop_daemon
from hfitd.demo.proof import PERSONAL_COLUMNS, find_raw, load_package, read_customer, sql_members
from hfitd.demo.shell import Shell, program_folder
from hfitd.demo.world import EMAIL, World, make_world
from hfitd.errors import HfitError, Unavailable

CUSTOMER = 42
PACKAGE = f"case-{CUSTOMER}"
LOG_LINES = 20


def run_demo(*, keep: bool) -> int:
    """Run the demo and give the exit code: 0, or 1 after a line on standard error that says what failed.

    ``keep``: leave the daemon and the folder, and print commands to paste.
    """
    previous = signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="hfit-demo-"))
    daemon: Daemon | None = None
    kept = False
    try:
        shell = Shell(make_world(folder), sys.stdout)
        daemon = open_gateway(shell)
        tell_story(shell)
        if keep:
            kept = True
            print_paste(shell, daemon)
        else:
            print_next(shell)
    except HfitError as error:
        return _fail(error.message, folder)
    except OSError as error:
        return _fail(f"The demo cannot use its folder: {error.strerror or error}.", folder)
    except KeyboardInterrupt:
        return _fail("Interrupted.", None)
    finally:
        if daemon is not None and not kept:
            stop_daemon(daemon)
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)  # 1
        signal.signal(signal.SIGTERM, previous)
    return 0


def open_gateway(shell: Shell) -> Daemon:
    """What an operator does: a configuration, a daemon, a user."""
    world = shell.world
    shell.say("Hot Fixture Tool: a gateway on sample data.")
    shell.say(f'"Production" is {world.database.name} (a music shop) and a folder of logs, in {world.folder}.')
    shell.say()
    shell.say("--- The operator starts the gateway and lets a developer in")
    shell.say()
    shell.say(f"$ hfitd serve --config {world.config.name} &")
    daemon = start_daemon(world)
    shell.show([f"listening on {world.origin}"], 1)
    try:
        shell.run(f"hfitd user add {EMAIL} key.pub --role developer --config {world.config.name}", lines=5)
    except BaseException:
        stop_daemon(daemon)
        raise
    return daemon


def tell_story(shell: Shell) -> None:
    """What a developer does: log in, write a template, plan, download, verify, load."""
    shell.say("--- The developer asks for one case")
    shell.say()
    shell.run(f"hfit config set server-url {shell.world.origin}")
    shell.run(f"hfit login --email {EMAIL} --private-key key")
    shell.run("hfit pkg-example", into="customer-case.yaml")
    shell.run("hfit pkg-tmpl create customer-case.yaml")
    shell.run(f"hfit pkg-plan customer-case customer_id={CUSTOMER}", lines=24)
    shell.run(f"hfit pkg-download customer-case customer_id={CUSTOMER}")
    shell.run(f"hfit verify {PACKAGE}")
    shell.say("--- The package is loaded and compared with production")
    shell.say()
    prove(shell)


def prove(shell: Shell) -> None:
    """Load the package and show what is in it (3)."""
    package, target = shell.world.folder / PACKAGE, shell.world.folder / f"{PACKAGE}.db"
    for member in sql_members(package):
        shell.say(f"$ sqlite3 {target.name} < {PACKAGE}/{member['path']}")
    loaded = load_package(package, target)
    counts = [f"{table}: {count} row{'s' * (count != 1)}" for table, count in loaded.rows.items()]
    shell.show([*counts, f"references that lead nowhere: {loaded.dangling}"], 100)
    if loaded.dangling:
        raise Unavailable("The package is not complete: a row refers to a row that is not in it.")
    raw, masked = read_customer(shell.world.database, CUSTOMER), read_customer(target, CUSTOMER)
    shell.say(f"Customer {CUSTOMER}:")
    shell.say(f"  {'':<12}{'in production':<30}in the package")
    for column in PERSONAL_COLUMNS:
        shell.say(f"  {column:<12}{raw[column]:<30}{masked[column]}")
    leaks = find_raw(package, list(raw.values()))
    if leaks:
        raise Unavailable(f"Raw values of customer {CUSTOMER} are in the package: {', '.join(leaks)}.")
    number = sum(path.is_file() for path in package.rglob("*"))
    shell.say(f"  None of the {len(raw)} values on the left is in any of the package's {number} files.")
    shell.say()


def print_next(shell: Shell) -> None:
    """The end when nothing is kept."""
    shell.say("Done: a verified, masked, referentially complete package of one customer. The folder is removed now.")
    shell.say()
    shell.say("Try next:")
    shell.say(f"  {_program('hfitd')} demo --keep")
    shell.say("      the same, but leaves the gateway running and prints commands to paste")
    shell.say("  README.md")
    shell.say("      your own gateway in five minutes")
    shell.say("  docs/templates.md")
    shell.say("      everything a template can say")


def print_paste(shell: Shell, daemon: Daemon) -> None:
    """The end when the gateway stays: commands that work as they are."""
    folder = shlex.quote(str(shell.world.folder))
    shell.say(f"The gateway keeps running at {shell.world.origin} (process {daemon.pid}). Paste this to go on:")
    shell.say()
    shell.say(f"  cd {folder}")
    shell.say(f"  export HFIT_CONFIG_DIR={shlex.quote(str(shell.world.client))}")
    if not _on_path("hfit"):
        shell.say(f'  export PATH={shlex.quote(str(program_folder()))}:"$PATH"')
    shell.say("  hfit whoami")
    shell.say("  hfit describe chinook main Customer")
    shell.say("  hfit rows chinook main Customer \"Country = 'France'\" --limit 3")
    shell.say("  hfit files app_logs 'name:case_*' sort:mtime:desc")
    shell.say("  hfit pkg-download customer-case customer_id=5")
    shell.say("  hfit pkg-download customer-case customer_id=17 --stream-sql | sqlite3 case-17.db")
    shell.say("  hfit web --print")
    shell.say()
    shell.say(f"API to browse: {shell.world.origin}/docs")
    shell.say(f"To stop it: kill {daemon.pid}; sleep 2; rm -rf {folder}")


def _program(name: str) -> str:
    """How to type a program: its name when the shell finds it."""
    return name if _on_path(name) else str(program_folder() / name)


def _on_path(name: str) -> bool:
    found = shutil.which(name)
    return found is not None and Path(found).parent == program_folder()


def _fail(message: str, folder: Path | None) -> int:
    """Say what failed, with the daemon's last words if there are any."""
    said = [f"The demo failed: {message}"]
    if folder is not None:
        log = World(folder, "").log
        if log.is_file():
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            said += ["The daemon's last lines:", *(f"  {line}" for line in last)]
    sys.stderr.write("".join(f"{line}\n" for line in said))
    return 1


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt

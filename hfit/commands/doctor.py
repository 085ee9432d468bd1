"""``hfit doctor``."""

from __future__ import annotations

from dataclasses import asdict

import click

from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.doctor import FAIL, OK, WARN, examine
from hfit.output.printer import GREEN, RED, YELLOW

COLORS = {OK: GREEN, WARN: YELLOW, FAIL: RED}


@click.command("doctor", cls=HfitCommand)
def doctor_command() -> int:
    """Look at server, clock, key, token and pins, and say what is wrong.

    Changes nothing and logs nobody in. Ends with 1 when something failed.
    """
    session = current_session()
    findings = list(examine(session.settings))
    if session.printer.json:
        session.printer.document([asdict(finding) for finding in findings])
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            words = f"  {finding.check:<{width}}  {finding.words}"
            session.printer.checked(f"{finding.state:<7}", COLORS[finding.state], words)
            if finding.advice and finding.state != OK:
                session.printer.line(f"{'':<7}  {'':<{width}}  {finding.advice}")
    return int(any(finding.state == FAIL for finding in findings))

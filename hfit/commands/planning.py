"""``hfit pkg-plan``."""

from __future__ import annotations

import click

from hfit.building import following
from hfit.commands.nearest import nearest, template_look
from hfit.commands.parameters import name_argument, parameters_argument, parse_parameters
from hfit.commands.plan_words import show_plan
from hfit.commands.root import HfitCommand
from hfit.commands.session import current_session
from hfit.pictures.drawing import FORMS, draw_plan, write_dot, write_mermaid
from hfit.pictures.svg import plan_svg


@click.command("pkg-plan", cls=HfitCommand)
@name_argument
@parameters_argument
@click.option("--prepare", is_flag=True, default=False, help="Also run the prepare queries, to know their values.")
@click.option("--graph", type=click.Choice(FORMS), default=None, help="Print a picture of tables and keys instead.")
def pkg_plan_command(name: str, parameters: tuple[str, ...], prepare: bool, graph: str | None) -> None:
    """Say what a download would do, without reading a row.

    PARAM is key=value, or positional values in the template's order.

    \b
    hfit pkg-plan customer-case customer_id=42 --graph svg > plan.svg
    """
    session = current_session()
    gateway = session.gateway()
    given = parse_parameters(parameters)
    with (
        session.plan_progress(name) as told,
        nearest(template_look(gateway, name)),
        following(gateway, told) as watch,
    ):
        watch.begin()
        if graph == "svg":
            picture = plan_svg(gateway, name, given, prepare=prepare, watch=watch.name)
        else:
            plan = gateway.plan(name, given, prepare=prepare, watch=watch.name)
    if graph == "svg":
        session.printer.raw(picture.encode())
    elif graph is not None:
        session.printer.raw((write_dot if graph == "dot" else write_mermaid)(draw_plan(plan)).encode())
    elif session.printer.json:
        session.printer.document(plan)
    else:
        show_plan(session.printer, plan)

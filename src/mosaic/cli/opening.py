"""`mosaic page`: the address of the page, for whoever may use the home.

Source: this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import webbrowser

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common
from mosaic.cli.output import print_object, say, text_of


@click.command()
@click.option("--browse", is_flag=True, help="Open it in a browser instead of telling it.")
@common
def page(options: Common, *, browse: bool) -> None:
    """Tell the whole address of the running node's page.

    It holds a token: who has it may act for you. Where the node runs on
    another machine, a tunnel with the same port at both ends leads to it:
    ssh -L PORT:127.0.0.1:PORT that-machine

    \b
    Examples:
      mosaic page
      mosaic page --browse

    \f
    Raises:
        UsageError: no node runs on the home, or it shows no page.
    """
    for item in act(options.home, "page", {"once": browse}):
        if browse:
            webbrowser.open(text_of(item, "address"))
        elif options.as_json:
            print_object(item)
        else:
            say(text_of(item, "address"))

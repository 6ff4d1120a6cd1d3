"""Commands about people: init, whoami, profile, where.

Source: identity.md, bootstrap.md; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import shlex

import click

from mosaic.cli.acting import act
from mosaic.cli.new_home import new_home
from mosaic.cli.options import Common, common
from mosaic.cli.output import notice, print_object, say, shown_deliveries, text_of
from mosaic.cli.unlocking import MasterOptions, act_with_master, master_file_options
from mosaic.errors import MosaicError, UnknownPerson, UsageError
from mosaic.node.control import JsonObject
from mosaic.node.home import default_folder


@click.command()
@click.option("--name", required=True, help="The person's name: letters from a to z, digits and signs.")
@click.option("--invitation", metavar="CODE", help="The code by which the operator of a server lets you in.")
@click.option("--server", metavar="mosrv0…", help="That server, which is used from then on.")
@click.option("--url", metavar="URL", help="Where it listens, if the DHT does not tell.")
@common
def init(options: Common, name: str, invitation: str | None, server: str | None, url: str | None) -> None:
    """Make a home, or another person in one.

    Makes the person's keys, key schedule, profile and bootstrap, and prints
    the new key, by which others follow this person.

    \b
    Examples:
      mosaic init --name anna
      mosaic init --home /srv/mosaic --name "the choir"
      mosaic init --name ben --invitation CODE --server mosrv0…

    \f
    Raises:
        UsageError: an invitation without a server, or a place without one.
    """
    if (invitation or url) and not server:
        raise UsageError(
            "it is not said which server the invitation is for", hint="Name it: --server mosrv0…"
        )
    with new_home(options.home) as new:
        items = list(act(options.home, "init", {"name": name}))
    for item in items:
        _show_new_person(options, item, is_new=new)
    if server:
        given: JsonObject = {"as": name, "server_key": server, "url": url, "invitation": invitation}
        try:
            for item in act(options.home, "servers_add", given):
                if not options.as_json:
                    notice(f"{name} uses {text_of(item, 'key')} from now on.")
        except MosaicError:
            if not options.as_json:
                code = f" --invitation {invitation}" if invitation else ""
                again = f"mosaic servers add {server}{code} --url URL --as {shlex.quote(name)}{_at(options)}"
                notice(f"{name} is there, and does not use the server yet: `{again}` tries it again.")
            raise


def _at(options: Common) -> str:
    """How a command names the home, where it is not the usual one."""
    usual = options.home.folder == default_folder()
    return "" if usual else f" --home {shlex.quote(str(options.home.folder))}"


def _show_new_person(options: Common, item: JsonObject, *, is_new: bool) -> None:
    if options.as_json:
        print_object(item)
        return
    say(text_of(item, "key"))
    where = "in a new home at" if is_new else "in the home at"
    notice(f"{text_of(item, 'name')} lives {where} {options.home.folder}")
    notice("The master key is kept in this folder: who loses it loses the identity, so keep a backup.")
    notice("So is the server's own key, by which others know it: without it theirs is another server.")
    at = _at(options)
    notice(f"Next: `mosaic serve{at}` runs the node, `mosaic post TEXT{at}` says something.")


@click.command()
@common
def whoami(options: Common) -> None:
    """Show who acts when nobody is named with --as.

    \f
    Raises:
        UnknownPerson: nobody lives here, or nobody of that name.
    """
    for item in act(options.home, "people", {}):
        if options.person in {None, item["name"], item["key"]}:
            _show_person(options, item)
            return
    if options.person is None:
        raise UnknownPerson(
            "nobody lives in this home yet", hint="Make a person with `mosaic init --name NAME`."
        )
    raise UnknownPerson(f"nobody called {options.person!r} lives in this home")


def _show_person(options: Common, item: JsonObject) -> None:
    if options.as_json:
        print_object(item)
    else:
        say(f"{text_of(item, 'key')}  {text_of(item, 'name')}")


@click.command()
@click.argument("person", required=False)
@click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Change a field of your own profile."
)
@click.option("--unset", "removals", multiple=True, metavar="FIELD", help="Take a field out of it.")
@master_file_options
@common
def profile(
    options: Common,
    person: str | None,
    changes: tuple[str, ...],
    removals: tuple[str, ...],
    unlocking: MasterOptions,
) -> None:
    """Show somebody's profile, or change your own.

    Fields: name, display_name, about, website, lud16, org and bot (yes or no).

    \b
    Examples:
      mosaic profile
      mosaic profile mopub0…
      mosaic profile --set about="I bake bread." --set bot=no
    """
    fields: JsonObject = dict.fromkeys(removals)
    for change in changes:
        name, _, text = change.partition("=")
        fields[name] = text.lower() in {"yes", "true", "1"} if name in {"org", "bot"} else text
    arguments = options.arguments(person=person)
    if fields:
        arguments["set"] = fields
    for item in act_with_master(options, "profile", arguments, unlocking):
        if options.as_json:
            print_object(item)
        elif fields:
            say(text_of(item, "id"))
            for line in shown_deliveries(item):
                notice(line)
        else:
            for name, value in item.items():
                if value not in (None, 0, ""):
                    say(f"{name}: {text_of({name: value}, name)}")


@click.command()
@common
def where(options: Common) -> None:
    """Tell which folder is the home, and what is in it.

    \b
    HOME/log, HOME/index   records        HOME/private.db  keys (encrypted), follows, queue
    HOME/blobs             pictures …     HOME/unlock      what opens the keys, without a keyring
    """
    there = options.home.is_there
    if options.as_json:
        print_object({"home": str(options.home.folder), "exists": there, "default": str(default_folder())})
        return
    say(str(options.home.folder))
    if not there:
        notice("There is no home yet: `mosaic init --name NAME` makes one.")

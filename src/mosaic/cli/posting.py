"""Commands to write and to read posts: post, reply, edit, delete, record, feed, wall, thread, follow.

Source: microblog.md, reply_comment.md; this project's own design, docs/architecture.md "A person acts".
"""

from __future__ import annotations

import os
import sys

import click

from mosaic.cli.acting import act
from mosaic.cli.options import Common, common, server
from mosaic.cli.output import Exit, notice, print_object, say, shown_deliveries, shown_post, text_of
from mosaic.errors import UsageError
from mosaic.node.control import JsonObject


def _text(words: str) -> str:
    """A text from the command line; `-` reads it from stdin.

    Raises:
        UsageError: it is not UTF-8.
    """
    given = sys.stdin.buffer.read() if words == "-" else os.fsencode(words)
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise UsageError(
            "the text is not UTF-8",
            hint="Write it in UTF-8; `mosaic blob put` hands in files that are no text.",
        ) from None


def _content(text: str | None, payload: str | None) -> str | None:
    """The text of a record that may have a payload instead."""
    if text is None and payload is None:
        raise click.UsageError("Missing argument 'TEXT', or '--payload'.", click.get_current_context())
    return None if text is None else _text(text)


def _publish(options: Common, name: str, arguments: JsonObject) -> None:
    for item in act(options.home, name, arguments):
        if options.as_json:
            print_object(item)
        else:
            say(text_of(item, "address"))
            for line in shown_deliveries(item):
                notice(line)
            if item.get("advice"):
                notice(text_of(item, "advice"))
        if item.get("refused"):
            sys.exit(Exit.PARTLY)


_persona = click.option("--persona", metavar="LABEL", help="Speak as this persona of yours.")


@click.command()
@click.argument("text")
@_persona
@click.option("--blog", is_flag=True, help="A blog post, which stands alone, instead of a short one.")
@common
def post(options: Common, text: str, persona: str | None, *, blog: bool) -> None:
    """Say something. TEXT `-` reads it from stdin. Prints the post's reference.

    People written as @mopub0… are mentioned and told, web addresses become links.

    \b
    Examples:
      mosaic post "Good morning"
      fortune | mosaic post -

    \f
    Raises:
        UsageError: the text is not UTF-8.
    """
    kind = "blog" if blog else "post"
    _publish(options, "post", options.arguments(text=_text(text), kind=kind, persona=persona))


@click.command()
@click.argument("reference")
@click.argument("text")
@_persona
@server
@common
def reply(
    options: Common, reference: str, text: str, persona: str | None, server: str | None, key: str | None
) -> None:
    """Answer a post. REFERENCE is its moref0…, as `mosaic feed` shows it.

    --server and --key name where the post is, if it is not here.

    \f
    Raises:
        UsageError: the text is not UTF-8.
    """
    given = options.arguments(reference=reference, text=_text(text), persona=persona, server=server, key=key)
    _publish(options, "reply", given)


@click.command()
@click.argument("reference")
@click.argument("text", required=False)
@click.option("--payload", metavar="HEX", help="New content of a record that is not text.")
@_persona
@common
def edit(options: Common, reference: str, text: str | None, payload: str | None, persona: str | None) -> None:
    """Replace what stands at the address of a record of your own.

    A post keeps its place and shows that it was edited; its history stays.

    \f
    Raises:
        UsageError: the text is not UTF-8, or there is neither text nor payload.
    """
    given = _content(text, payload)
    arguments = options.arguments(reference=reference, text=given, payload=payload, persona=persona)
    _publish(options, "edit", arguments)


@click.command()
@click.argument("reference")
@common
def delete(options: Common, reference: str) -> None:
    """Take back a post or another record of your own, with all its versions.

    Servers that have it stop showing it; who has read it may have kept it.
    """
    _publish(options, "delete", options.arguments(reference=reference))


@click.command()
@click.argument("text", required=False)
@click.option("--kind", required=True, help="The kind: a short name, or 16 hexadecimal digits.")
@click.option("--payload", metavar="HEX", help="The content of a record that is not text.")
@click.option(
    "--at", "place", metavar="STRING", help="Make the address from this string (else from the time)."
)
@click.option("--tag", "tags", multiple=True, metavar="TYPE:HEX", help="A tag, as often as needed.")
@common
def record(
    options: Common,
    text: str | None,
    kind: str,
    payload: str | None,
    place: str | None,
    tags: tuple[str, ...],
) -> None:
    """Sign and publish a record of any kind.

    \b
    Example (a replaceable record of the application for examples):
      mosaic record --kind 000000630002001e --at notes "first" ; mosaic edit moref0… "second"

    \f
    Raises:
        UsageError: the text is not UTF-8, or there is neither text nor payload.
    """
    given = _content(text, payload)
    _publish(
        options,
        "record",
        options.arguments(text=given, kind=kind, payload=payload, at=place, tags=list(tags)),
    )


def _show_page(options: Common, name: str, arguments: JsonObject, nothing: str) -> None:
    shown = 0
    for item in act(options.home, name, arguments):
        if options.as_json:
            print_object(item)
        elif "next" in item:
            notice(f"Older: --before {text_of(item, 'next')}")
        else:
            say(shown_post(item))
        shown += 1
    if not shown and not options.as_json:
        notice(nothing)


@click.command()
@click.option("--limit", default=30, show_default=True, help="Posts on a page.")
@click.option("--before", metavar="moref0…", help="Go on before this one.")
@common
def feed(options: Common, limit: int, before: str | None) -> None:
    """Show what the people you follow and you yourself said, newest first."""
    nothing = "Nothing yet. `mosaic post TEXT` says something, `mosaic follow mopub0…` reads somebody."
    _show_page(options, "feed", options.arguments(limit=limit, before=before), nothing)


@click.command()
@click.argument("person", required=False)
@click.option("--limit", default=30, show_default=True, help="Posts on a page.")
@click.option("--before", metavar="moref0…", help="Go on before this one.")
@common
def wall(options: Common, person: str | None, limit: int, before: str | None) -> None:
    """Show what one person said, newest first; without PERSON, you yourself."""
    arguments = options.arguments(person=person, limit=limit, before=before)
    _show_page(options, "wall", arguments, "Nothing of this person is here.")


@click.command()
@click.argument("reference")
@common
def thread(options: Common, reference: str) -> None:
    """Show a post with all replies, oldest first."""
    _show_page(options, "thread", options.arguments(reference=reference), "This post is not here.")


@click.command()
@click.argument("person")
@click.option(
    "--persona",
    "personas",
    multiple=True,
    metavar="mopub0…",
    help="Of this person only what this persona says; may be repeated.",
)
@server
@common
def follow(
    options: Common, person: str, personas: tuple[str, ...], server: str | None, key: str | None
) -> None:
    """Read a person's posts from now on.

    PERSON is an invite link (mosaic:mopub0…) or a key: mopub0…, mosrv0… or
    without its prefix. Where they publish is looked up. If that is not known
    anywhere, --server and --key name it; this is remembered. Followed again
    without --persona, everything is read.

    \b
    Examples:
      mosaic follow mopub0…
      mosaic follow 'mosaic:mopub0…?follow&at=mosrv0…,mosaictcp://203.0.113.1:1320/'
      mosaic follow mopub0… --server mosaictcp://example.org/ --key mosrv0…
    """
    given = options.arguments(person=person, personas=list(personas), server=server, key=key)
    for item in act(options.home, "follow", given):
        if options.as_json:
            print_object(item)
            continue
        say(f"You follow {text_of(item, 'name') or text_of(item, 'key')}.")
        if not item.get("working"):
            notice("Their posts come when the node runs: `mosaic serve`.")
        else:
            notice(text_of(item, "state"))


@click.command()
@click.argument("person")
@common
def unfollow(options: Common, person: str) -> None:
    """Stop reading a person's posts."""
    for item in act(options.home, "unfollow", options.arguments(person=person)):
        if options.as_json:
            print_object(item)
        else:
            say("You don't follow them any more.")


@click.command()
@common
def following(options: Common) -> None:
    """List whom you follow, and how the connections to their servers do."""
    anybody = False
    for item in act(options.home, "following", options.arguments()):
        anybody = True
        if options.as_json:
            print_object(item)
            continue
        say(f"{text_of(item, 'key')}  {text_of(item, 'name')}")
        personas = item.get("personas")
        for persona in personas if isinstance(personas, list) else []:
            say(f"  only {persona}")
        say(f"  {text_of(item, 'state')}")
        old = item.get("old_posts")
        if isinstance(old, dict) and old.get("standing"):
            say(f"  {text_of(old, 'standing')}")
        outboxes = item.get("outboxes")
        for outbox in outboxes if isinstance(outboxes, list) else []:
            if isinstance(outbox, dict):
                urls = outbox.get("urls")
                where = urls[0] if isinstance(urls, list) and urls else outbox["server"]
                say(f"  {where}  {text_of(outbox, 'state')}")
    if not anybody and not options.as_json:
        notice("You follow nobody yet: `mosaic follow mopub0…` reads somebody.")

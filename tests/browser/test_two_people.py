"""Two people at two browsers on two nodes. They see text and have a keyboard."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Tab
from tests.browser.conftest import Browse, Serve
from tests.loopback.processes import objects, one

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def arrive(tab: Tab, address: str, name: str) -> str:
    """Somebody new gives a name; returns the key that the page tells to give to friends."""
    tab.open(address)
    tab.see("Give a name, and you exist")
    assert tab.led_to() == "textbox Your name"
    tab.type(name)
    tab.press("Enter")
    tab.see(f"Hello {name}")
    return next(word for word in tab.text.split() if word.startswith("mopub0"))


def write(tab: Tab, field: str, text: str) -> None:
    tab.tab_to(field)
    tab.type(text)
    tab.press("Enter", modifiers=2)


@pytest.mark.claim("C14", "C82", "C85")
def test_they_find_each_other_by_key_alone_and_talk(serve: Serve, browse: Browse, testnet: str) -> None:
    nodes = [serve("ana", dht=testnet), serve("bo", dht=testnet)]
    ana, bo = browse(), browse()
    ana_key = arrive(ana, nodes[0].page, "ana")
    bo_key = arrive(bo, nodes[1].page, "bo")
    assert ana_key != bo_key

    # Bo knows of Ana nothing but her key.
    ana.see("people are found by their key")
    bo.see("people are found by their key")
    bo.tab_to("textbox Follow someone by their key")
    bo.type(ana_key)
    bo.press("Enter")
    bo.see("connected to the server you read")
    bo.see("Unfollow")

    # Ana writes, Bo reads it without touching anything.
    bo.press("1")
    bo.see("What do you want to say?")
    write(ana, "textbox What do you want to say?", "Who wants bread?")
    ana.see("Who wants bread?")
    bo.see("Who wants bread?")
    bo.see("New post by ana: Who wants bread?")

    # Bo replies, Ana sees it, with Bo's name, on the page that she has open.
    bo.tab_to("link Reply to ana")
    bo.press("Enter")
    bo.see("Your reply to ana")
    assert bo.led_to() == "textbox Your reply to ana"
    bo.type("I do!")
    bo.press("Enter", modifiers=2)
    bo.see("In reply to ana")
    ana.tab_to("link Thread of " + moment(ana))
    ana.press("Enter")
    ana.see("Your reply to yourself")
    ana.see("I do!")
    ana.tab_to("link Feed")
    ana.press("Enter")
    ana.see("What do you want to say?")

    # She follows him back, and his next word comes live.
    ana.tab_to("link People")
    ana.press("Enter")
    ana.tab_to("textbox Follow someone by their key")
    ana.type(bo_key)
    ana.press("Enter")
    ana.see("Unfollow")
    ana.see("I do!")
    bo.press("Escape")
    write(bo, "textbox Your reply to ana", "With honey, please.")
    ana.see("With honey, please.")
    ana.see("connected to the server you read")

    # All of how it does is behind the line on top.
    ana.tab_to("DisclosureTriangle " + summary(ana))
    ana.press("Enter")
    ana.see("Servers you read")
    ana.see("connected over TCP")
    ana.see("Your addresses were last published at")

    for tab, node in ((ana, nodes[0]), (bo, nodes[1])):
        assert tab.hosts() == {node.line["web"].split("/")[2]}
        assert tab.complaints() == []


@pytest.mark.claim("C83")
def test_a_server_that_fails_is_told_and_found_where_it_went(
    serve: Serve, browse: Browse, testnet: str
) -> None:
    nodes = [serve("ana", dht=testnet), serve("bo", dht=testnet)]
    home = str(nodes[1].line["home"])
    bo_key = str(one("init", "--home", home, "--name", "bo")["key"])
    ana = browse()
    arrive(ana, nodes[0].page, "ana")
    ana.tab_to("textbox Follow someone by their key")
    ana.type(bo_key)
    ana.press("Enter")
    ana.see("connected to the server you read")
    assert nodes[1].stop() == 0
    ana.see("not connected to the server you read")
    # Again, at other ports: nobody tells Ana where.
    serve("bo", dht=testnet)
    objects("post", "We have moved", "--home", home)
    ana.see("We have moved")
    ana.miss("not connected")
    ana.see("connected to the server you read")
    assert ana.hosts() == {nodes[0].line["web"].split("/")[2]}


def moment(tab: Tab) -> str:
    """The time that stands beside the first post, as it is shown."""
    return str(tab.run("() => document.querySelector('.post time').textContent"))


def summary(tab: Tab) -> str:
    """What the line on top says."""
    node = tab.call("Runtime.evaluate", expression="document.querySelector('#standing summary')")["result"]
    tree = tab.call("Accessibility.getPartialAXTree", objectId=node["objectId"], fetchRelatives=False)
    return str(tree["nodes"][0]["name"]["value"])

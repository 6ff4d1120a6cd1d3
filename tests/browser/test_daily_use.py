"""What makes the page one for every day: keys, errors in words, drafts, a node that goes and comes back."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Tab
from tests.browser.conftest import Browse, Serve, Serving
from tests.browser.test_two_people import arrive, write
from tests.loopback.processes import objects

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def node(serve: Serve) -> Serving:
    return serve("ana")


@pytest.fixture
def ana(node: Serving, browse: Browse) -> Tab:
    tab = browse()
    arrive(tab, node.page, "ana")
    return tab


def test_what_went_wrong_is_told_beside_the_field_with_what_was_typed(node: Serving, ana: Tab) -> None:
    ana.tab_to("textbox Follow someone by their key")
    ana.type("mopub0nonsense")
    ana.press("Enter")
    ana.see("52 characters")
    assert ana.led_to() == "textbox Follow someone by their key"
    assert ana.run("() => document.activeElement.value") == "mopub0nonsense"
    told = ana.run(
        "() => document.getElementById(document.activeElement.getAttribute('aria-describedby').split(' ')[0])"
        ".innerText"
    )
    assert "52 characters" in told
    # The page stays live under its own address.
    objects("post", "from elsewhere", "--home", node.line["home"])
    ana.see("from elsewhere")
    assert ana.run("() => document.activeElement.value") == "mopub0nonsense"


def test_the_keyboard_alone_is_enough(ana: Tab) -> None:
    for text in ("apples", "pears", "plums"):
        write(ana, "textbox What do you want to say?", text)
        ana.see(text)
    # Who has posted stands at the post.
    assert "plums" in ana.run("() => document.activeElement.innerText")
    ana.press("?")
    ana.see("next and previous post")
    ana.press("Escape")
    ana.miss("next and previous post")
    for key, text in (("j", "pears"), ("j", "apples"), ("j", "apples"), ("k", "pears")):
        ana.press(key)
        assert text in ana.run("() => document.activeElement.innerText")
    ana.press("r")
    ana.see("Your reply to yourself")
    assert ana.led_to() == "textbox Your reply to yourself"
    # While somebody writes, letters are letters.
    for key in ("j", "1", "?"):
        ana.press(key)
    assert ana.run("() => document.activeElement.value") == "j1?"
    ana.tab_to("button Reply")
    ana.press("3")
    ana.see("Give it to your friends")
    ana.press("2")
    ana.see("This is you")
    ana.press("1")
    ana.see("Hello ana")
    ana.press("c")
    assert ana.led_to() == "textbox What do you want to say?"


def test_keys_of_one_letter_can_be_switched_off(ana: Tab) -> None:
    ana.press("?")
    ana.see("Keys of one letter")
    ana.tab_to("checkbox Keys of one letter do something (not while you write)")
    ana.press("Space")
    ana.press("Escape")
    ana.miss("Keys of one letter")
    ana.press("3")
    ana.press("?")
    ana.see("Keys of one letter")
    assert "/feed" in ana.address


def test_new_posts_leave_the_reader_and_the_writer_alone(node: Serving, ana: Tab) -> None:
    home = node.line["home"]
    objects("post", "before", "--home", home)
    ana.see("before")
    ana.tab_to("textbox What do you want to say?")
    ana.type("half a thou")
    objects("post", "meanwhile", "--home", home)
    ana.see("meanwhile")
    assert ana.focused() == "textbox What do you want to say?"
    ana.type("ght")
    assert ana.run("() => document.activeElement.value") == "half a thought"
    # And a draft survives a look elsewhere.
    ana.tab_to("link People")
    ana.press("Enter")
    ana.see("Give it to your friends")
    ana.press("1")
    ana.see("meanwhile")
    assert ana.run("() => document.getElementById('text').value") == "half a thought"


def test_a_node_that_goes_is_missed_and_found_again(serve: Serve, node: Serving, ana: Tab) -> None:
    assert node.stop() == 0
    ana.see("Your node does not answer")
    again = serve("ana", web=node.line["web"].split("/")[2])
    objects("post", "back again", "--home", again.line["home"])
    ana.see("back again")
    ana.miss("Your node does not answer")


def test_it_works_without_scripts_after_a_reload(node: Serving, ana: Tab) -> None:
    ana.call("Emulation.setScriptExecutionDisabled", value=True)
    page = node.line["web"].partition("?")[0]
    with ana.arriving():
        ana.call("Page.navigate", url=page + "feed")
    assert "Copy" not in ana.text
    write_by_button(ana, "without scripts")
    assert "without scripts" in ana.text
    with ana.arriving():
        ana.call("Page.navigate", url=page + "help")
    assert "next and previous post" in ana.text


def write_by_button(tab: Tab, text: str) -> None:
    tab.tab_to("textbox What do you want to say?")
    tab.type(text)
    tab.tab_to("button Post")
    with tab.arriving():
        tab.press("Enter")


def test_every_page_has_its_landmarks_and_names(node: Serving, ana: Tab) -> None:
    write(ana, "textbox What do you want to say?", "hello")
    ana.see("Reply")
    page = node.line["web"].partition("?")[0]
    thread = ana.run("() => document.querySelector('.at').getAttribute('href')")
    for path in ("feed", "wall", "people", "help", thread[1:]):
        ana.open(page + path)
        nodes = ana.call("Accessibility.getFullAXTree")["nodes"]
        told = [
            (one["role"]["value"], one.get("name", {}).get("value", ""))
            for one in nodes
            if not one["ignored"]
        ]
        roles = [role for role, _ in told]
        assert roles.count("main") == 1
        assert roles.count("banner") == 1
        assert ("navigation", "Pages") in told
        assert [
            role for role, name in told if not name and role in {"link", "button", "textbox", "article"}
        ] == []
        levels = ana.run(
            "() => [...document.querySelectorAll('main :is(h1, h2, h3)')].map((one) => one.localName)"
        )
        assert levels.count("h1") == 1
        assert levels[0] == "h1"
        ana.press("Tab")
        assert ana.focused() == "link Skip to the content"


@pytest.mark.parametrize("width", [320, 390, 1100])
def test_no_page_is_wider_than_the_screen(node: Serving, ana: Tab, width: int) -> None:
    write(ana, "textbox What do you want to say?", "w" * 300 + " https://example.org/" + "x" * 300)
    ana.see("Reply")
    ana.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    page = node.line["web"].partition("?")[0]
    for path in ("feed", "wall", "people", "help"):
        ana.open(page + path)
        ana.run("() => document.getElementById('standing').open = true")
        assert ana.run("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(node: Serving, ana: Tab, scheme: str) -> None:
    """WCAG AA: 4.5 to 1, for every text of every page, by the colours that the browser computed."""
    write(ana, "textbox What do you want to say?", "hello https://example.org/")
    ana.see("Reply")
    ana.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page = node.line["web"].partition("?")[0]
    for path in ("feed", "wall", "people", "help"):
        ana.open(page + path)
        assert ana.run(_PALE) == []


_PALE = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const shine = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const pale = [];
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.checkVisibility() || one.closest("script, .unseen")) continue;
    const [a, b] = [shine(rgb(getComputedStyle(one).color)), shine(behind(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(walker.currentNode.data.trim());
  }
  return pale;
}"""

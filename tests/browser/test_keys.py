"""Keys & devices in a browser: pairing two nodes, naming and revoking a device, the sheet."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Tab
from tests.browser.conftest import Browse, Serve
from tests.browser.test_two_people import arrive, write
from tests.loopback.processes import one

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.claim("C2")
def test_a_device_is_paired_named_and_revoked_by_hand(serve: Serve, browse: Browse) -> None:
    laptop, phone = serve("laptop"), serve("phone")
    ana, other = browse(), browse()
    arrive(ana, laptop.page, "ana")
    write(ana, "textbox What do you want to say?", "from the laptop")
    ana.see("from the laptop")

    ana.tab_to("link Keys")
    ana.press("Enter")
    ana.see("Your devices")
    ana.tab_to("DisclosureTriangle Pair a new device")
    ana.press("Enter")
    ana.tab_to("button Show a code for it")
    with ana.arriving():
        ana.press("Enter")
    ana.see("show it to nobody else")
    code = next(word for word in ana.text.split() if word.startswith("mosaic:"))
    assert "pair=" in code
    assert ana.run("() => document.querySelectorAll('#pairing svg').length") == 1

    other.open(phone.page)
    other.see("Give a name, and you exist")
    other.tab_to("DisclosureTriangle Join from another device of yours")
    other.press("Enter")
    other.tab_to("textbox The code")
    other.type(code)
    other.tab_to("textbox What you call this machine")
    other.type("phone")
    with other.arriving():
        other.press("Enter")
    other.see("Compare the digits")
    ana.see("Compare the digits")
    digits = [tab.run("() => document.querySelector('.digits').textContent") for tab in (ana, other)]
    assert digits[0] == digits[1]
    for tab in (other, ana):
        tab.tab_to("button They are the same")
        tab.press("Enter")
    ana.see("Ready: phone")
    other.see("from the laptop")

    # She calls it otherwise, and then it is lost.
    ana.tab_to("DisclosureTriangle Change phone")
    ana.press("Enter")
    ana.tab_to("textbox What you call it here")
    ana.type("old ")
    with ana.arriving():
        ana.press("Enter")
    ana.see("It is called so on this machine")
    name = ana.run(
        "() => [...document.querySelectorAll('#keys-device h3')].map((one) => one.textContent).at(-1)"
    )
    assert "old" in name
    ana.tab_to(f"DisclosureTriangle Change {name}")
    ana.press("Enter")
    select = "combobox Since when is it not yours any more?"
    while not ana.focused().startswith(select):
        ana.press("Tab")
    ana.run("() => { document.activeElement.value = '0s'; }")
    ana.tab_to("checkbox I have understood that nobody can take this back")
    ana.press("Space")
    ana.tab_to(f"button Revoke {name}")
    with ana.arriving():
        ana.press("Enter")
    ana.see("The key is revoked.")
    ana.see("revoked since")
    listed = one("key", "list", "--home", laptop.line["home"])["keys"]
    assert [each["state"] for each in listed if each["label"] == name] == ["revoked since"]
    for tab, node in ((ana, laptop), (other, phone)):
        assert tab.hosts() == {node.line["web"].split("/")[2]}
        assert tab.complaints() == []


@pytest.mark.claim("C13")
def test_after_the_first_post_a_sheet_is_asked_for_and_made(serve: Serve, browse: Browse) -> None:
    node, ana = serve("ana"), browse()
    arrive(ana, node.page, "ana")
    assert "Make a recovery sheet" not in ana.text
    write(ana, "textbox What do you want to say?", "first words")
    ana.see("first words")
    ana.see("if the machine is lost, so is your name")
    ana.tab_to("link Make a recovery sheet")
    ana.press("Enter")
    ana.see("Password of the sheet")
    _type(ana, "Password of the sheet", "plum tree river nine")
    _type(ana, "The same once more", "plum tree river nine")
    with ana.arriving():
        ana.press("Enter")
    ana.see("MOSAIC RECOVERY SHEET")
    assert "mocryptsec0" in ana.text
    # On paper there is the sheet and nothing else.
    ana.call("Emulation.setEmulatedMedia", media="print")
    printed = ana.text
    assert printed.lstrip().startswith("MOSAIC RECOVERY SHEET")
    assert "Print this now" not in printed
    ana.call("Emulation.setEmulatedMedia", media="")
    ana.tab_to("link I have printed it")
    ana.press("Enter")
    ana.see("What do you want to say?")
    assert "so is your name" not in ana.text
    assert ana.complaints() == []


@pytest.mark.claim("C13")
def test_who_puts_the_sheet_off_is_left_alone(serve: Serve, browse: Browse) -> None:
    node, ana = serve("ana"), browse()
    arrive(ana, node.page, "ana")
    write(ana, "textbox What do you want to say?", "first words")
    ana.see("if the machine is lost, so is your name")
    ana.tab_to("button Ask me in a month")
    with ana.arriving():
        ana.press("Enter")
    ana.see("first words")
    assert "so is your name" not in ana.text


def _type(tab: Tab, field: str, text: str) -> None:
    tab.tab_to(f"textbox {field}")
    tab.type(text)

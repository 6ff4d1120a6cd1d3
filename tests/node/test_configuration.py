"""Settings come from five places; what is wrong is named with its line and the name that was meant."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.errors import SettingsInvalid, UsageError
from mosaic.node import configuration, presets, setting_values, settings_text
from mosaic.node.configuration import SERVING, load
from mosaic.node.host_port import NOWHERE, HostPort
from mosaic.node.setting_entries import entries
from mosaic.node.settings import NodeSettings
from mosaic.node.toml_text import lines_of
from mosaic.web.settings import WebSettings

MORE = {"page": WebSettings()}


def file(folder: Path, text: str) -> Path:
    path = folder / "mosaic.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(path: Path | None, **places: object) -> str:
    with pytest.raises(SettingsInvalid) as raised:
        load(path, more=MORE, **places)  # type: ignore[arg-type]
    return str(raised.value)


def test_nothing_said_is_the_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path / "mosaic.toml", more=MORE)
    assert loaded.settings == NodeSettings()
    assert loaded.more == MORE
    assert set(loaded.origin.values()) == {"default"}


def test_what_is_said_more_closely_counts(tmp_path: Path) -> None:
    path = file(tmp_path, 'preset = "public"\n[server]\nconnections = 2\nqueries_per_link = 2\nlookups = 2\n')
    env = {"MOSAIC__SERVER__QUERIES_PER_LINK": "3", "MOSAIC__SERVER__LOOKUPS": "3", "HOME": "/"}
    loaded = load(path, env=env, given={"server.lookups": 4}, defaults=SERVING, more=MORE)
    server = loaded.settings.server
    assert (server.connections, server.queries_per_link, server.lookups) == (2, 3, 4)
    assert server.connections_per_address != NodeSettings().server.connections_per_address
    names = ("connections_per_address", "connections", "queries_per_link", "lookups", "drain")
    assert [loaded.origin[f"server.{name}"] for name in names] == [
        "preset public",
        str(path),
        "MOSAIC__SERVER__QUERIES_PER_LINK",
        "command line",
        "default",
    ]


def test_a_preset_is_named_by_option_before_variable_before_file(tmp_path: Path) -> None:
    path = file(tmp_path, 'preset = "family"')
    env = {"MOSAIC__PRESET": "archive"}
    assert load(path).preset == "family"
    assert load(path, env=env).preset == "archive"
    assert load(path, env=env, preset="personal").preset == "personal"


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_right_and_says_something(name: str) -> None:
    assert name in load(None, preset=name, more=MORE).origin.get("serves.who", "")


def test_all_faults_are_told_at_once_each_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        """
# a comment with = and [x]
[server]
conections = 5
drain = "5 parsecs"
[sever]
x = 1
[listen]
tcp = [
  "a",   # ]
]
drain = 3
public = ["nonsense"]
[[listen.name]]
name = "x"
[[listen.name]]
name = "y"
certificate = "c"
key = "k"
keys = "k"
[roles]
inbox_readers = "all"
[page]
streams = 5000000000000000000000
""",
    )
    told = faults(path, env={"MOSAIC__SERVER__DRIAN": "1"})
    for line in (
        "line 4, [server]: there is no `conections`; did you mean `connections`?",
        "line 5, [server]: `drain` has to be a duration",
        "line 6, [sever]: there is no section [sever]; did you mean `server`?",
        "line 9, [listen]: `tcp` has to be a text: \"…\", not ['a']",
        "line 12, [listen]: there is no `drain` here; it is `server.drain`",
        "line 13, [listen]: `public` does not fit:",
        "line 14, [listen]: `certificate` and `key` must be given",
        "line 20, [listen.name[2]]: there is no `keys`; did you mean `key`?",
        'line 22, [roles]: `inbox_readers` has to be one of "everybody", "recipient", not \'all\'',
        "line 24, [page]: `streams` has to be a whole number",
        "MOSAIC__SERVER__DRIAN: there is no such setting; did you mean `MOSAIC__SERVER__DRAIN`?",
    ):
        assert line in told
    assert told.startswith("11 settings are wrong")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server\n", "line 1: this is no TOML"),
        ("x = 1\nx = 2\n", "line 2: this is no TOML"),
        ("server = 3\n", "line 1: there is no `server`"),
        ('preset = "publik"', "did you mean `public`?"),
        ("preset = 3", "there is no preset 3"),
        ("[server]\nconnections = -1", "`connections` has to be 0 or more, not -1"),
        ("[server]\nconnections = true", "has to be a whole number, not True"),
        ("[server.connections]\nx = 1", "has to be a whole number"),
        ("[metrics]\nleast_free_percent = 101", "has to be from 0 to 100"),
        ('[listen]\nname = "x"', "`listen.name` is a list of tables: [[listen.name]]"),
        ('[listen]\nws = "off"\nws_plain = true', "need an address for WebSockets"),
        ("[roles]\noutbox=false\ninbox=false\nencryption=false", "without any role takes nothing"),
        ('[serves]\nwho = "hook"', "belong together"),
        ('[client]\nproxy = "socks5://h:1"\n[dht]\nmode = "mainline"', "the DHT would go past it"),
        ('[server]\nproxies = ["nonsense"]', "'nonsense' is neither an address nor a network"),
        ('[server]\nauthorities = ["no name"]', "`authorities` in [server]: "),
    ],
)
def test_what_does_not_hold_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in faults(file(tmp_path, text))


def test_what_the_command_line_says_wrongly_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="on the command line, `tcp` does not fit"):
        load(None, given={"listen.tcp": "nonsense"})
    with pytest.raises(UsageError, match="the DHT would go past it"):
        load(None, given={"client.proxy": "socks5://h:1", "dht.mode": "mainline"})


def test_without_a_word_about_the_dht_a_proxy_for_all_turns_it_off() -> None:
    env = {"MOSAIC_PROXY": "socks5://me:secret@127.0.0.1:9050"}
    assert load(None, defaults=SERVING).settings.dht.on
    assert not load(None, defaults=SERVING, env=env).settings.dht.on


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    path = file(tmp_path, '[client]\nproxy = "socks5://me:hush@127.0.0.1:1"\n')
    loaded = load(path, more=MORE, defaults=SERVING)
    assert loaded.settings.client.proxy == "socks5://me:hush@127.0.0.1:1"
    for text in (settings_text.text(loaded, explained=True), repr(loaded), str(loaded)):
        assert "hush" not in text
    assert "chmod 600" in loaded.warnings[0]
    path.chmod(0o600)
    assert load(path).warnings == ()
    assert "hush" not in faults(file(tmp_path, '[client]\nproxy = ["hush"]'))


@pytest.mark.parametrize(
    "text",
    [
        "{} = 1",
        "[{}]",
        "x = {{ y = 1, {} = 1 }}",
        "[[ {} ]]",
    ],
)
def test_a_name_of_very_many_parts_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def read(_text: str) -> None:
        raise AssertionError

    monkeypatch.setattr(tomllib, "loads", read)
    for parts in (".".join("a" * 50_000), " . ".join(['"b.b"'] * 17), "'c'.-c." * 20 + "c"):
        told = faults(file(tmp_path, f"# {parts}\n{text.format(parts)}"))
        assert "line 2: this name has more parts" in told


def test_what_only_looks_like_a_long_name_is_read(tmp_path: Path) -> None:
    dots = "." * 100 + ".".join("a" * 100)
    text = f'# {dots}\n[operator]\nname = "{dots}"\nterms = \'{dots}\'\ncontact = """\\"""{dots}"""\n'
    operator = load(file(tmp_path, text)).settings.operator
    assert (operator.name, operator.terms, operator.contact) == (dots, dots, f'"""{dots}')


def test_very_many_faults_are_told_in_short(tmp_path: Path) -> None:
    told = faults(file(tmp_path, "".join(f"nothing_{number}{'x' * 200} = 1\n" for number in range(1_000))))
    assert told.startswith("more than 20 settings are wrong")
    assert len(told.splitlines()) == 21
    assert len(told) < 5_000
    told = faults(file(tmp_path, "[[mirror]]\nx = 1\n" * 10_000))
    assert told.startswith("more than 20 settings are wrong")
    long = faults(file(tmp_path, f'[listen]\nws = "{"x" * 100_000}"\n"{"y." * 50_000}" = 1\n'))
    assert len(long) < 1_000


EVERYONE = '[serves]\nwho = "everyone"\n'
BACKUP = '[backup]\nfolder = "x"\nplain = true\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[metrics]\naddress = "0.0.0.0:1"', "can read the node's numbers"),
        ('[metrics]\naddress = "10.0.0.1:1"', ""),
        ('[metrics]\naddress = "8.8.8.8:1"', "can read the node's numbers"),
        ('[metrics]\naddress = "[::1]:1"', ""),
        (f'{EVERYONE}[operator]\npage = "[::1]:1"\n{BACKUP}', "[operator] contact"),
        (f'{EVERYONE}[operator]\ncontact = "x"\npage = "[::1]:1"', "[backup] folder"),
        (f'{EVERYONE}[operator]\ncontact = "x"\n{BACKUP}', "[operator] page"),
        (f'{EVERYONE}[operator]\ncontact = "x"\npage = "[::1]:1"\n{BACKUP}', ""),
        (f'{EVERYONE}[operator]\ncontact = "x"\n{BACKUP}[server]\nservice_url = "https://x.example/"', ""),
        ("[limits.stranger]\nwork_bits = 25", "more than this program does"),
        ("[limits.anonymous]\nwork_bits = 60", "more than this program does"),
        ("[roles]\ninbox = false\nwithhold = true", "withhold has no effect"),
        ("[listen]\nws_plain = true", "without TLS are taken from everybody"),
        ('[listen]\nws = "127.0.0.1:1"\nws_plain = true', ""),
        ('[server]\nproxies = ["0.0.0.0/0"]', "whoever connects from 0.0.0.0/0 is believed"),
        ('[server]\nproxies = ["10.0.0.7", "::/0"]', "whoever connects from ::/0 is believed"),
        ('[server]\nproxies = ["::ffff:0:0/96"]', "whoever connects from 0.0.0.0/0 is believed"),
        ('[server]\nproxies = ["11.0.0.0/8"]', "is believed"),
        (
            '[server]\nproxies = ["10.0.0.0/8", "fd00::/8", "203.0.113.0/24", "2001:db8::/32", "1.0.0.0/13"]',
            "",
        ),
        ("", ""),
    ],
)
def test_what_is_probably_not_meant_is_said(tmp_path: Path, text: str, told: str) -> None:
    warnings = load(file(tmp_path, text)).warnings
    assert (len(warnings), told in "".join(warnings)) == (1 if told else 0, True)


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    assert "can't be read" in faults(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert "not UTF-8" in faults(tmp_path / "bytes")
    assert "longer than" in faults(file(tmp_path, "#" * 262_145))
    assert "longer than" in faults(file(tmp_path, "ä" * 131_073))
    assert "this is no TOML" in faults(file(tmp_path, "x = " + "[" * 100_000))
    assert "this is no TOML" in faults(file(tmp_path, "x = " + "9" * 5_000))


@pytest.mark.parametrize("name", presets.names())
def test_the_effective_text_sets_the_same(tmp_path: Path, name: str) -> None:
    text = '[[listen.name]]\nname = "a.example"\ncertificate = "c"\nkey = "k"\n[listen]\nws = "[::1]:0"\n'
    before = load(file(tmp_path, text), preset=name, more=MORE, defaults=SERVING)
    shown = settings_text.text(before, explained=True)
    after = load(file(tmp_path, shown), more=MORE)
    assert after.values == before.values
    assert after.settings == before.settings
    assert after.preset == name
    unsaid = [path for path, origin in after.origin.items() if origin == "default"]
    # A list of tables that is empty has no place in a file.
    assert all(before.entries[path].tables is not None and not before.values[path] for path in unsaid)


def test_every_setting_has_its_line_of_help_and_a_default_that_can_be_written() -> None:
    for entry in entries(NodeSettings()).values():
        assert entry.help, entry.path
        shown = settings_text.shown(entry, entry.default)
        if entry.tables is None and not entry.secret:
            assert setting_values.read(shown, entry.kind, entry.unit) == entry.default, entry.path


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        ("1h 30m", 5_400_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("250 ms", 250_000_000),
        (2, 2 * 10**9),
        (0.5, 500_000_000),
        ("7d", 604_800 * 10**9),
        ("2w", 2 * 604_800 * 10**9),
        ("0s", 0),
    ],
)
def test_durations(value: object, ns: int) -> None:
    assert setting_values.duration_ns(value) == ns


@pytest.mark.parametrize(
    "value",
    ["", "5", "h", "5 parsecs", "-1s", -1, True, None, [], "1e9s", 10**30, "9" * 30 + "s", float("nan")],
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="has to be a duration"):
        setting_values.duration_ns(value)


@given(st.integers(0, 2**62))
def test_durations_and_sizes_are_read_as_they_were_written(number: int) -> None:
    assert abs(setting_values.duration_ns(setting_values.duration_text(number)) - number) <= number >> 50
    assert abs(setting_values.size(setting_values.size_text(number)) - number) <= number >> 50


@pytest.mark.parametrize(
    ("value", "length"), [("64 KiB", 65_536), ("64kib", 65_536), ("10 MB", 10**7), (5, 5), ("5 B", 5)]
)
def test_sizes(value: object, length: int) -> None:
    assert setting_values.size(value) == length


@pytest.mark.parametrize("value", ["", "64", "KiB", -1, 1.5, True, "1 XB"])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="has to be a size"):
        setting_values.size(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:1", HostPort("127.0.0.1", 1)),
        ("[::1]:65535", HostPort("::1", 65_535)),
        ("localhost:0", HostPort("localhost", 0)),
        ("off", NOWHERE),
        ("", NOWHERE),
    ],
)
def test_where_to_listen(text: str, found: HostPort) -> None:
    assert HostPort.parse(text) == found
    assert HostPort.parse(str(found)) == found


@pytest.mark.parametrize("text", ["1320", ":1", "h:", "h:x", "::1:5", "[::1]", "h:65536", "h:-1", "h:²"])
def test_what_is_nowhere_to_listen(text: str) -> None:
    with pytest.raises(UsageError):
        HostPort.parse(text)


_KEYS = st.text("abc-_0", min_size=1, max_size=4)
_VALUES = st.one_of(
    st.sampled_from(["1", "true", '"a # [ = \\" b"', "'it = [x]'", '"""\na = 1\n[b]\n"""', "'''\n[c]\n'''"]),
    st.sampled_from(["[\n1, # ]\n 2,\n]", "{ a = 1, b = [1] }", "[[1], [2]]", "1979-05-27T07:32:00Z"]),
)


@given(st.lists(st.tuples(_KEYS, st.lists(st.tuples(_KEYS, _VALUES), max_size=4)), max_size=5))
def test_names_are_found_on_their_lines(tables: list[tuple[str, list[tuple[str, str]]]]) -> None:
    text, expected = "", {}
    for name, pairs in dict(tables).items():
        expected[name] = text.count("\n") + 1
        text += f"[{name}]  # of [that]\n"
        for key, value in dict(pairs).items():
            expected[f"{name}.{key}"] = text.count("\n") + 1
            text += f"  {key} = {value} # comment = [\n\n"
    tomllib.loads(text)
    assert lines_of(text) == expected


def test_lists_of_tables_and_quoted_names_are_found_too() -> None:
    text = '"a b".c = 1\n[[m]]\nx=1\n[[ m ]]\nx=2\n[m."q]"]\ny = 3\n'
    found = lines_of(text)
    assert found["a b.c"] == 1
    assert (found["m[1].x"], found["m[2]"], found["m[2].x"]) == (3, 4, 5)
    assert found["m.q].y"] == 7


def test_the_known_places_of_a_command_are_settings() -> None:
    known = entries(NodeSettings())
    assert set(configuration.SERVING) <= set(known)

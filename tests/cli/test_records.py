from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.core.makers import MASTER, NOW, plain, post

from mosaic.core import record_json
from mosaic.core.record import Record
from mosaic.node.shapes import record_text

RECORDS = [plain(), post(timestamp=NOW + 1, payload=b""), post(timestamp=NOW + 2, payload="grüße".encode())]
BINARY = b"".join(record.data for record in RECORDS)
JSON = "\n".join(record_json.to_text(record) for record in RECORDS).encode()
PRETTY = "\n".join(record_json.to_text(record, pretty=True) for record in RECORDS).encode()
WORDS = "\n".join(record_text(record) for record in RECORDS).encode()


@pytest.mark.claim("C32")
@pytest.mark.parametrize("form", [BINARY, JSON, PRETTY, WORDS, b"  \n" + JSON + b"\n"])
def test_every_form_is_read_and_turned_into_the_others(mosaic: Run, form: bytes) -> None:
    assert mosaic("encode", "-", stdin=form).raw == BINARY
    assert mosaic("encode", "--to", "text", "-", stdin=form).out.encode() == WORDS + b"\n"
    decoded = mosaic("decode", "-", stdin=form)
    assert [record_json.from_json(line) for line in decoded.out.splitlines()] == RECORDS


def test_files_are_read_like_stdin(mosaic: Run, tmp_path: Path) -> None:
    (tmp_path / "records").write_bytes(BINARY)
    assert mosaic("encode", tmp_path / "records").raw == BINARY


def test_verify_tells_which_are_valid(mosaic: Run) -> None:
    assert mosaic("verify", "-", stdin=BINARY).code == 0
    forged = bytearray(BINARY)
    forged[len(RECORDS[0]) + 20] ^= 1
    done = mosaic("verify", "-", "--json", stdin=bytes(forged))
    assert done.code == 1
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["valid"] for line in lines] == [True, False, True]
    assert lines[1]["code"] == "record_hash"


@pytest.mark.parametrize("data", [b"", b"x", BINARY[:-1], b"{", b"{}", b"morecord0yy", b"\xff" * 300, b"[1]"])
def test_what_is_no_record_is_refused(mosaic: Run, data: bytes) -> None:
    assert mosaic("verify", "-", stdin=data).code == 1
    assert mosaic("encode", "-", stdin=data).code in {1, 2}


@pytest.mark.claim("C12")
def test_human_encodings_are_decoded_and_encoded(mosaic: Run) -> None:
    key = MASTER.public
    item = mosaic("decode", key.user_text).objects[0]
    assert item == {"hex": key.bytes.hex(), "user": key.user_text, "server": key.server_text}
    assert mosaic("encode", "--to", "server", key.bytes.hex()).out.strip() == key.server_text
    reference = RECORDS[0].address
    assert mosaic("decode", reference.text).objects[0]["author"] == key.user_text
    assert mosaic("decode", RECORDS[0].id.text).objects[0]["time"] == str(RECORDS[0].timestamp.ns)
    assert mosaic("encode", "--to", "reference", reference.bytes.hex()).out.strip() == reference.text


@pytest.mark.claim("C11")
def test_secrets_are_not_shown(mosaic: Run) -> None:
    done = mosaic("decode", MASTER.text)
    assert done.code != 0
    assert MASTER.text not in done.out + done.err
    assert MASTER.reveal().hex() not in done.out + done.err


@pytest.mark.claim("C45")
def test_submit_answers_for_each_record(mosaic: Run, tmp_path: Path) -> None:
    mosaic("init", "--name", "anna")
    mosaic("post", "mine")
    mine = mosaic("query", "--kind", "post", "--records").out.encode()
    done = mosaic("submit", "-", "--json", stdin=mine)
    assert [item["result"] for item in done.objects] == ["DUPLICATE"]
    strangers = [post(timestamp=NOW - 10**17 - number) for number in range(3)]
    nobodys = mosaic("submit", "-", "--json", stdin=b"".join(record.data for record in strangers))
    assert nobodys.code == 1
    assert {json.loads(line)["result"] for line in nobodys.out.splitlines()} == {"UNAUTHORIZED"}
    both = mosaic("submit", "-", stdin=mine + record_text(strangers[0]).encode())
    assert both.code == 5
    assert "Servers take what their own people write" in both.err
    invalid = mosaic("submit", "-", "--json", stdin=BINARY[:-1] + b"\0")
    assert (invalid.code, invalid.error["code"]) == (1, "record_signature")


@pytest.mark.claim("C44")
def test_get_by_id_and_address(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    address = mosaic("post", "one").out.strip()
    (item,) = mosaic("get", address, "--json").objects
    assert mosaic("get", item["id"], "--json").objects == [item]
    assert "one" in mosaic("get", address).out
    whole = mosaic("get", address, "--records").out.strip()
    assert Record(mosaic("encode", "-", stdin=whole.encode()).raw).id.text == item["id"]


def test_get_of_nothing_is_refused(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    done = mosaic("get", RECORDS[0].id.text, "--json")
    assert (done.code, done.error["code"]) == (1, "refused")


@pytest.mark.claim("C40")
def test_queries_by_every_element(mosaic: Run) -> None:
    mosaic("init", "--name", "anna")
    (me,) = mosaic("whoami", "--json").objects
    (item,) = (mosaic("post", "one", "--json").objects,)
    first = item[0]
    second = mosaic("post", "two", "--json").objects[0]

    def texts(*options: str) -> list[str]:
        return [one["text"] for one in mosaic("query", "--kind", "post", *options, "--json").objects]

    assert texts() == ["two", "one"]
    assert texts("--author", me["key"], "--signer", me["device"]) == ["two", "one"]
    assert texts("--limit", "1") == ["two"]
    assert texts("--until", first["time"]) == ["one"]
    assert texts("--since", second["time_iso"]) == ["two"]
    assert texts("--since", "1h") == ["two", "one"]
    assert texts("--at-time", first["time"]) == ["one"]
    assert texts("--exclude", second["id"]) == ["one"]
    assert texts("--received-until", first["time"]) == []
    assert texts("--received-since", first["time"]) == ["two", "one"]
    assert texts("--tag", "0x4d00:00") == []
    assert texts("--without-tag", "0x4d00:00") == ["two", "one"]


@pytest.mark.claim("C45")
def test_a_file_that_is_not_there_is_wrong_usage(mosaic: Run, tmp_path: Path) -> None:
    done = mosaic("blob", "put", tmp_path / "nothing")
    assert done.code == 2
    assert "no file" in done.err


def test_blobs_are_put_and_got(mosaic: Run, tmp_path: Path) -> None:
    mosaic("init", "--name", "anna")
    blob = bytes(range(256)) * 1_000
    (tmp_path / "blob").write_bytes(blob)
    name = mosaic("blob", "put", tmp_path / "blob").out.strip()
    assert mosaic("blob", "put", "-", "--json", stdin=blob).objects[0]["hash"] == name
    assert mosaic("blob", "get", name, tmp_path / "copy").code == 0
    assert (tmp_path / "copy").read_bytes() == blob
    assert mosaic("blob", "get", name, "-").raw == blob
    missing = mosaic("blob", "get", "00" * 32, tmp_path / "missing", "--json")
    assert (missing.code, missing.error["code"]) == (1, "refused")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blob", "copy", "home"]

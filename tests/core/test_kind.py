from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import kinds
from mosaic.core.kind import Duplicates, Kind, Readers
from mosaic.errors import InvalidKind


@pytest.mark.claim("C27")
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.sampled_from(Duplicates),
    st.sampled_from(Readers),
    st.booleans(),
)
def test_a_kind_is_its_parts(
    application: int, number: int, duplicates: Duplicates, readers: Readers, printable: bool
) -> None:
    kind = Kind.from_parts(application, number, duplicates=duplicates, readers=readers, printable=printable)
    assert int(kind) == application << 32 | number << 16 | printable << 4 | readers << 2 | duplicates
    assert (kind.application, kind.number, kind.printable) == (application, number, printable)
    assert (kind.duplicates, kind.readers) == (duplicates, readers)
    assert Kind.from_bytes(bytes(kind)) == kind


@pytest.mark.claim("C27")
@given(st.binary(max_size=10))
def test_reserved_bits_are_refused(data: bytes) -> None:
    reserved = len(data) != 8 or data[6] != 0 or data[7] >> 5 != 0 or data[7] >> 2 & 3 == 2
    try:
        Kind(data)
    except InvalidKind:
        assert reserved
    else:
        assert not reserved


@pytest.mark.claim("C27")
@pytest.mark.parametrize("bit", range(5, 16))
def test_each_reserved_bit_is_refused(bit: int) -> None:
    with pytest.raises(InvalidKind):
        Kind((int(kinds.EXAMPLE) | 1 << bit).to_bytes(8, "big"))


def test_read_access_10_cannot_be_built() -> None:
    for readers in (2, 4, -1):
        with pytest.raises(InvalidKind):
            Kind.from_parts(0, 0, duplicates=Duplicates.UNIQUE, readers=readers, printable=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(("application", "number"), [(-1, 0), (2**32, 0), (0, -1), (0, 2**16)])
def test_parts_out_of_range(application: int, number: int) -> None:
    with pytest.raises(InvalidKind):
        Kind.from_parts(
            application, number, duplicates=Duplicates.UNIQUE, readers=Readers.AUTHOR, printable=False
        )


@pytest.mark.claim("C27", "C38")
def test_the_registered_kinds() -> None:
    written = {kinds.name(kind): kind.bytes.hex() for kind in kinds.NAMES}
    assert written == {
        "Key Schedule": "000000000001000e",
        "Profile": "000000000002000e",
        "Microblog Root": "000000010001001c",
        "Reply Comment": "000000010002001c",
        "Blog Post": "000000010003001c",
        "Chat Message": "000000010004001c",
        "Example": "000000630001001c",
    }


@pytest.mark.claim("C38")
def test_the_registered_applications() -> None:
    assert (kinds.APPLICATION_CORE, kinds.APPLICATION_SOCIAL, kinds.APPLICATION_EXAMPLES) == (0, 1, 99)
    assert {kind.application for kind in kinds.SOCIAL} == {1}


def test_a_known_number_with_other_flags_is_another_kind() -> None:
    other = Kind(kinds.MICROBLOG.bytes[:7] + b"\x1e")
    assert other != kinds.MICROBLOG
    assert other not in kinds.NAMES
    assert kinds.name(other) == "kind 1 of application 1"

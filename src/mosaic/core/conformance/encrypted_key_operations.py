"""What the operations of encrypted_secret_keys.json mean here.

Source: encrypted_secret_key.md; edition §5 (E1, E2).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mosaic.core import encrypted_secret_key, human
from mosaic.core.conformance.case import Case, Operation, Operations, Values
from mosaic.core.keys import SecretKey
from mosaic.errors import WrongPassword


def op_encrypt(case: Case) -> Values:
    """A seed to its encrypted text, which opens with the right password only."""
    text = encrypted_secret_key.encrypt(
        SecretKey.from_seed(bytes.fromhex(case["seed"])),
        case["password"],
        log_n=case["log_n"],
        salt=bytes.fromhex(case["salt"]),
        rand4=bytes.fromhex(case["rand4"]),
    )
    seed = encrypted_secret_key.decrypt(text, case["password"]).reveal().hex()
    return {"text": text, "seed": seed, **_wrong(case)}


def op_decrypt(case: Case) -> Values:
    """An encrypted text and its password to the seed."""
    text = case["text"]
    secret = encrypted_secret_key.decrypt(text, case["password"])
    data = human.decode(human.ENCRYPTED_SECRET_KEY, text)
    values = {
        "seed": secret.reveal().hex(),
        "log_n": encrypted_secret_key.log_n_of(text),
        "salt": data[2:18].hex(),
    }
    return {**values, **_wrong(case)}


def _wrong(case: Case) -> Values:
    """What becomes of the case's wrong password, if it has one."""
    if "wrong_password" not in case:
        return {}
    try:
        encrypted_secret_key.decrypt(case["text"], case["wrong_password"])
    except WrongPassword:
        return {"wrong_password_error": "BadPassword"}
    return {"wrong_password_error": None}


OPERATIONS: Final[Operations] = MappingProxyType(
    {
        ("encrypted_secret_keys", "encrypt"): Operation(op_encrypt),
        ("encrypted_secret_keys", "decrypt"): Operation(op_decrypt),
    }
)

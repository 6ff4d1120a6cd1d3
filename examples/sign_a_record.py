"""Makes a key, signs a record with it, and prints both as people pass them on.

    python examples/sign_a_record.py "Hello"

The key is used once and kept nowhere.
"""

from __future__ import annotations

import sys

from mosaic.core import builder, nonce, record_json
from mosaic.core.keys import SecretKey
from mosaic.core.kinds import MICROBLOG
from mosaic.core.record import Record
from mosaic.node.clock import Clock
from mosaic.node.entropy import entropy


def main() -> None:
    """Signs the text on the command line."""
    secret = SecretKey.generate(entropy(32))
    text = sys.argv[1] if len(sys.argv) > 1 else "Hello"
    record = builder.build(
        secret,
        kind=MICROBLOG,
        nonce=nonce.random(entropy(8)),
        timestamp=Clock().now_ns(),
        payload=text.encode(),
    )
    print(secret.public.user_text)
    print(record.text)
    # Whoever gets the bytes checks them by all rules; a changed one is refused.
    print(record_json.to_text(Record.parse(bytes(record))))


if __name__ == "__main__":
    main()

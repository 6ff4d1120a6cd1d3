"""A program that judges what strangers bring: refuses shouting, holds links back until somebody approves.

    [policy]
    program = ["python3", "policy_program.py"]

It gets one line of JSON for each record and answers with one line, in any order.
"""

import json
import sys


def judge(asked: dict[str, object]) -> dict[str, object]:
    """What becomes of a record: accept, withhold, shadow, or reject with a result code and a reason."""
    record = asked["record"]
    text = record["payload"] if isinstance(record, dict) else None
    if not isinstance(text, str):
        return {"action": "accept"}
    if len(text) > 20 and text.isupper():
        return {"action": "reject", "result": 33, "message": "please don't shout"}
    if "://" in text and asked["standing"] == "anonymous":
        return {"action": "withhold"}
    return {"action": "accept"}


def main() -> None:
    """Answers until the server ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps({"id": asked["id"], **judge(asked)}), flush=True)


if __name__ == "__main__":
    main()

"""Takes the picture of the README from the real demo: `python -m docs.picture`. Needs Chromium."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from docs.__main__ import HERE
from tests.browser.chromium import chromium

PICTURE = HERE / "images" / "feed.png"
GREATEST_BYTES = 150_000
WIDTH, HEIGHT = 900, 960


def take(file: Path) -> None:
    """Starts the demo, looks at the page of one of its people, keeps what it looks like."""
    with subprocess.Popen(
        [sys.executable, "-m", "mosaic", "demo", "--no-browse", "--every", "3600"],
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        page = next(found[1] for line in demo.stdout if (found := re.search(r"page: (http\S+)", line)))
        with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as tab:
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            tab.call("Emulation.setDeviceMetricsOverride", **size)
            tab.call(
                "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}]
            )
            tab.call("Emulation.setScrollbarsHidden", hidden=True)
            tab.open(page)
            tab.see("Rehearsal tonight")
            tab.picture(file)
        demo.send_signal(signal.SIGINT)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    take(PICTURE)
    size = PICTURE.stat().st_size
    print(f"{PICTURE.name}: {size} bytes")  # noqa: T201
    sys.exit(size > GREATEST_BYTES)

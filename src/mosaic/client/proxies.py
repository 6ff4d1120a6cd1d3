"""Which links go through a SOCKS5 proxy: all of them, or those to hosts with an ending such as `.onion`.

Source: network.md, tcp.md (Tor); RFC 1928, RFC 1929.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mosaic.core.url import ServerUrl
from mosaic.errors import UsageError
from mosaic.transport.transport import Proxy

_DEFAULT_PORT = 1080
_EXAMPLE = "Write socks5://127.0.0.1:9050 for all links, or .onion=socks5://127.0.0.1:9050 for some."


@dataclass(frozen=True, slots=True)
class ProxyRule:
    """Hosts and their proxy.

    Args:
        suffix: How the hosts' names end (in lower case); empty means all hosts.
        proxy: What connects to them.
    """

    suffix: str
    proxy: Proxy


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """Rules, of which the one with the longest fitting suffix counts.

    Args:
        rules: In any order.
    """

    rules: tuple[ProxyRule, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ProxyRules:
        """Rules as a person writes them, separated by commas: `[SUFFIX=]socks5://[USER:PASSWORD@]HOST[:PORT]`.

        Raises:
            UsageError: a rule is written otherwise. The message does not repeat it: it may hold a password.
        """
        parts = (part.strip() for part in text.split(","))
        return cls(tuple(_rule(part) for part in parts if part))

    @property
    def take_all(self) -> bool:
        """Whether every link goes through some proxy."""
        return any(not rule.suffix for rule in self.rules)

    def proxy(self, url: ServerUrl) -> Proxy | None:
        """What connects to a URL's host, None for us ourselves."""
        fitting = [rule for rule in self.rules if url.host.endswith(rule.suffix)]
        return max(fitting, key=lambda rule: len(rule.suffix)).proxy if fitting else None


def _rule(text: str) -> ProxyRule:
    suffix, separator, address = text.partition("=")
    # The user or password may hold a "=" as well.
    if not separator or "://" in suffix:
        suffix, address = "", text
    try:
        parts = urlsplit(address)
        port = _DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        raise UsageError("the port of a proxy is a number from 1 to 65535", hint=_EXAMPLE) from None
    if parts.scheme not in {"socks5", "socks5h"} or not parts.hostname or port == 0:
        raise UsageError("a proxy is written socks5://HOST:PORT", hint=_EXAMPLE)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise UsageError("a proxy's address has nothing behind its port", hint=_EXAMPLE)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not all(len(part.encode()) < 256 for part in (user, password)):
        raise UsageError("the user or password of a proxy is over 255 bytes long", hint=_EXAMPLE)
    return ProxyRule(suffix.strip().lower(), Proxy(parts.hostname, port, user, password))

"""Hostile bytes against a live server: `python -m fuzz --cases 1000000`, or `make fuzz`.

The server is a process of its own, `mosaic serve` in a home made for it. This
process is its peers: hostile ones that send random and mutated frames and
records, and an honest one beside them, whose every record must be
acknowledged. They come over TCP, QUIC and WebSocket, through Python's ssl
module, aioquic, and a WebSocket by hand, so that nothing but the message
layouts is shared with what is tested.

    cases     makes hostile bytes from a seed
    address   where a server listens
    server    starts the server, asks for its memory, stops it
    identity  the keys that peers show
    pipe      what carries a link: TLS over TCP, and what other ways have in common
    websocket, quic   the other ways
    reach     opens links over each
    link      one link of a peer
    records   records that the server must take, and ones to be spoiled
    impostors records that are signed rightly and mean something odd
    breaches  hostility against what carries frames
    tcp_breaches, ws_breaches, quic_breaches   that of each transport
    hostile   the campaign: links that send cases, a barrier after each burst
    honest    the honest peers
    idle      readers that never read
"""

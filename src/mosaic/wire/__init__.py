"""The messages of the protocol as bytes, the result codes, and the limits of a frame. No I/O."""

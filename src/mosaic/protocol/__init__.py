"""Client and server sessions as machines without I/O: frames and the time in, events and frames out."""

//! Reads the head of an HTTP request or response. What it says is Python's to judge.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Mode;

/// The longest head, in bytes.
pub const LONGEST: usize = 8_192;
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// A head with the byte of `mode` before it, and what has come behind it.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), mode: Mode) -> io::Result<(Bytes, Bytes)> {
    let mut bytes = BytesMut::with_capacity(1_024);
    bytes.extend_from_slice(&[mode as u8]);
    loop {
        let from = bytes.len().saturating_sub(BLANK_LINE.len() - 1).max(1);
        let mut room = (&mut *stream).take((LONGEST + 1 - bytes.len()) as u64);
        let count = match room.read_buf(&mut bytes).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            count => count?,
        };
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection ended before the HTTP head did",
            ));
        }
        let found = bytes[from..]
            .windows(BLANK_LINE.len())
            .position(|window| window == BLANK_LINE);
        if let Some(position) = found {
            let head = bytes.split_to(from + position + BLANK_LINE.len());
            // Not slices of one block: what is left of it would be kept as long as the link waits.
            return Ok((head.freeze(), Bytes::copy_from_slice(&bytes)));
        }
        if bytes.len() > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the HTTP head is longer than {LONGEST} bytes"),
            ));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run(mut bytes: &[u8]) -> io::Result<(Bytes, Bytes)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(read(&mut bytes, Mode::Plain))
    }

    #[test]
    fn ends_at_the_blank_line() {
        let (head, early) = run(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x82\x08").unwrap();
        assert_eq!(&head[..], b"\x02GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(&early[..], b"\x82\x08");
    }

    #[test]
    fn has_a_length_that_is_bounded() {
        let mut exact = vec![b'a'; LONGEST - BLANK_LINE.len()];
        exact.extend(BLANK_LINE);
        assert_eq!(run(&exact).unwrap().0.len(), 1 + LONGEST);
        exact.insert(0, b'a');
        assert!(run(&exact).is_err());
        assert!(run(b"GET / HTTP/1.1\r\n").is_err());
    }
}

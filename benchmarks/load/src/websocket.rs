//! WebSocket as far as a load needs it: the upgrade, frames out in messages, frames in from them.

use std::io::Cursor;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::Result;

/// Any mask will do for a peer that hides nothing.
const MASK: [u8; 4] = [0x5A, 0xC3, 0x17, 0x88];
const KEY: &str = "bW9zYWljIGxvYWQgdGVzdA==";
/// What belongs to that key.
const ACCEPT: &str = "kdwmL4n/SUD6ugS/mDOmFy+p5Dc=";
/// The longest head that is read.
const HEAD: usize = 8_192;

/// A frame as a message of a client.
pub fn message(frame: &[u8]) -> Result<Vec<u8>> {
    let header = FrameHeader {
        is_final: true,
        opcode: OpCode::Data(Data::Binary),
        mask: Some(MASK),
        ..FrameHeader::default()
    };
    let mut bytes = Vec::with_capacity(14 + frame.len());
    header
        .format(frame.len() as u64, &mut bytes)
        .map_err(|error| error.to_string())?;
    let mask = MASK.iter().cycle();
    bytes.extend(frame.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    Ok(bytes)
}

/// Asks for the upgrade, and reads the head of the answer.
pub async fn ask_for_upgrade(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    authority: &str,
) -> Result<()> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mosaic2025\r\n\r\n"
    );
    write(stream, request.as_bytes()).await?;
    let head = read_head(stream).await?;
    if head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT) {
        return Ok(());
    }
    let start = head.lines().next().unwrap_or_default();
    Err(format!("the upgrade was answered with {start:?}"))
}

/// Grants the upgrade that our client asks for.
pub async fn grant_upgrade(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<()> {
    let head = read_head(stream).await?;
    if !head.contains(KEY) {
        return Err("this is not the upgrade that a load asks for".into());
    }
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: mosaic2025\r\n\r\n"
    );
    write(stream, response.as_bytes()).await
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<()> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    written.await.map_err(|error| error.to_string())
}

/// Byte by byte out of a stream that has decrypted them already: what follows stays in it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD {
            return Err(format!("the HTTP head is longer than {HEAD} bytes"));
        }
        head.push(stream.read_u8().await.map_err(|error| error.to_string())?);
    }
    String::from_utf8(head).map_err(|error| error.to_string())
}

/// Takes messages apart: what they hold is one stream of frames.
#[derive(Default)]
pub struct Unwrapped {
    raw: Vec<u8>,
    /// What is to come of the payload that has begun, and whether it is data.
    left: usize,
    wanted: bool,
}

impl Unwrapped {
    /// Where the next bytes from the network go.
    pub fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.raw
    }

    /// Moves the data in what has come to `into`.
    pub fn take(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let mut at = 0;
        loop {
            let here = self.left.min(self.raw.len() - at);
            if self.wanted {
                into.extend_from_slice(&self.raw[at..at + here]);
            }
            at += here;
            self.left -= here;
            if self.left > 0 {
                break;
            }
            let mut cursor = Cursor::new(&self.raw[at..]);
            let parsed = FrameHeader::parse(&mut cursor).map_err(|error| error.to_string())?;
            let Some((header, length)) = parsed else {
                break;
            };
            at += cursor.position() as usize;
            self.left = usize::try_from(length).map_err(|error| error.to_string())?;
            // Pings are not answered: no load lasts as long as a server's patience.
            self.wanted = matches!(header.opcode, OpCode::Data(_));
            if header.opcode == OpCode::Control(Control::Close) {
                return Err("the server closed the WebSocket".into());
            }
        }
        self.raw.drain(..at);
        Ok(())
    }
}

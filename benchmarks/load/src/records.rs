//! Records of 400 bytes with one Notify tag, made before any clock starts.

use std::fs;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use _rust::crypto::keys::ExpandedSecret;
use _rust::crypto::seal::seal_record;
use rayon::prelude::*;

use crate::Result;
use crate::args::Args;
use crate::json::Line;

/// A post of the social application that everybody may read.
const MICROBLOG: [u8; 8] = [0, 0, 0, 1, 0, 1, 0, 0x1C];
const LENGTH: usize = 400;
/// Around tags and payload: id, head, signature.
const FIXED: usize = 152 + 64;
const NOTIFY_TAG: usize = 40;

/// Records of `--records FILE` (each behind its length, u32 little-endian), or made on the spot.
pub fn load(args: &Args) -> Result<Vec<Vec<u8>>> {
    let Some(path) = args.text("records") else {
        return make(args);
    };
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let mut records = Vec::new();
    let mut rest = &bytes[..];
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*head) as usize;
        if tail.len() < length {
            return Err(format!("{path} ends inside of a record"));
        }
        records.push(tail[..length].to_vec());
        rest = &tail[length..];
    }
    let most = args.number("count", records.len())?;
    records.truncate(most);
    Ok(records)
}

/// Writes `--count` records to `--out FILE`.
pub fn make_file(args: &Args) -> Result<String> {
    let path = args.needed("out")?;
    let records = make(args)?;
    let mut bytes = Vec::new();
    for record in &records {
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record);
    }
    fs::File::create(path)
        .and_then(|mut file| file.write_all(&bytes))
        .map_err(|error| format!("{path}: {error}"))?;
    Ok(Line::of("make")
        .count("records", records.len() as u64)
        .end())
}

fn make(args: &Args) -> Result<Vec<Vec<u8>>> {
    let count: u64 = args.number("count", 10_000)?;
    let authors: u64 = args.number("authors", 400)?;
    let seed: u64 = args.number("seed-number", 1)?;
    let secrets: Vec<ExpandedSecret> = (0..authors.max(1))
        .into_par_iter()
        .map(|author| ExpandedSecret::from_seed(&author_seed(seed, author)))
        .collect();
    let notify = args.key("notify")?.unwrap_or(secrets[0].public);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| error.to_string())?
        .as_nanos() as u64;
    let made: Result<Vec<Vec<u8>>> = (0..count)
        .into_par_iter()
        .map(|number| {
            let secret = &secrets[(scramble(number) % secrets.len() as u64) as usize];
            // A microsecond apart, all in the past.
            let timestamp = now - 1_000_000_000 - (count - number) * 1_000;
            one(secret, &notify, timestamp, scramble(number ^ seed << 32))
        })
        .collect();
    made
}

fn author_seed(seed: u64, author: u64) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&author.to_le_bytes());
    bytes
}

/// Spreads numbers over 64 bits (the finalizer of SplitMix64).
fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn one(secret: &ExpandedSecret, notify: &[u8; 32], timestamp: u64, unique: u64) -> Result<Vec<u8>> {
    let payload = LENGTH - FIXED - NOTIFY_TAG;
    let mut signed = Vec::with_capacity(LENGTH);
    signed.extend_from_slice(&(unique | 1 << 63).to_be_bytes());
    signed.extend_from_slice(&MICROBLOG);
    signed.extend_from_slice(&secret.public);
    signed.extend_from_slice(&secret.public);
    signed.extend_from_slice(&timestamp.to_be_bytes());
    signed.extend_from_slice(&[0; 8]);
    signed.extend_from_slice(&(NOTIFY_TAG as u16).to_le_bytes());
    signed.extend_from_slice(&64_u16.to_le_bytes());
    signed.extend_from_slice(&(payload as u32).to_le_bytes());
    signed.extend_from_slice(&[NOTIFY_TAG as u8, 0, 1, 0, 0, 0, 0, 0]);
    signed.extend_from_slice(notify);
    signed.extend(format!("{unique:016x}").bytes().cycle().take(payload));
    seal_record(secret, &signed).map_err(|error| format!("a record could not be made: {error:?}"))
}

//! Whole records: one verdict for each, signatures in batches.
//!
//! Source: record.md, "Validation", steps 1 to 4 and 6 to 11.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::crypto::batch;
use crate::crypto::hash;
use crate::crypto::key_cache::KeyCache;
use crate::crypto::record_rules::{self, Verdict};
use crate::crypto::signature::{CONTEXT, Prepared};

/// Smaller batches are not split further over threads: the sum gains more than a second core.
const WORTH_A_THREAD: usize = 128;

/// The greatest batch: what is prepared (about 600 bytes a record) stays in a core's own cache.
const GREATEST_BATCH: usize = 4096;

/// All rules but the equation.
fn prepare(record: &[u8], keys: &KeyCache) -> Result<Prepared, Verdict> {
    let layout = record_rules::layout(record)?;
    let digest = hash::digest(layout.signed_data);
    if layout.id_hash != digest[..40] {
        // The rules about keys come first, but keys of what is no record are not worth remembering.
        return Err(if !keys.accepts_unremembered(&layout.signer) {
            Verdict::SigningKey
        } else if !keys.accepts_unremembered(&layout.author) {
            Verdict::AuthorKey
        } else {
            Verdict::Hash
        });
    }
    let signer = keys.point(&layout.signer).ok_or(Verdict::SigningKey)?;
    if layout.author != layout.signer && !keys.accepts(&layout.author) {
        return Err(Verdict::AuthorKey);
    }
    Prepared::new(&layout.signer, signer, &digest, &layout.signature, CONTEXT)
        .ok_or(Verdict::Signature)
}

/// One verdict for each record; the signatures by one sum.
pub fn check_batch(records: &[&[u8]], keys: &KeyCache) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(records.len());
    let mut prepared = Vec::with_capacity(records.len());
    let mut places = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        verdicts.push(match prepare(record, keys) {
            Ok(signature) => {
                prepared.push(signature);
                places.push(place);
                Verdict::Ok
            }
            Err(verdict) => verdict,
        });
    }
    for (place, held) in places.into_iter().zip(batch::verdicts(&prepared)) {
        if !held {
            verdicts[place] = Verdict::Signature;
        }
    }
    verdicts
}

/// One verdict for each record, in batches of at most `batch`, spread over at most `threads` threads.
pub fn check(records: &[&[u8]], keys: &KeyCache, batch: usize, threads: usize) -> Vec<Verdict> {
    let share = records.len().div_ceil(threads.max(1)).max(WORTH_A_THREAD);
    let size = batch.clamp(1, GREATEST_BATCH).min(share);
    let batches: Vec<&[&[u8]]> = records.chunks(size).collect();
    let workers = threads
        .min(records.len() / WORTH_A_THREAD)
        .min(batches.len());
    if workers <= 1 {
        return batches
            .iter()
            .flat_map(|records| check_batch(records, keys))
            .collect();
    }
    let results: Vec<Mutex<Vec<Verdict>>> = batches.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((records, result)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            batches.get(index).zip(results.get(index))
        } {
            *result.lock().unwrap_or_else(PoisonError::into_inner) = check_batch(records, keys);
        }
    };
    thread::scope(|scope| {
        for _ in 1..workers {
            // A thread that does not start leaves its share to the others.
            let started = thread::Builder::new()
                .name("mosaic-check".into())
                .spawn_scoped(scope, work);
            if started.is_err() {
                break;
            }
        }
        work();
    });
    results
        .into_iter()
        .flat_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keys::ExpandedSecret;
    use crate::crypto::seal::seal_record;

    fn records(count: usize) -> Vec<Vec<u8>> {
        let record = |number: usize| {
            let secret = ExpandedSecret::from_seed(&[(number % 20) as u8; 32]);
            let author = ExpandedSecret::from_seed(&[200; 32]);
            let mut data = vec![0; 104];
            data[0] = 0x80;
            data[15] = 0x1c;
            data[16..48].copy_from_slice(&author.public);
            data[48..80].copy_from_slice(&secret.public);
            data[84..88].copy_from_slice(&(number as u32).to_be_bytes());
            data[98] = 64;
            seal_record(&secret, &data).unwrap_or_default()
        };
        (0..count).map(record).collect()
    }

    #[test]
    fn each_verdict_stands_at_its_record() {
        let mut records = records(9);
        records[1].truncate(100);
        records[2][128] ^= 0x01;
        records[4][96..128].fill(0);
        records[5][64..96].fill(0xff);
        records[6][9] ^= 1;
        records[7][200] ^= 1;
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let expected = [
            Verdict::Ok,
            Verdict::TooShort,
            Verdict::IdTimestamp,
            Verdict::Ok,
            Verdict::SigningKey,
            Verdict::AuthorKey,
            Verdict::Hash,
            Verdict::Signature,
            Verdict::Ok,
        ];
        for batch in 1..10 {
            assert_eq!(check(&slices, &KeyCache::new(64), batch, 1), expected);
        }
    }

    #[test]
    fn threads_keep_the_order() {
        let mut records = records(700);
        for number in (0..700).step_by(97) {
            records[number][200] ^= 1;
        }
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let keys = KeyCache::new(64);
        let expected = check(&slices, &keys, 1, 1);
        assert_eq!(
            expected
                .iter()
                .filter(|&&verdict| verdict == Verdict::Signature)
                .count(),
            8
        );
        for threads in [1, 2, 3, 8] {
            for batch in [64, 256, 1000] {
                assert_eq!(check(&slices, &keys, batch, threads), expected);
            }
        }
    }
}

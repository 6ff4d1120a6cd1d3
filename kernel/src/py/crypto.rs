//! The crypto door.

use std::sync::{LazyLock, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

use super::errors::{
    InvalidKey, InvalidKeySchedule, InvalidSecretKey, RecordAuthorKey, RecordHash,
    RecordIdTimestamp, RecordKind, RecordLengthMismatch, RecordNonce, RecordReservedFlags,
    RecordSignature, RecordSignatureLength, RecordSignatureScheme, RecordSigningKey, RecordTags,
    RecordTimestampRange, RecordTooLong, RecordTooShort, UsageError,
};
use crate::crypto::authentication::{Authentication, Refusal, Role};
use crate::crypto::key_cache::KeyCache;
use crate::crypto::keys::{self, ExpandedSecret};
use crate::crypto::record_rules::Verdict;
use crate::crypto::seal::{self, SealError};
use crate::crypto::{check, hash, signature, work};

/// Hashing less than this is done before another thread could use the GIL.
const WORTH_THE_GIL: usize = 16_384;

/// The people of a large server fit, in 4 MiB at most: a generation of a shard just fills a table of 512.
static KEYS: LazyLock<KeyCache> = LazyLock::new(|| KeyCache::new(14_336));

/// The unkeyed BLAKE3 hash of `data`, extended to `length` bytes.
#[pyfunction]
#[pyo3(signature = (data, length = 32))]
fn blake3<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let data = data.as_bytes();
    PyBytes::new_with(py, length, |out| {
        if data.len() + out.len() < WORTH_THE_GIL {
            hash::fill(data, out);
        } else {
            py.detach(|| hash::fill(data, out));
        }
        Ok(())
    })
}

/// The 8 bytes that, standing at `at` of `data`, give its hash `bits` zero bits at the beginning, or None.
///
/// Tries `tries` numbers (big-endian) from `start` on, without the GIL. Raises UsageError when the 8
/// bytes do not lie within `data`, or `bits` is over 64.
#[pyfunction]
fn search_work<'py>(
    py: Python<'py>,
    data: &[u8],
    at: usize,
    bits: u32,
    start: u64,
    tries: u64,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if bits > 64
        || at
            .checked_add(work::FREE_LENGTH)
            .is_none_or(|end| end > data.len())
    {
        return Err(UsageError::new_err((
            "8 bytes within the data are varied, for at most 64 zero bits",
        )));
    }
    let mut data = data.to_vec();
    let found = py.detach(|| work::search(&mut data, at, bits, start, tries));
    Ok(found.map(|number| PyBytes::new(py, &number.to_be_bytes())))
}

/// Incremental BLAKE3, for what should not be whole in memory.
#[pyclass(frozen, module = "mosaic._kernel._rust")]
struct Blake3(Mutex<::blake3::Hasher>);

#[pymethods]
impl Blake3 {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(::blake3::Hasher::new()))
    }

    fn update(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) {
        let data = data.as_bytes();
        let update = || {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .update(data);
        };
        // Always without the GIL: another thread may hold the lock while it waits for the GIL.
        py.detach(update);
    }

    #[pyo3(signature = (length = 32))]
    fn digest<'py>(&self, py: Python<'py>, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut output = py.detach(|| {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .finalize_xof()
        });
        PyBytes::new_with(py, length, |out| {
            output.fill(out);
            Ok(())
        })
    }
}

fn secret_of(seed: &[u8]) -> PyResult<ExpandedSecret> {
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(
        seed.try_into()
            .map_err(|_| InvalidSecretKey::new_err(("a secret key's seed has 32 bytes",)))?,
    );
    Ok(ExpandedSecret::from_seed(&seed))
}

/// The Ed25519 public key (32 bytes) of a 32-byte seed. Raises InvalidSecretKey on another length.
#[pyfunction]
fn public_key<'py>(py: Python<'py>, seed: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &secret_of(seed)?.public))
}

/// Whether 32 bytes are a canonical point on the curve that is not of small order.
#[pyfunction]
fn key_is_acceptable(key: &[u8]) -> bool {
    key.try_into()
        .is_ok_and(|key| keys::decompress_key(key).is_some())
}

fn record_error(verdict: Verdict) -> PyErr {
    match verdict {
        Verdict::TooShort => RecordTooShort::new_err(()),
        Verdict::TooLong => RecordTooLong::new_err(()),
        Verdict::SignatureLength => RecordSignatureLength::new_err(()),
        Verdict::LengthMismatch => RecordLengthMismatch::new_err(()),
        Verdict::SignatureScheme => RecordSignatureScheme::new_err(()),
        Verdict::ReservedFlags => RecordReservedFlags::new_err(()),
        Verdict::TimestampRange => RecordTimestampRange::new_err(()),
        Verdict::IdTimestamp => RecordIdTimestamp::new_err(()),
        Verdict::Nonce => RecordNonce::new_err(()),
        Verdict::Kind => RecordKind::new_err(()),
        Verdict::Tags => RecordTags::new_err(()),
        Verdict::SigningKey => RecordSigningKey::new_err(()),
        Verdict::AuthorKey => RecordAuthorKey::new_err(()),
        Verdict::Hash => RecordHash::new_err(()),
        Verdict::Signature | Verdict::Ok => RecordSignature::new_err(()),
    }
}

fn seal_error(error: SealError) -> PyErr {
    match error {
        SealError::OtherKey => {
            InvalidSecretKey::new_err(("the secret key is not that of the key that is to sign",))
        }
        SealError::Record(verdict) => record_error(verdict),
        SealError::Attestation => InvalidKeySchedule::new_err((
            "the bytes are not the first 72 of an Ed25519 attestation for an acceptable master key",
        )),
    }
}

/// The whole record around its signed data `[48:]` (without the signature).
///
/// `signed_data` begins at the nonce and ends with the padded payload; its
/// signing key must be that of `seed`. Sets id and signature; deterministic.
#[pyfunction]
fn seal_record<'py>(
    py: Python<'py>,
    seed: &[u8],
    signed_data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let secret = secret_of(seed)?;
    let record = seal::seal_record(&secret, signed_data).map_err(seal_error)?;
    Ok(PyBytes::new(py, &record))
}

/// The signature (64 bytes) over an attestation's first 72 bytes (magic, algorithm, subkey, master).
#[pyfunction]
fn sign_attestation<'py>(
    py: Python<'py>,
    seed: &[u8],
    head: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let secret = secret_of(seed)?;
    let signature = seal::sign_attestation(&secret, head).map_err(seal_error)?;
    Ok(PyBytes::new(py, &signature))
}

fn fixed<const N: usize>(bytes: &[u8], name: &str) -> PyResult<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| UsageError::new_err((format!("{name} has {N} bytes, not {}", bytes.len()),)))
}

/// The signature (64 bytes) by which one side of a connection proves its key to the other.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "what is signed has these parts")]
fn sign_authentication<'py>(
    py: Python<'py>,
    seed: &[u8],
    role: &str,
    server_key: &[u8],
    client_key: &[u8],
    client_nonce: &[u8],
    server_nonce: &[u8],
    authority: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let secret = secret_of(seed)?;
    let role = match role {
        "server" => Role::Server,
        "client" => Role::Client,
        _ => return Err(UsageError::new_err(("the role is `server` or `client`",))),
    };
    let signed = Authentication {
        server_key: fixed(server_key, "the server's key")?,
        client_key: fixed(client_key, "the client's key")?,
        client_nonce: fixed(client_nonce, "the client's nonce")?,
        server_nonce: fixed(server_nonce, "the server's nonce")?,
        authority: authority.as_bytes(),
    };
    let signature = signed
        .sign(role, &secret)
        .map_err(|refusal| match refusal {
            Refusal::OtherKey => InvalidSecretKey::new_err((
                "the secret key is not that of the side that is to sign",
            )),
            Refusal::Key => InvalidKey::new_err(("one of the keys may not be used",)),
            Refusal::NoNonce => {
                UsageError::new_err(("a client signs only for a nonce of the server's",))
            }
            Refusal::Authority => UsageError::new_err((
                "an authority is a host in lower case and its port, unless that is 443",
            )),
        })?;
    Ok(PyBytes::new(py, &signature))
}

/// One Ed25519ph signature over a 64-byte BLAKE3 digest, by the cofactored equation.
///
/// A key, digest or signature of another length never verifies. Raises UsageError on a context over 255 bytes.
#[pyfunction]
fn verify(
    py: Python<'_>,
    key: &[u8],
    digest: &[u8],
    signature: &[u8],
    context: &[u8],
) -> PyResult<bool> {
    if context.len() > signature::CONTEXT_LIMIT {
        return Err(UsageError::new_err((
            "a signature's context has 255 bytes at most",
        )));
    }
    let (Ok(key), Ok(digest), Ok(signature)) =
        (key.try_into(), digest.try_into(), signature.try_into())
    else {
        return Ok(false);
    };
    Ok(py.detach(|| signature::verify(key, digest, signature, context)))
}

/// One verdict (RECORD_*) for each record, all rules, signatures in batches of `batch`.
///
/// The verdicts are those of single checks whatever the batch. A batch whose
/// sum fails is split twice at most, then checked singly. `threads` > 1
/// spreads several batches over that many threads.
#[pyfunction]
#[pyo3(name = "check", signature = (records, *, batch = 256, threads = 1))]
fn py_check<'py>(
    py: Python<'py>,
    records: &Bound<'py, PyAny>,
    batch: usize,
    threads: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    if batch == 0 || threads == 0 {
        return Err(UsageError::new_err((
            "`batch` and `threads` are 1 at least",
        )));
    }
    // The list may change while the GIL is free; these references keep the bytes, uncopied, alive.
    let held = bytes_of(records)?;
    let records: Vec<&[u8]> = held.iter().map(|record| record.as_bytes()).collect();
    let verdicts = py.detach(|| check::check(&records, &KEYS, batch, threads));
    PyBytes::new_with(py, verdicts.len(), |out| {
        for (out, verdict) in out.iter_mut().zip(verdicts) {
            *out = verdict as u8;
        }
        Ok(())
    })
}

/// References to the items of a sequence of bytes.
pub(super) fn bytes_of<'py>(items: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let to_bytes = |item: PyResult<Bound<'py, PyAny>>| {
        item?
            .cast_into()
            .map_err(|_| PyTypeError::new_err("records are given as bytes objects"))
    };
    items.try_iter()?.map(to_bytes).collect()
}

const VERDICTS: [(&str, Verdict); 16] = [
    ("RECORD_OK", Verdict::Ok),
    ("RECORD_TOO_SHORT", Verdict::TooShort),
    ("RECORD_TOO_LONG", Verdict::TooLong),
    ("RECORD_SIGNATURE_LENGTH", Verdict::SignatureLength),
    ("RECORD_LENGTH_MISMATCH", Verdict::LengthMismatch),
    ("RECORD_SIGNATURE_SCHEME", Verdict::SignatureScheme),
    ("RECORD_RESERVED_FLAGS", Verdict::ReservedFlags),
    ("RECORD_TIMESTAMP_RANGE", Verdict::TimestampRange),
    ("RECORD_ID_TIMESTAMP", Verdict::IdTimestamp),
    ("RECORD_NONCE", Verdict::Nonce),
    ("RECORD_KIND", Verdict::Kind),
    ("RECORD_TAGS", Verdict::Tags),
    ("RECORD_SIGNING_KEY", Verdict::SigningKey),
    ("RECORD_AUTHOR_KEY", Verdict::AuthorKey),
    ("RECORD_HASH", Verdict::Hash),
    ("RECORD_SIGNATURE", Verdict::Signature),
];

/// Adds the door's names to the module.
pub(super) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for (name, verdict) in VERDICTS {
        module.add(name, verdict as u8)?;
    }
    module.add_class::<Blake3>()?;
    module.add_function(wrap_pyfunction!(self::blake3, module)?)?;
    module.add_function(wrap_pyfunction!(search_work, module)?)?;
    module.add_function(wrap_pyfunction!(public_key, module)?)?;
    module.add_function(wrap_pyfunction!(key_is_acceptable, module)?)?;
    module.add_function(wrap_pyfunction!(seal_record, module)?)?;
    module.add_function(wrap_pyfunction!(sign_attestation, module)?)?;
    module.add_function(wrap_pyfunction!(sign_authentication, module)?)?;
    module.add_function(wrap_pyfunction!(verify, module)?)?;
    module.add_function(wrap_pyfunction!(py_check, module)?)
}

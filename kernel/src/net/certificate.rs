//! Self-signed Ed25519 certificates and raw public keys: made by hand, read by hand.
//!
//! The key is the identity. Names and dates are written because the format
//! asks for them and ignored when read. Source: RFC 5280, RFC 8410, RFC 7250.

use zeroize::Zeroizing;

/// The name in every certificate and in SNI.
pub const NAME: &str = "mosaic";

/// An Ed25519 public key.
pub type Key = [u8; 32];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const EXPLICIT_0: u8 = 0xA0;
const EXPLICIT_3: u8 = 0xA3;
const DNS_NAME: u8 = 0x82;

/// SEQUENCE { OBJECT IDENTIFIER 1.3.101.112 }
const ED25519: [u8; 7] = [0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70];
/// What stands before the 32 bytes of the key in its SubjectPublicKeyInfo.
const SPKI_HEAD: [u8; 12] = [
    0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// What stands before the 32 bytes of the seed in its PKCS #8 form.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The SubjectPublicKeyInfo of a key: what goes over the wire as a raw public key (44 bytes).
pub fn spki(key: &Key) -> Vec<u8> {
    [&SPKI_HEAD[..], key].concat()
}

/// The PKCS #8 form of a seed (48 bytes). It is the secret.
pub fn pkcs8(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&PKCS8_HEAD[..], seed].concat())
}

/// A self-signed certificate of `key`; `sign` gives the 64-byte signature with it.
pub fn self_signed<E>(
    key: &Key,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let body = to_be_signed(key);
    let signature = sign(&body)?;
    Ok(der(
        SEQUENCE,
        &[&body, &ED25519, &der(BIT_STRING, &[&[0], &signature])],
    ))
}

fn to_be_signed(key: &Key) -> Vec<u8> {
    let common_name = der(OBJECT_IDENTIFIER, &[&[0x55, 0x04, 0x03]]);
    let name = der(
        SEQUENCE,
        &[&der(
            SET,
            &[&der(
                SEQUENCE,
                &[&common_name, &der(UTF8_STRING, &[NAME.as_bytes()])],
            )],
        )],
    );
    // RFC 5280 4.1.2.5: this last date means that it does not end.
    let validity = der(
        SEQUENCE,
        &[
            &der(UTC_TIME, &[b"200101000000Z"]),
            &der(GENERALIZED_TIME, &[b"99991231235959Z"]),
        ],
    );
    let alternative = der(SEQUENCE, &[&der(DNS_NAME, &[NAME.as_bytes()])]);
    let extension = der(
        SEQUENCE,
        &[
            &der(OBJECT_IDENTIFIER, &[&[0x55, 0x1D, 0x11]]),
            &der(OCTET_STRING, &[&alternative]),
        ],
    );
    der(
        SEQUENCE,
        &[
            &der(EXPLICIT_0, &[&der(INTEGER, &[&[2]])]),
            &der(INTEGER, &[&[1]]),
            &ED25519,
            &name,
            &validity,
            &name,
            &spki(key),
            &der(EXPLICIT_3, &[&der(SEQUENCE, &[&extension])]),
        ],
    )
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// What a certificate says, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    /// An Ed25519 key; where it came in a certificate, that has signed itself.
    Key(Key),
    /// A key of another algorithm, which proves nothing here.
    Foreign,
    /// Not well formed, or a certificate of an Ed25519 key that did not sign itself.
    Broken(&'static str),
}

/// Reads a raw public key.
pub fn read_raw(bytes: &[u8]) -> Shown {
    let mut input = Reader(bytes);
    match input.take(SEQUENCE).filter(|_| input.0.is_empty()) {
        Some(info) => read_spki(info.body),
        None => Shown::Broken("the raw public key is not DER"),
    }
}

/// Reads a certificate; `verify` checks a 64-byte signature of a key over the signed part.
pub fn read_certificate(bytes: &[u8], verify: impl FnOnce(&Key, &[u8], &[u8]) -> bool) -> Shown {
    let Some(parts) = split(bytes) else {
        return Shown::Broken("the certificate is not DER");
    };
    let key = match read_spki(parts.spki) {
        Shown::Key(key) => key,
        other => return other,
    };
    if parts.algorithm != ED25519 || parts.inner_algorithm != ED25519 {
        return Shown::Broken("the certificate of an Ed25519 key is not signed with it");
    }
    let [0, signature @ ..] = parts.signature else {
        return Shown::Broken("the certificate's signature is not whole bytes");
    };
    if !verify(&key, parts.signed, signature) {
        return Shown::Broken("the certificate is not signed by its own key");
    }
    Shown::Key(key)
}

struct Parts<'a> {
    signed: &'a [u8],
    inner_algorithm: &'a [u8],
    spki: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

fn split(bytes: &[u8]) -> Option<Parts<'_>> {
    let mut outer = Reader(bytes);
    let certificate = outer.take(SEQUENCE)?;
    let mut parts = Reader(certificate.body);
    let signed = parts.take(SEQUENCE)?;
    let algorithm = parts.take(SEQUENCE)?;
    let signature = parts.take(BIT_STRING)?;
    let mut fields = Reader(signed.body);
    if fields.0.first() == Some(&EXPLICIT_0) {
        fields.take(EXPLICIT_0)?;
    }
    fields.take(INTEGER)?;
    let inner_algorithm = fields.take(SEQUENCE)?;
    let (_issuer, _validity, _subject) = (
        fields.take(SEQUENCE)?,
        fields.take(SEQUENCE)?,
        fields.take(SEQUENCE)?,
    );
    let spki = fields.take(SEQUENCE)?;
    (outer.0.is_empty() && parts.0.is_empty()).then_some(Parts {
        signed: signed.whole,
        inner_algorithm: inner_algorithm.whole,
        spki: spki.body,
        algorithm: algorithm.whole,
        signature: signature.body,
    })
}

fn read_spki(body: &[u8]) -> Shown {
    let mut fields = Reader(body);
    let (Some(algorithm), Some(key)) = (fields.take(SEQUENCE), fields.take(BIT_STRING)) else {
        return Shown::Broken("the public key is not DER");
    };
    if algorithm.whole != ED25519 {
        return Shown::Foreign;
    }
    match key.body {
        [0, key @ ..] if fields.0.is_empty() => match <Key>::try_from(key) {
            Ok(key) => Shown::Key(key),
            Err(_) => Shown::Broken("the Ed25519 key is not of 32 bytes"),
        },
        _ => Shown::Broken("the public key is not DER"),
    }
}

struct Element<'a> {
    whole: &'a [u8],
    body: &'a [u8],
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next element, if it has this tag and its length is in the shortest form.
    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let bytes = self.0;
        let (&found, &first) = (bytes.first()?, bytes.get(1)?);
        let (head, length) = match first {
            ..=0x7F => (2, usize::from(first)),
            0x81 => (3, usize::from(*bytes.get(2)?)),
            0x82 => (
                4,
                usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
            ),
            _ => return None,
        };
        let shortest = match first {
            0x81 => length >= 0x80,
            0x82 => length >= 0x100,
            _ => true,
        };
        if found != tag || !shortest {
            return None;
        }
        let whole = bytes.get(..head + length)?;
        self.0 = &bytes[head + length..];
        Some(Element {
            whole,
            body: &whole[head..],
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];

    fn made() -> Vec<u8> {
        self_signed::<()>(&KEY, |body| {
            Ok([&[body.len() as u8; 32][..], &[9; 32]].concat())
        })
        .unwrap()
    }

    fn accepts(key: &Key, body: &[u8], signature: &[u8]) -> bool {
        *key == KEY && signature == [&[body.len() as u8; 32][..], &[9; 32]].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read_certificate(&made(), accepts), Shown::Key(KEY));
        assert_eq!(read_raw(&spki(&KEY)), Shown::Key(KEY));
        assert_eq!(spki(&KEY).len(), 44);
        assert_eq!(pkcs8(&KEY).len(), 48);
    }

    #[test]
    fn a_wrong_signature_is_broken() {
        assert!(matches!(
            read_certificate(&made(), |_, _, _| false),
            Shown::Broken(_)
        ));
    }

    #[test]
    fn another_algorithm_is_foreign() {
        let mut bytes = spki(&KEY);
        bytes[8] = 0x6E; // X25519
        assert_eq!(read_raw(&bytes), Shown::Foreign);
        let whole = made();
        let at = whole.windows(12).position(|part| part == SPKI_HEAD);
        let mut foreign = whole;
        foreign[at.unwrap() + 8] = 0x6E;
        assert_eq!(read_certificate(&foreign, accepts), Shown::Foreign);
    }

    #[test]
    fn cut_and_changed_bytes_never_pass_for_another_key() {
        let whole = made();
        for length in 0..whole.len() {
            assert!(matches!(
                read_certificate(&whole[..length], accepts),
                Shown::Broken(_)
            ));
        }
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            if let Shown::Key(key) = read_certificate(&changed, accepts) {
                assert_eq!(key, KEY, "byte {at}, bit {bit}");
            }
        }
        for length in 0..44 {
            assert!(matches!(read_raw(&spki(&KEY)[..length]), Shown::Broken(_)));
        }
        assert!(matches!(
            read_raw(&[&spki(&KEY)[..], &[0]].concat()),
            Shown::Broken(_)
        ));
    }

    #[test]
    fn long_form_lengths_must_be_the_shortest() {
        assert!(Reader(&[SEQUENCE, 0x81, 1, 0]).take(SEQUENCE).is_none());
        assert!(
            Reader(&[SEQUENCE, 0x84, 0, 0, 0, 0])
                .take(SEQUENCE)
                .is_none()
        );
        assert!(Reader(&[SEQUENCE, 0x80]).take(SEQUENCE).is_none());
    }
}

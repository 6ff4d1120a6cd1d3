//! The errors that Rust raises, all defined in `mosaic.errors`.
//!
//! This is the one place that imports them; each door takes what it needs from here.

use pyo3::import_exception;

// crypto
import_exception!(mosaic.errors, InvalidKey);
import_exception!(mosaic.errors, InvalidKeySchedule);
import_exception!(mosaic.errors, InvalidSecretKey);
import_exception!(mosaic.errors, RecordAuthorKey);
import_exception!(mosaic.errors, RecordHash);
import_exception!(mosaic.errors, RecordIdTimestamp);
import_exception!(mosaic.errors, RecordKind);
import_exception!(mosaic.errors, RecordLengthMismatch);
import_exception!(mosaic.errors, RecordNonce);
import_exception!(mosaic.errors, RecordReservedFlags);
import_exception!(mosaic.errors, RecordSignature);
import_exception!(mosaic.errors, RecordSignatureLength);
import_exception!(mosaic.errors, RecordSignatureScheme);
import_exception!(mosaic.errors, RecordSigningKey);
import_exception!(mosaic.errors, RecordTags);
import_exception!(mosaic.errors, RecordTimestampRange);
import_exception!(mosaic.errors, RecordTooLong);
import_exception!(mosaic.errors, RecordTooShort);

// match
import_exception!(mosaic.errors, InvalidFilter);

// store
import_exception!(mosaic.errors, StoreCrowded);
import_exception!(mosaic.errors, StoreDamaged);
import_exception!(mosaic.errors, StoreError);
import_exception!(mosaic.errors, StoreFull);

// net
import_exception!(mosaic.errors, Disconnected);
import_exception!(mosaic.errors, ListenFailed);

// sync
import_exception!(mosaic.errors, InvalidMessage);

// all doors
import_exception!(mosaic.errors, UsageError);

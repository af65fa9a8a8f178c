// SPDX-License-Identifier: AGPL-3.0-or-later
//! From a Secret document to its values.

use std::io::Read as _;

use age::DecryptError;
use shoal_schema::kinds::{SecretEnvelope, SecretSpec};
use zeroize::Zeroizing;

use crate::age_file::AgeFile;
use crate::{Identities, Opened, SecretError};

/// Opens the Secret of this name.
pub fn decrypt(name: &str, spec: &SecretSpec, identities: &Identities) -> Result<Opened, SecretError> {
    let file = AgeFile::parse(name, &spec.age)?;
    open(name, spec, &file, identities)
}

pub(crate) fn open(
    name: &str,
    spec: &SecretSpec,
    file: &AgeFile,
    identities: &Identities,
) -> Result<Opened, SecretError> {
    let plaintext = plaintext(name, spec, file, identities)?;
    // The parser's own error quotes what it stumbles over.
    let envelope: SecretEnvelope =
        serde_json::from_slice(&plaintext).map_err(|_| SecretError::Envelope { secret: name.to_owned() })?;
    if envelope.name != name {
        return Err(SecretError::NameMismatch { secret: name.to_owned() });
    }
    Ok(Opened::new(envelope.name, envelope.data))
}

fn plaintext(
    name: &str,
    spec: &SecretSpec,
    file: &AgeFile,
    identities: &Identities,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let damaged = |reason| SecretError::Damaged { secret: name.to_owned(), reason };
    let failure = |error| match error {
        DecryptError::NoMatchingKeys | DecryptError::KeyDecryptionFailed => {
            SecretError::NoMatchingKey { secret: name.to_owned(), recipients: spec.recipients.clone() }
        }
        DecryptError::InvalidMac => damaged("its header was changed"),
        DecryptError::UnknownFormat => damaged("it is of a version of age that is not known"),
        _ => damaged("its header is not valid, or it is cut off"),
    };
    let decryptor = age::Decryptor::new_buffered(file.bytes.as_slice()).map_err(failure)?;
    let mut reader = decryptor.decrypt(identities.for_age()).map_err(failure)?;
    // Plaintext is shorter than its file: a buffer that never grows leaves no copies behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(file.bytes.len()));
    reader.read_to_end(&mut plaintext).map_err(|_| damaged("its content was changed, or it is cut off"))?;
    Ok(plaintext)
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! From values to a Secret document.

use std::collections::BTreeMap;
use std::io::Write as _;

use age::armor::{ArmoredWriter, Format};
use serde::Serialize;
use shoal_schema::kinds::{Recipient, SecretSpec};
use shoal_schema::recipients::recipients_digest;
use shoal_schema::{SecretString, secret_value};
use zeroize::Zeroizing;

use crate::{SecretError, recipients};

/// The longest age block, in characters: a document with it stays below the 1 MiB that a file of
/// the inventory may have.
pub const MAX_AGE_CHARS: usize = 1_000_000;

/// The plaintext, as JSON. Read back as `shoal_schema::kinds::SecretEnvelope`.
#[derive(Serialize)]
struct Envelope<'a> {
    name: &'a str,
    data: BTreeMap<&'a str, Value<'a>>,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Value<'a>(#[serde(serialize_with = "expose")] &'a SecretString);

fn expose<S: serde::Serializer>(value: &&SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    secret_value::on_the_wire::required(value, serializer)
}

/// Encrypts values under the Secret's name for the given recipients.
pub fn encrypt(
    name: &str,
    data: &BTreeMap<String, SecretString>,
    recipients: &[Recipient],
) -> Result<SecretSpec, SecretError> {
    let keys = recipients::parse(name, recipients)?;
    if !data.keys().all(|key| is_data_key(key)) {
        return Err(SecretError::DataKey { secret: name.to_owned() });
    }
    let age = seal(name, &plaintext(name, data)?, &keys)?;
    if age.len() > MAX_AGE_CHARS {
        return Err(SecretError::TooLarge { secret: name.to_owned(), size: age.len() });
    }
    let mut names: Vec<String> = recipients.iter().map(|recipient| recipient.name.clone()).collect();
    names.sort_unstable();
    Ok(SecretSpec { recipients: names, recipients_digest: recipients_digest(recipients), age })
}

/// The keys that a Secret may have: they stand in Git, in messages and in file names.
pub(crate) fn is_data_key(key: &str) -> bool {
    (1..=63).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && key.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn plaintext(name: &str, data: &BTreeMap<String, SecretString>) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let length: usize = data.iter().map(|(key, value)| key.len() + value.expose().len() + 8).sum();
    // Before the work: values of this size are refused in the end whatever they encrypt to.
    if length > MAX_AGE_CHARS {
        return Err(SecretError::TooLarge { secret: name.to_owned(), size: length });
    }
    // Escapes at most make six bytes of one. A buffer that never grows leaves no copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(6 * length + name.len() + 64));
    let data = data.iter().map(|(key, value)| (key.as_str(), Value(value))).collect();
    serde_json::to_writer(&mut *out, &Envelope { name, data })
        .expect("maps of strings have JSON, and a vector takes every write");
    Ok(out)
}

fn seal(name: &str, plaintext: &[u8], keys: &[age::x25519::Recipient]) -> Result<String, SecretError> {
    let failed = |reason| SecretError::Damaged { secret: name.to_owned(), reason };
    let encryptor = age::Encryptor::with_recipients(keys.iter().map(|key| key as &dyn age::Recipient))
        .map_err(|_| failed("a recipient's key cannot be encrypted for"))?;
    let write = || -> std::io::Result<Vec<u8>> {
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(plaintext)?;
        writer.finish()?.finish()
    };
    let armored = write().map_err(|_| failed("age could not write it"))?;
    String::from_utf8(armored).map_err(|_| failed("age wrote something else than text"))
}

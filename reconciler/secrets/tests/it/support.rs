// SPDX-License-Identifier: AGPL-3.0-or-later
//! What several tests need.

use std::collections::BTreeMap;

use shoal_schema::SecretString;
use shoal_schema::kinds::{Recipient, SecretSpec};
use shoal_secrets::{Identities, KeyPair, Opened, SecretError, decrypt, encrypt};

pub(crate) const NAME: &str = "bmc/rack-a";

pub(crate) struct Person {
    pub(crate) recipient: Recipient,
    pub(crate) identities: Identities,
}

pub(crate) fn person(name: &str) -> Person {
    let pair = KeyPair::generate();
    let identities = Identities::parse(&pair.key_file("today")).unwrap_or_else(|error| panic!("{error}"));
    Person { recipient: Recipient { name: name.to_owned(), key: pair.public }, identities }
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

pub(crate) fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, SecretString> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), secret(value))).collect()
}

pub(crate) fn sealed(pairs: &[(&str, &str)], recipients: &[Recipient]) -> SecretSpec {
    encrypt(NAME, &values(pairs), recipients).unwrap_or_else(|error| panic!("{error}"))
}

/// Opened secrets have no Debug, so that `unwrap_err` is not to be had.
pub(crate) fn error_of(result: Result<Opened, SecretError>) -> SecretError {
    match result {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

pub(crate) fn open(spec: &SecretSpec, person: &Person) -> Opened {
    decrypt(NAME, spec, &person.identities).unwrap_or_else(|error| panic!("{error}"))
}

/// Encrypts any plaintext as somebody with `age` alone could.
pub(crate) fn by_hand(plaintext: &[u8], person: &Person) -> SecretSpec {
    let key: age::x25519::Recipient = person.recipient.key.parse().unwrap();
    SecretSpec {
        age: age::encrypt_and_armor(&key, plaintext).unwrap(),
        ..sealed(&[], std::slice::from_ref(&person.recipient))
    }
}

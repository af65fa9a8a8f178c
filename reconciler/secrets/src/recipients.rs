// SPDX-License-Identifier: AGPL-3.0-or-later
//! Public keys, and which of the fleet's a Secret is for.

use std::collections::BTreeSet;

use age::x25519;
use shoal_schema::kinds::{Recipient, SecretSpec};

use crate::SecretError;

/// The recipients that a Secret names, out of the fleet's.
pub fn named_recipients(
    secret: &str,
    spec: &SecretSpec,
    fleet: &[Recipient],
) -> Result<Vec<Recipient>, SecretError> {
    spec.recipients
        .iter()
        .map(|name| {
            fleet.iter().find(|recipient| recipient.name == *name).cloned().ok_or_else(|| {
                SecretError::UnknownRecipient { secret: secret.to_owned(), recipient: name.clone() }
            })
        })
        .collect()
}

/// Reads the keys; refuses none at all, and one twice.
pub(crate) fn parse(secret: &str, recipients: &[Recipient]) -> Result<Vec<x25519::Recipient>, SecretError> {
    if recipients.is_empty() {
        return Err(SecretError::NoRecipients { secret: secret.to_owned() });
    }
    let (mut names, mut keys) = (BTreeSet::new(), Vec::new());
    for Recipient { name, key } in recipients {
        let key: x25519::Recipient =
            key.parse().map_err(|_| SecretError::Recipient { recipient: name.clone() })?;
        if !names.insert(name) || keys.contains(&key) {
            return Err(SecretError::DuplicateRecipient { recipient: name.clone() });
        }
        keys.push(key);
    }
    Ok(keys)
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is wrong with a Secret, as far as can be seen with the keys at hand, or with none.

use shoal_schema::kinds::{Recipient, SecretSpec};
use shoal_schema::recipients::recipients_digest;

use crate::age_file::AgeFile;
use crate::{Identities, SecretError, decrypt, recipients};

/// Something that is wrong with a Secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It cannot be read, or names somebody unknown.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The list of names and the age block do not fit.
    #[error(
        "the secret {secret} names {listed} recipients, and its age block is for {found}: run `shoal secret rekey`"
    )]
    Count {
        /// The Secret's name.
        secret: String,
        /// Names in the document.
        listed: usize,
        /// Recipients in the age block.
        found: usize,
    },
    /// A recipient's key has changed since.
    #[error(
        "the keys of the secret {secret}'s recipients have changed since it was encrypted: run `shoal secret rekey`"
    )]
    StaleKeys {
        /// The Secret's name.
        secret: String,
    },
}

/// Everything that is wrong, in a stable order. With private keys the content is opened and its
/// name checked too; without, the structure alone.
pub fn verify(
    name: &str,
    spec: &SecretSpec,
    fleet: &[Recipient],
    identities: Option<&Identities>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for listed in &spec.recipients {
        if !fleet.iter().any(|recipient| recipient.name == *listed) {
            let (secret, recipient) = (name.to_owned(), listed.clone());
            problems.push(SecretError::UnknownRecipient { secret, recipient }.into());
        }
    }
    if let Ok(named) = recipients::named_recipients(name, spec, fleet) {
        match recipients::parse(name, &named) {
            Err(error) => problems.push(error.into()),
            Ok(_) if recipients_digest(&named) != spec.recipients_digest => {
                problems.push(Problem::StaleKeys { secret: name.to_owned() });
            }
            Ok(_) => {}
        }
    }
    match AgeFile::parse(name, &spec.age) {
        Err(error) => problems.push(error.into()),
        Ok(file) => {
            let (listed, found) = (spec.recipients.len(), file.recipients());
            if listed != found {
                problems.push(Problem::Count { secret: name.to_owned(), listed, found });
            }
            if let Some(Err(error)) =
                identities.map(|identities| decrypt::open(name, spec, &file, identities))
            {
                problems.push(error.into());
            }
        }
    }
    problems
}

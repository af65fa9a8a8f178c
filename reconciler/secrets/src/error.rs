// SPDX-License-Identifier: AGPL-3.0-or-later
//! What can be wrong with keys and secrets. Nothing here ever holds plaintext or a private key.

use crate::MAX_AGE_CHARS;

/// Something is wrong with a key or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A line of a key file is no private key.
    #[error("line {line} of the private keys {reason}")]
    Identity {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A key file holds no key.
    #[error(
        "there is no private key: expected at least one line AGE-SECRET-KEY-1…, as `shoal secret keygen` writes it"
    )]
    NoIdentity,
    /// A recipient's key is no public key.
    #[error(
        "the key of the recipient {recipient} is not an age public key (age1… as `shoal secret keygen` prints it)"
    )]
    Recipient {
        /// Its name.
        recipient: String,
    },
    /// Two recipients share a name or a key.
    #[error("the recipient {recipient} has the name or the key of another one")]
    DuplicateRecipient {
        /// Its name.
        recipient: String,
    },
    /// A secret names a recipient that the fleet does not know.
    #[error("the secret {secret} names the recipient {recipient}, which is not among the fleet's recipients")]
    UnknownRecipient {
        /// The Secret's name.
        secret: String,
        /// The recipient's name.
        recipient: String,
    },
    /// Nobody could read it.
    #[error("the secret {secret} has no recipients: nobody could ever read it")]
    NoRecipients {
        /// The Secret's name.
        secret: String,
    },
    /// A key of the data is no plain name.
    #[error("a key of the secret {secret} is not made of letters, digits, `_`, `-` and `.` (at most 63)")]
    DataKey {
        /// The Secret's name.
        secret: String,
    },
    /// More than fits into a document.
    #[error(
        "the secret {secret} is too large: its age block has {size} characters, the limit is {MAX_AGE_CHARS}"
    )]
    TooLarge {
        /// The Secret's name.
        secret: String,
        /// Characters of the age block, at least.
        size: usize,
    },
    /// The age block is no armored age file.
    #[error("the age block of the secret {secret} is damaged: {reason}")]
    Damaged {
        /// The Secret's name.
        secret: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// None of the private keys opens it.
    #[error(
        "none of the given private keys opens the secret {secret}: it is encrypted for {}; use a key of \
         theirs, or have one of them run `shoal secret rekey`",
        recipients.join(", ")
    )]
    NoMatchingKey {
        /// The Secret's name.
        secret: String,
        /// Who can read it, as the document says.
        recipients: Vec<String>,
    },
    /// It opens, and was encrypted under another name.
    #[error(
        "the content of the secret {secret} was encrypted under another name: it was copied, or the secret \
         was renamed; make it anew with `shoal secret new`"
    )]
    NameMismatch {
        /// The Secret's name.
        secret: String,
    },
    /// It opens, and is not what Shoal encrypts.
    #[error(
        "the content of the secret {secret} is not what `shoal secret` writes; make it anew with `shoal secret new`"
    )]
    Envelope {
        /// The Secret's name.
        secret: String,
    },
    /// It does not hold a value that is asked for.
    #[error("the secret {secret} has no value {key}; it has {}", list(keys))]
    NoValue {
        /// The Secret's name.
        secret: String,
        /// The key that is asked for.
        key: String,
        /// The keys that are there.
        keys: Vec<String>,
    },
    /// What came out of the editor is not a list of values.
    #[error("the edited secret {secret} cannot be read: {reason}{}", place(*line))]
    Edited {
        /// The Secret's name.
        secret: String,
        /// What is wrong with it.
        reason: &'static str,
        /// The line, from 1, where known.
        line: Option<usize>,
    },
}

fn list(keys: &[String]) -> String {
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}

fn place(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

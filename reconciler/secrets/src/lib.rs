// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets in Git, encrypted with age for people and for the controller.
//!
//! [`encrypt()`] and [`decrypt()`] go between values and a Secret document, [`Identities`] are private
//! keys, [`KeyPair`] a new one, [`verify()`] says what is wrong with a Secret, [`Editing`] is a
//! Secret on its way through somebody's editor. [`Redactor`] is the last line of defence: it finds
//! known values in text, however they are encoded.
//!
//! Guarantees: plaintext and private keys have no Debug, Display or Serialize and are overwritten
//! when dropped; no error holds a part of them. A ciphertext under another name is refused.
//! Assumptions: randomness for keys and nonces is the operating system's, taken by `age` itself.
//! What it does not do: no IO, no SSH keys, no plugins, no passphrases. Libraries that parse the
//! plaintext (JSON, YAML) may leave copies of parts of it in freed memory.

mod age_file;
mod decrypt;
mod edit;
mod encrypt;
mod error;
mod identities;
mod opened;
mod recipients;
mod redact;
mod search;
mod verify;

pub use decrypt::decrypt;
pub use edit::{Edited, Editing, parse_values};
pub use encrypt::{MAX_AGE_CHARS, encrypt};
pub use error::SecretError;
pub use identities::{Identities, KeyPair};
pub use opened::Opened;
pub use recipients::named_recipients;
pub use redact::{Form, Leak, Redactor, find_leaks};
pub use verify::{Problem, verify};

// SPDX-License-Identifier: AGPL-3.0-or-later
//! The armored age file in a Secret: its armor and its header, which need no key to read.

use std::io::Read as _;

use age::armor::ArmoredReader;

use crate::{MAX_AGE_CHARS, SecretError};

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const VERSION: &[u8] = b"age-encryption.org/v1";

/// An age file without its armor.
pub(crate) struct AgeFile {
    pub(crate) bytes: Vec<u8>,
    /// The types of its recipient stanzas, in order.
    pub(crate) stanzas: Vec<String>,
}

impl AgeFile {
    /// Takes the armor off and reads the header. Needs no key and checks no key.
    pub(crate) fn parse(secret: &str, text: &str) -> Result<Self, SecretError> {
        let damaged = |reason| SecretError::Damaged { secret: secret.to_owned(), reason };
        if text.len() > MAX_AGE_CHARS {
            return Err(SecretError::TooLarge { secret: secret.to_owned(), size: text.len() });
        }
        let text = text.trim_start();
        if !text.starts_with(BEGIN) {
            return Err(damaged("it does not begin with -----BEGIN AGE ENCRYPTED FILE-----"));
        }
        if text.contains('\r') {
            return Err(damaged(
                "it has Windows line ends (CR LF): convert the file, and set `text eol=lf` for it",
            ));
        }
        let mut bytes = Vec::new();
        ArmoredReader::new(text.as_bytes())
            .read_to_end(&mut bytes)
            .map_err(|_| damaged("its lines are not the base64 that age writes, or it is cut off"))?;
        let stanzas = stanzas(&bytes).ok_or_else(|| damaged("it has no header of an age file"))?;
        Ok(Self { bytes, stanzas })
    }

    /// How many X25519 recipients can read it. age adds a stanza of a random type on purpose, which
    /// is none.
    pub(crate) fn recipients(&self) -> usize {
        self.stanzas.iter().filter(|kind| *kind == "X25519").count()
    }
}

/// The types of the stanzas between the version line and the `---` line.
fn stanzas(bytes: &[u8]) -> Option<Vec<String>> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if lines.next() != Some(VERSION) {
        return None;
    }
    let mut kinds = Vec::new();
    for line in lines {
        if line.starts_with(b"--- ") {
            return Some(kinds);
        }
        let line = std::str::from_utf8(line).ok()?;
        if let Some(arguments) = line.strip_prefix("-> ") {
            kinds.push(arguments.split(' ').next()?.to_owned());
        }
    }
    None
}

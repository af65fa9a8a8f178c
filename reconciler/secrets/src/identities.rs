// SPDX-License-Identifier: AGPL-3.0-or-later
//! Private keys: of the controller, or of the person at the command line.

use age::secrecy::ExposeSecret as _;
use age::x25519;
use shoal_schema::SecretString;

use crate::SecretError;

/// One or more private keys. They cannot print, and are overwritten when dropped.
pub struct Identities {
    keys: Vec<x25519::Identity>,
}

/// A new private key and its public key.
pub struct KeyPair {
    /// For the fleet's recipients: `age1…`.
    pub public: String,
    /// For a file that only its owner can read: `AGE-SECRET-KEY-1…`.
    pub private: SecretString,
}

impl Identities {
    /// Reads the text of a key file: one key a line, `#` begins a comment, empty lines are fine.
    pub fn parse(text: &SecretString) -> Result<Self, SecretError> {
        let mut keys = Vec::new();
        for (index, line) in text.expose().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason| SecretError::Identity { line: index + 1, reason };
            match line.parse::<x25519::Identity>() {
                Ok(key) => keys.push(key),
                Err(_) if line.starts_with("age1") => {
                    return Err(wrong("is a public key: the private one begins with AGE-SECRET-KEY-1"));
                }
                Err(_) if line.starts_with("AGE-PLUGIN-") => {
                    return Err(wrong("is a key of an age plugin: only plain X25519 keys are supported"));
                }
                Err(_) if line.starts_with("-----BEGIN") || line.starts_with("ssh-") => {
                    return Err(wrong("is an SSH key: only age keys (AGE-SECRET-KEY-1…) are supported"));
                }
                Err(_) => return Err(wrong("is not an age private key (AGE-SECRET-KEY-1…), or is damaged")),
            }
        }
        if keys.is_empty() { Err(SecretError::NoIdentity) } else { Ok(Self { keys }) }
    }

    /// The keys of both.
    pub fn merge(mut self, mut other: Self) -> Self {
        self.keys.append(&mut other.keys);
        self
    }

    /// The public keys, `age1…`, in order.
    pub fn public_keys(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.to_public().to_string()).collect()
    }

    pub(crate) fn for_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| key as &dyn age::Identity)
    }
}

impl KeyPair {
    /// Draws a key pair from the operating system's randomness.
    pub fn generate() -> Self {
        let identity = x25519::Identity::generate();
        let private = SecretString::new(identity.to_string().expose_secret().to_owned());
        Self { public: identity.to_public().to_string(), private }
    }

    /// The text of a key file, as `age-keygen` writes it. `created` is for people.
    pub fn key_file(&self, created: &str) -> SecretString {
        let private = self.private.expose();
        SecretString::new(format!("# created: {created}\n# public key: {}\n{private}\n", self.public))
    }
}

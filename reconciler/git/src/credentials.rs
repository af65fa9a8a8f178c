// SPDX-License-Identifier: AGPL-3.0-or-later
//! How we prove who we are to a remote.
//!
//! Guarantees: secret values live in [`Token`], which cannot be printed, is wiped when dropped, and
//! is asked for only when a remote wants it (a source may decrypt late).
//! Does not read files, environment or home directory, except for a key file that the caller names,
//! and the agent that the SSH library finds by itself when the caller says [`Credential::SshAgent`].

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::RemoteUrl;

/// A secret text without Debug, Display or Serialize.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a secret over.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself, for whoever talks to the remote.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What is shown to a remote.
#[derive(Clone)]
pub enum Credential {
    /// Nothing: a public or local repository.
    None,
    /// User name and password or access token, over HTTPS.
    UserPass {
        /// The user; forges accept any text beside a token.
        username: String,
        /// Password or token.
        password: Token,
    },
    /// An SSH private key in a file.
    SshKeyFile {
        /// The user, when the address names none (`git` otherwise).
        username: Option<String>,
        /// The private key.
        private_key: PathBuf,
        /// What opens the key, if it is locked.
        passphrase: Option<Token>,
    },
    /// An SSH private key in memory, as a Secret of the inventory gives it.
    SshKey {
        /// The user, when the address names none (`git` otherwise).
        username: Option<String>,
        /// The private key in OpenSSH or PEM form.
        private_key: Token,
        /// What opens the key, if it is locked.
        passphrase: Option<Token>,
    },
    /// The SSH agent of this process.
    SshAgent {
        /// The user, when the address names none (`git` otherwise).
        username: Option<String>,
    },
}

/// Why a source has no credential to give. Must not contain the secret.
pub type CredentialError = Box<dyn std::error::Error + Send + Sync>;

/// Where credentials come from. Asked at most once per connection.
pub trait CredentialSource: Send + Sync {
    /// The credential for a remote.
    fn credential(&self, url: &RemoteUrl) -> Result<Credential, CredentialError>;
}

/// A credential that never changes.
impl CredentialSource for Credential {
    fn credential(&self, _url: &RemoteUrl) -> Result<Credential, CredentialError> {
        Ok(self.clone())
    }
}

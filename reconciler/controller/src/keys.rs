// SPDX-License-Identifier: AGPL-3.0-or-later
//! Capabilities and tokens: derived from one secret, never stored.
//!
//! A capability opens one medium of one attempt; a token speaks for one attempt. Both end with it:
//! the next attempt derives others.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256 as Hasher;
use shoal_core::job::{Job, Medium};
use shoal_schema::SecretString;
use shoal_tls::private_file;
use subtle::ConstantTimeEq as _;

/// The fewest characters of a signing secret.
const SHORTEST: usize = 32;

/// Derives capabilities and tokens.
pub struct Keys {
    current: SecretString,
    old: Option<SecretString>,
}

/// The secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file with the secret cannot be read or written.
    #[error("cannot keep the signing secret in {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds too little to be a secret.
    #[error(
        "the signing secret in {path} is shorter than {SHORTEST} characters: remove the file, and a new one is drawn at the start"
    )]
    Short {
        /// The file.
        path: String,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness for the signing secret")]
    Randomness,
}

impl Keys {
    /// From the secrets that were given.
    pub fn new(current: SecretString, old: Option<SecretString>) -> Self {
        Self { current, old }
    }

    /// The secret that is kept in a file, drawn at the first start; readable by its owner only.
    pub fn kept(path: &Path, old: Option<SecretString>) -> Result<Self, KeysError> {
        let file = |source| KeysError::File { path: path.display().to_string(), source };
        match std::fs::read_to_string(path) {
            // An empty or cut file would make capabilities that anybody can derive.
            Ok(text) if text.trim().len() < SHORTEST => {
                Err(KeysError::Short { path: path.display().to_string() })
            }
            Ok(text) => Ok(Self::new(SecretString::new(text), old)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
                getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeysError::Randomness)?;
                let text = SecretString::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
                private_file::write(path, text.expose().as_bytes()).map_err(file)?;
                Ok(Self::new(text, old))
            }
            Err(error) => Err(file(error)),
        }
    }

    /// Whether a path segment opens a medium of a job's current attempt, in constant time.
    pub fn opens(&self, job: &Job, medium: Medium, text: &str) -> bool {
        self.is_derived("media", job, medium_word(medium), text)
    }

    /// The path segment that opens a medium of a job's current attempt.
    pub fn capability(&self, job: &Job, medium: Medium) -> String {
        derive(&self.current, "media", job, medium_word(medium))
    }

    /// The token that speaks for a job's current attempt.
    pub fn token(&self, job: &Job) -> SecretString {
        SecretString::new(derive(&self.current, "token", job, ""))
    }

    /// Whether a text is that token, in constant time.
    pub fn is_token(&self, job: &Job, text: &str) -> bool {
        self.is_derived("token", job, "", text)
    }

    /// The attempt of a job whose token a text is; earlier ones of the same job are known and stale.
    pub fn attempt_of(&self, job: &Job, text: &str) -> Option<u32> {
        let mut earlier = job.clone();
        (1..=job.attempt).rev().find(|attempt| {
            earlier.attempt = *attempt;
            self.is_token(&earlier, text)
        })
    }

    /// The token with which a job's machine pulls its image: the job's id, a dot, and what only we can
    /// derive.
    pub fn registry_token(&self, job: &Job) -> SecretString {
        SecretString::new(format!("{}.{}", job.id, derive(&self.current, "registry", job, "")))
    }

    /// Whether a text is that token, in constant time.
    pub fn is_registry_token(&self, job: &Job, text: &str) -> bool {
        let Some((id, secret)) = text.split_once('.') else { return false };
        self.is_derived("registry", job, "", secret) && id == job.id.as_str()
    }

    fn is_derived(&self, purpose: &str, job: &Job, part: &str, text: &str) -> bool {
        let is = |secret: &SecretString| derive(secret, purpose, job, part).as_bytes().ct_eq(text.as_bytes());
        let mut fits = is(&self.current);
        if let Some(old) = &self.old {
            fits |= is(old);
        }
        fits.into()
    }
}

fn medium_word(medium: Medium) -> &'static str {
    match medium {
        Medium::Boot => "boot",
        Medium::Task => "task",
    }
}

fn derive(secret: &SecretString, purpose: &str, job: &Job, part: &str) -> String {
    let mut mac =
        Hmac::<Hasher>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes any key length");
    for field in [
        purpose,
        job.ledger.as_str(),
        job.id.as_str(),
        &job.epoch.to_string(),
        &job.attempt.to_string(),
        part,
    ] {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

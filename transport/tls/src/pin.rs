// SPDX-License-Identifier: AGPL-3.0-or-later
//! A public key by its SHA-256.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// SHA-256 of a public key (SubjectPublicKeyInfo, DER). Shown as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pin([u8; 32]);

/// A text is no pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is 64 hex digits, with or without sha256: in front")]
pub struct BadPin;

impl Pin {
    /// Reads 64 hex digits in either case, with or without `sha256:` in front.
    pub fn parse(text: &str) -> Result<Self, BadPin> {
        let text = text.trim();
        let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(BadPin);
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(BadPin);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }

    /// The pin of a public key, given as SubjectPublicKeyInfo in DER.
    pub fn of_key(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// The pin of a certificate's key. The error is rustls's: the certificate is damaged.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        Ok(Self::of_key(ParsedCertificate::try_from(certificate)?.subject_public_key_info().as_ref()))
    }
}

impl From<[u8; 32]> for Pin {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Pin {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        Self::parse(text)
    }
}

impl ConstantTimeEq for Pin {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_sixty_four_hex_digits() {
        let text = "0A".repeat(32);
        for good in [text.clone(), format!("sha256:{text}"), format!(" {text}\n")] {
            let pin = Pin::parse(&good).unwrap();
            assert_eq!(pin, Pin::from([10; 32]), "{good:?}");
            assert_eq!(pin.to_string(), text.to_lowercase());
        }
        let signed = format!("+1{}", "0a".repeat(31));
        let wide = format!("{}\u{e9}", "0a".repeat(31));
        for bad in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &"\u{e9}".repeat(32), &signed, &wide] {
            assert_eq!(Pin::parse(bad), Err(BadPin), "{bad}");
        }
    }
}

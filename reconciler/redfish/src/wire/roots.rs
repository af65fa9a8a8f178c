// SPDX-License-Identifier: AGPL-3.0-or-later
//! The operating system's CA bundle.
//!
//! Read from the places where Linux distributions keep it, once per process: ten thousand
//! clients share one copy. The environment is not asked (a library reads none): an operator
//! with another bundle passes it as [`TlsTrust::CaPem`](crate::TlsTrust::CaPem).

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const BUNDLES: [&str; 4] = [
    // Debian, Ubuntu, Arch.
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, RHEL and kin.
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // SUSE.
    "/etc/ssl/ca-bundle.pem",
    // Alpine.
    "/etc/ssl/cert.pem",
];

/// The system's CAs, or why there are none.
pub(crate) fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Result<Arc<RootCertStore>, String>> = OnceLock::new();
    ROOTS
        .get_or_init(|| {
            let bundle =
                BUNDLES.iter().map(Path::new).find(|path| path.is_file()).ok_or_else(|| {
                    "the system has no ca bundle: pin the certificate or give a ca".to_owned()
                })?;
            let pem = std::fs::read(bundle)
                .map_err(|error| format!("{} cannot be read: {error}", bundle.display()))?;
            roots_from_pem(&pem).map(Arc::new)
        })
        .clone()
}

/// CAs out of PEM. Single certificates that cannot be parsed are skipped, as bundles hold odd
/// ones; that none is left is an error.
pub(crate) fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the ca is not valid pem: {error}"))?;
        roots.add_parsable_certificates([certificate]);
    }
    if roots.is_empty() {
        return Err("the ca holds no usable certificate".to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_without_certificates_is_an_error() {
        assert!(roots_from_pem(b"hello").is_err());
        assert!(roots_from_pem(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_err());
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! The keys that a machine may meet at the callback address.

use shoal_tls::pin_of_file;

use crate::controller::Controller;
use crate::jobs::perform::chain;
use crate::settings::TlsMode;

impl Controller {
    /// Every key that a machine may meet at the callback address: our own, and that of a certificate
    /// that was given. 64 hex digits each, as task media carry them.
    pub(crate) fn pins(&self) -> Vec<String> {
        let mut pins = vec![self.own_certificate.pin().to_string()];
        if let TlsMode::Files { cert, .. } = &self.settings.api.tls {
            match pin_of_file(cert) {
                Ok(pin) => pins.push(pin.to_string()),
                Err(error) => tracing::error!(error = %chain(&error), "a certificate has no pin"),
            }
        }
        pins
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets, decrypted when they are used and for as long as that takes.

use std::sync::Arc;

use shoal_core::desired::BmcTarget;
use shoal_redfish::Credentials;
use shoal_secrets::{Identities, Opened, SecretError};

use crate::controller::Controller;

/// A Secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Nothing names an account.
    #[error("no credentials are set for the BMC at {address}")]
    Unset {
        /// The BMC.
        address: String,
    },
    /// There is no such Secret in the inventory.
    #[error("there is no Secret {name} in the inventory")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The controller has no key.
    #[error("the controller has no age key to open Secret {name} with")]
    NoKey {
        /// Its name.
        name: String,
    },
    /// It cannot be opened.
    #[error("cannot open Secret {name}")]
    Open {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// It lacks a value.
    #[error("Secret {name} has no key {key}")]
    Key {
        /// Its name.
        name: String,
        /// The key.
        key: &'static str,
    },
}

/// Opens a Secret of the inventory in force.
pub(crate) fn open(controller: &Controller, name: &str) -> Result<Opened, CredentialsError> {
    let secret = controller.world().inventory.secrets.get(name).map(Arc::clone);
    let secret = secret.ok_or_else(|| CredentialsError::Missing { name: name.to_owned() })?;
    let Some(text) = &controller.settings.identities else {
        return Err(CredentialsError::NoKey { name: name.to_owned() });
    };
    let open = |source| CredentialsError::Open { name: name.to_owned(), source };
    let identities = Identities::parse(text).map_err(open)?;
    shoal_secrets::decrypt(name, &secret.value.spec, &identities).map_err(open)
}

/// The account of a BMC: keys `username` and `password`.
pub(crate) fn credentials(
    controller: &Controller,
    target: &BmcTarget,
) -> Result<Credentials, CredentialsError> {
    let Some(name) = &target.credentials else {
        return Err(CredentialsError::Unset { address: target.address.clone() });
    };
    let opened = open(controller, name)?;
    let value = |key: &'static str| {
        opened
            .get(key)
            .map(|value| zeroize::Zeroizing::new(value.expose().to_owned()))
            .ok_or(CredentialsError::Key { name: name.clone(), key })
    };
    Ok(Credentials::new(value("username")?, value("password")?))
}

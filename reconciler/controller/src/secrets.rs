// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets, decrypted when they are used and for as long as that takes.

use std::sync::Arc;

use shoal_core::inventory::Located;
use shoal_schema::kinds::Secret;
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

/// A Secret of the inventory in force.
pub(crate) fn find(controller: &Controller, name: &str) -> Result<Arc<Located<Secret>>, CredentialsError> {
    let secret = controller.world().inventory.secrets.get(name).map(Arc::clone);
    secret.ok_or_else(|| CredentialsError::Missing { name: name.to_owned() })
}

/// Opens a Secret of the inventory in force.
pub(crate) fn open(controller: &Controller, name: &str) -> Result<Opened, CredentialsError> {
    open_found(controller, name, &*find(controller, name)?)
}

/// Opens a Secret.
pub(crate) fn open_found(
    controller: &Controller,
    name: &str,
    secret: &Located<Secret>,
) -> Result<Opened, CredentialsError> {
    let Some(text) = &controller.settings.identities else {
        return Err(CredentialsError::NoKey { name: name.to_owned() });
    };
    let open = |source| CredentialsError::Open { name: name.to_owned(), source };
    let identities = Identities::parse(text).map_err(open)?;
    shoal_secrets::decrypt(name, &secret.value.spec, &identities).map_err(open)
}

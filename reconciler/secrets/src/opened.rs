// SPDX-License-Identifier: AGPL-3.0-or-later
//! A Secret in the clear.

use std::collections::BTreeMap;

use shoal_schema::SecretString;

use crate::SecretError;

/// The values of one Secret. They cannot print, and are overwritten when dropped.
pub struct Opened {
    name: String,
    data: BTreeMap<String, SecretString>,
}

impl Opened {
    pub(crate) fn new(name: String, data: BTreeMap<String, SecretString>) -> Self {
        Self { name, data }
    }

    /// The Secret's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The keys, in order. They are not secret.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.data.keys().map(String::as_str)
    }

    /// A value.
    pub fn get(&self, key: &str) -> Option<&SecretString> {
        self.data.get(key)
    }

    /// A value that must be there.
    pub fn require(&self, key: &str) -> Result<&SecretString, SecretError> {
        self.get(key).ok_or_else(|| SecretError::NoValue {
            secret: self.name.clone(),
            key: key.to_owned(),
            keys: self.keys().map(str::to_owned).collect(),
        })
    }

    /// All values by key.
    pub fn data(&self) -> &BTreeMap<String, SecretString> {
        &self.data
    }
}

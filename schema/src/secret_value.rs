// SPDX-License-Identifier: AGPL-3.0-or-later
//! A string that cannot print.
//!
//! There is no `Debug`, `Display` or `Serialize`. Bodies that must carry a secret over an
//! authenticated connection opt in field by field with [`on_the_wire`].

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Secret text, overwritten when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretString(String);

impl SecretString {
    /// Takes ownership of the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Every call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is any text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for SecretString {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretString".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

/// For `#[serde(serialize_with = …)]` on the few fields that travel.
pub mod on_the_wire {
    use super::SecretString;
    use serde::{Serialize as _, Serializer};

    /// Writes the secret out.
    pub fn required<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    /// Writes the secret out, or nothing.
    pub fn optional<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(SecretString::expose).serialize(serializer)
    }
}

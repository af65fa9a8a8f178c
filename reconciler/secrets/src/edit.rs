// SPDX-License-Identifier: AGPL-3.0-or-later
//! A Secret on its way through an editor, as YAML.
//!
//! Expected flow: [`Editing::begin`], hand [`Editing::text`] to the editor through a file that only
//! its owner can read, [`Editing::finish`] with what comes back.
//!
//! Guarantees: who saves without a change rewrites nothing; the recipients stay those that the
//! Secret names, with the keys that the fleet has for them now.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use shoal_schema::SecretString;
use shoal_schema::kinds::{Recipient, SecretSpec};

use crate::encrypt::is_data_key;
use crate::{Identities, Opened, SecretError, decrypt, encrypt, named_recipients};

/// An opened Secret that is being edited.
pub struct Editing {
    opened: Opened,
    spec: SecretSpec,
}

/// What came out of the editor.
pub enum Edited {
    /// The same values: the file stays as it is.
    Unchanged,
    /// Other values, encrypted.
    Changed(SecretSpec),
}

impl Editing {
    /// Opens a Secret for editing.
    pub fn begin(name: &str, spec: &SecretSpec, identities: &Identities) -> Result<Self, SecretError> {
        Ok(Self { opened: decrypt(name, spec, identities)?, spec: spec.clone() })
    }

    /// The values as YAML, one key a line, with a line for the person above them.
    pub fn text(&self) -> SecretString {
        let data: BTreeMap<&str, &str> =
            self.opened.data().iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
        let mut yaml = yaml_serde::to_string(&data).expect("a map of strings has YAML");
        let head =
            format!("# {}: one `key: value` a line, `key: |` for several lines.\n", self.opened.name());
        yaml.insert_str(0, &head);
        SecretString::new(yaml)
    }

    /// Reads what came back and encrypts it where it differs.
    pub fn finish(&self, text: &SecretString, fleet: &[Recipient]) -> Result<Edited, SecretError> {
        let name = self.opened.name();
        let data = parse_values(name, text)?;
        let same = data.len() == self.opened.data().len()
            && data.iter().all(|(key, value)| {
                self.opened.get(key).is_some_and(|before| before.expose() == value.expose())
            });
        if same {
            return Ok(Edited::Unchanged);
        }
        let recipients = named_recipients(name, &self.spec, fleet)?;
        encrypt(name, &data, &recipients).map(Edited::Changed)
    }
}

/// Reads values from YAML: a map of plain keys to strings. For `shoal secret new` as well.
pub fn parse_values(
    secret: &str,
    text: &SecretString,
) -> Result<BTreeMap<String, SecretString>, SecretError> {
    let values: Values = yaml_serde::from_str(text.expose()).map_err(|error| {
        // The parser's message may quote what it stumbles over; its place does not.
        let line = error.location().map(|place| place.line());
        let known = error.to_string();
        let reason = REASONS.into_iter().find(|reason| known.contains(reason)).unwrap_or(NOT_YAML);
        SecretError::Edited { secret: secret.to_owned(), reason, line }
    })?;
    Ok(values.0)
}

const NOT_YAML: &str =
    "it is not YAML of `key: value` lines; quote values that begin with a sign or hold `: `";
const DUPLICATE: &str = "a key stands there twice";
const BAD_KEY: &str = "a key is not made of letters, digits, `_`, `-` and `.` (at most 63)";
const NOT_TEXT: &str = "a value is not text: quote it";
const REASONS: [&str; 3] = [DUPLICATE, BAD_KEY, NOT_TEXT];

struct Values(BTreeMap<String, SecretString>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of values")
    }

    fn visit_unit<E>(self) -> Result<Values, E> {
        Ok(Values(BTreeMap::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        use serde::de::Error as _;
        let mut values = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if !is_data_key(&key) {
                return Err(A::Error::custom(BAD_KEY));
            }
            let Text(value) = map.next_value()?;
            if values.insert(key, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Values(values))
    }
}

/// Text, and nothing that YAML takes for something else: `24.10` would lose its zero.
struct Text(SecretString);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl TextVisitor {
    fn refuse<E: serde::de::Error>() -> Result<Text, E> {
        Err(E::custom(NOT_TEXT))
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOT_TEXT)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(SecretString::new(text.to_owned())))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(SecretString::new(text)))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Text, E> {
        Self::refuse()
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Text, A::Error> {
        Self::refuse()
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Text, A::Error> {
        Self::refuse()
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Secrets that are planted, and the search for them afterwards.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use shoal_schema::SecretString;
use shoal_secrets::Redactor;

use super::evidence::Search;

/// Secrets of the demo: Secret name → key → value. Drawn anew each time, so that a value that is found
/// somewhere can have come from here only.
pub(crate) struct Planted {
    /// By Secret.
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, SecretString>>,
    /// The account that every BMC has.
    pub(crate) bmc_user: String,
    /// Its password.
    pub(crate) bmc_password: SecretString,
}

impl Planted {
    /// Draws the values.
    pub(crate) fn draw() -> anyhow::Result<Self> {
        let bmc_user = "shoal".to_owned();
        let bmc_password = random("bmc")?;
        let mut secrets = BTreeMap::new();
        for rack in ["a", "b"] {
            let account = BTreeMap::from([
                ("username".to_owned(), SecretString::new(bmc_user.clone())),
                ("password".to_owned(), bmc_password.clone()),
            ]);
            secrets.insert(format!("bmc/rack-{rack}"), account);
        }
        secrets.insert("os/admin".to_owned(), BTreeMap::from([("hash".to_owned(), random("$6$demo$")?)]));
        let postgres = BTreeMap::from([("replication".to_owned(), random("postgres")?)]);
        secrets.insert("os/postgres".to_owned(), postgres);
        Ok(Self { secrets, bmc_user, bmc_password })
    }

    /// What must be found nowhere: every value but the account's name, which is none.
    fn values(&self) -> Vec<(&str, &str, &SecretString)> {
        let keys = self
            .secrets
            .iter()
            .flat_map(|(name, keys)| keys.iter().map(move |(key, value)| (name, key, value)));
        keys.filter(|(_, key, _)| *key != "username")
            .map(|(name, key, value)| (name.as_str(), key.as_str(), value))
            .collect()
    }

    /// Searches texts by what they are, in every usual encoding.
    pub(crate) fn search(&self, texts: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<Search> {
        let mut redactor = Redactor::new();
        let mut proof = Vec::new();
        let mut hex = String::new();
        let values = self.values();
        for (name, key, value) in &values {
            redactor.add_value(name, key, value);
            proof.extend_from_slice(value.expose().as_bytes());
            proof.push(b'\n');
            for byte in value.expose().bytes() {
                write!(&mut hex, "{byte:02x}").context("write a proof")?;
            }
            hex.push('\n');
        }
        let mut found = Vec::new();
        for (what, text) in texts {
            for leak in redactor.leaks(text) {
                found.push(format!(
                    "{what}: {}.{} as {:?} at byte {}",
                    leak.secret, leak.key, leak.form, leak.offset
                ));
            }
        }
        // A search that finds nothing must be one that could: here is every value once, in two forms.
        let finds = |text: &[u8]| redactor.leaks(text).len() >= values.len();
        let proven = finds(&proof) && finds(hex.as_bytes());
        let searched = texts.iter().map(|(what, text)| (what.clone(), text.len())).collect();
        Ok(Search { planted: values.len(), searched, found, proven })
    }
}

fn random(prefix: &str) -> anyhow::Result<SecretString> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).context("draw a secret")?;
    let mut text = prefix.to_owned();
    for byte in bytes {
        write!(text, "{byte:02x}").context("write a secret")?;
    }
    Ok(SecretString::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planted_is_found_and_what_is_not_is_not() {
        let planted = Planted::draw().unwrap();
        let clean = BTreeMap::from([("log".to_owned(), b"shoal logged in".to_vec())]);
        let search = planted.search(&clean).unwrap();
        assert!(search.found.is_empty() && search.proven && search.planted == 4, "{:?}", search.found);
        let leaked = format!("password={}", planted.bmc_password.expose());
        let search = planted.search(&BTreeMap::from([("log".to_owned(), leaked.into_bytes())])).unwrap();
        assert!(search.found[0].starts_with("log: bmc/rack-"), "{:?}", search.found);
        assert!(!search.found[0].contains(planted.bmc_password.expose()));
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Certificates, accounts and keys.

use std::path::Path;

use shoal_controller::settings::{Account, Auth, Role, TlsMode};
use shoal_schema::SecretString;
use shoal_secrets::Identities;

use super::value::Values;
use crate::host::read_private;

/// How the API's first listener speaks.
pub(super) fn tls(values: &mut Values<'_>) -> TlsMode {
    let files = (values.path("TLS_CERT_FILE"), values.path("TLS_KEY_FILE"));
    let mode = values.word("TLS_MODE", &["off", "own", "files"]);
    match (mode, files) {
        (None | Some("files"), (Some(cert), Some(key))) => {
            for path in [&cert, &key] {
                if !path.is_file() {
                    values
                        .faults
                        .add(format!("TLS_CERT_FILE, TLS_KEY_FILE: there is no file {}", path.display()));
                }
            }
            TlsMode::Files { cert, key }
        }
        (None | Some("off"), (None, None)) => TlsMode::Off,
        (Some("own"), (None, None)) => TlsMode::Own,
        (Some(mode @ ("off" | "own")), _) => {
            values.faults.add(format!("TLS_MODE is {mode}, and TLS_CERT_FILE or TLS_KEY_FILE is set"));
            TlsMode::Off
        }
        (_, _) => {
            values.faults.add("TLS_CERT_FILE and TLS_KEY_FILE belong together: one of them is not set");
            TlsMode::Off
        }
    }
}

/// Who may use the API over the network.
pub(super) fn auth(values: &mut Values<'_>, notes: &mut Vec<String>) -> Auth {
    let given = values.layers.get("AUTH_MODE").cloned();
    if given.as_ref().is_some_and(|given| given.text.trim().eq_ignore_ascii_case("jwt")) {
        values.faults.add("AUTH_MODE=jwt is not in this version; use basic");
        return Auth::None;
    }
    let mode = values.word("AUTH_MODE", &["none", "basic"]);
    let mut accounts = Vec::new();
    for (user_name, hash_name, role) in
        [("BASIC_USER", "BASIC_PASS_HASH", Role::Admin), ("READER_USER", "READER_PASS_HASH", Role::Reader)]
    {
        match (values.text(user_name), values.secret(hash_name)) {
            (None, None) => {}
            (Some(user), Some(hash)) => {
                if user.contains(':') {
                    values.faults.add(format!("{user_name}: a colon cannot be part of an account's name"));
                }
                if !is_hash(hash.expose()) {
                    values.faults.add(format!(
                        "{hash_name} is neither an Argon2id hash ($argon2id$...) nor a bcrypt hash ($2b$...)"
                    ));
                }
                accounts.push(Account { user, hash: hash.expose().to_owned(), role });
            }
            _ => values
                .faults
                .add(format!("{user_name} and {hash_name} belong together: one of them is not set")),
        }
    }
    if let [first, second] = accounts.as_slice()
        && first.user == second.user
    {
        values.faults.add("BASIC_USER and READER_USER are the same account");
    }
    match (mode, accounts.is_empty()) {
        (Some("none"), false) => {
            values.faults.add("AUTH_MODE is none, and an account is set");
            Auth::None
        }
        (Some("basic"), true) => {
            values.faults.add("AUTH_MODE is basic, and no account is set: BASIC_USER and BASIC_PASS_HASH");
            Auth::None
        }
        (_, false) => Auth::Basic(accounts),
        (None, true) => {
            notes.push("no account is set: whoever reaches the API's listener may do everything".to_owned());
            Auth::None
        }
        (Some(_), true) => Auth::None,
    }
}

/// Argon2id and bcrypt, by how their hashes begin.
fn is_hash(text: &str) -> bool {
    ["$argon2id$", "$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) && text.len() >= 50
}

/// The controller's age private keys.
pub(super) fn identities(values: &mut Values<'_>, notes: &mut Vec<String>) -> Option<SecretString> {
    let Some(given) = values.layers.get("SHOAL_AGE_KEY_FILE").cloned() else {
        notes.push(
            "SHOAL_AGE_KEY_FILE is not set: no Secret can be opened, and no BMC logged in to".to_owned(),
        );
        return None;
    };
    let read = read_private(Path::new(given.text.trim()), "the age private keys")
        .and_then(|text| Identities::parse(&text).map(|_| text).map_err(Into::into));
    match read {
        Ok(text) => Some(text),
        Err(error) => {
            values.faults.add(format!("SHOAL_AGE_KEY_FILE ({}): {}", given.origin, error.one_line()));
            None
        }
    }
}

/// What capabilities and tokens are derived from.
pub(super) fn signing_secret(values: &mut Values<'_>, name: &'static str) -> Option<SecretString> {
    let secret = values.secret(name)?;
    if secret.expose().len() < 16 {
        values.faults.add(format!("{name} is too short: at least 16 characters, better 32 random bytes"));
    }
    if name == "SIGNED_URL_SECRET_OLD"
        && !values.is_set("SIGNED_URL_SECRET")
        && !values.is_set("SIGNED_URL_SECRET_FILE")
    {
        values.faults.add("SIGNED_URL_SECRET_OLD is set, and SIGNED_URL_SECRET is not");
    }
    Some(secret)
}

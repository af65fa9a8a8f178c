// SPDX-License-Identifier: AGPL-3.0-or-later
//! Logins that other tools (podman, skopeo, docker) keep in files: `containers-auth.json(5)` and
//! Docker's `config.json`.
//!
//! Only what is in the files is used. Helper programs are never started; that one is named is said,
//! so that a person can be told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use shoal_schema::SecretString;
use zeroize::Zeroizing;

use crate::options::Credentials;

/// The environment that says where the files are; handed in, not read.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthFilePlaces<'a> {
    /// `REGISTRY_AUTH_FILE`: if set, the only file.
    pub registry_auth_file: Option<&'a Path>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<&'a Path>,
    /// The user's home directory.
    pub home: Option<&'a Path>,
}

impl AuthFilePlaces<'_> {
    /// The files to read, the one that counts most first. Those that do not exist are to be left out.
    pub fn paths(&self) -> Vec<PathBuf> {
        if let Some(file) = self.registry_auth_file {
            return vec![file.to_owned()];
        }
        let runtime = self.runtime_dir.map(|dir| dir.join("containers/auth.json"));
        let home =
            self.home.map(|dir| [dir.join(".config/containers/auth.json"), dir.join(".docker/config.json")]);
        runtime.into_iter().chain(home.into_iter().flatten()).collect()
    }
}

/// What the files know about a registry.
#[derive(Debug)]
pub enum AuthLookup {
    /// A login, and the file that it is from.
    Found {
        /// The login.
        credentials: Credentials,
        /// Where it is from.
        path: PathBuf,
    },
    /// Only a helper program would know; it is not started.
    OnlyHelper {
        /// The program: `docker-credential-NAME`.
        helper: String,
        /// Where it is named.
        path: PathBuf,
    },
    /// Nothing.
    Nothing,
}

impl AuthLookup {
    /// What to tell a person who expected a login.
    pub fn hint(&self) -> Option<String> {
        let Self::OnlyHelper { helper, path } = self else { return None };
        Some(format!(
            "{} leaves logins to the program docker-credential-{helper}, which is not started: \
             give a user and a password, or log in with a file (podman login --authfile FILE)",
            path.display()
        ))
    }
}

/// A file with logins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    /// It is not what it should be. The cause is left out: it may quote a secret.
    #[error("{} is no file with logins: line {line} is wrong", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An entry's `auth` is not base64 of USER:PASSWORD.
    #[error("{} has no usable login for {entry}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    registrytoken: Option<SecretString>,
}

/// The login for a registry (and a repository in it) from the texts of files, in the order given.
///
/// The most specific entry of the first file that has one counts.
pub fn credentials_from_auth_files(
    registry: &str,
    repository: Option<&str>,
    files: &[(PathBuf, SecretString)],
) -> Result<AuthLookup, AuthFileError> {
    let mut helper = AuthLookup::Nothing;
    for (path, text) in files {
        let file: AuthFile = serde_json::from_str(text.expose())
            .map_err(|error| AuthFileError::Malformed { path: path.clone(), line: error.line() })?;
        for key in keys(registry, repository) {
            let found = file.auths.iter().find(|(name, _)| normal(name) == key);
            let Some((name, entry)) = found else { continue };
            let bad = || AuthFileError::Entry { path: path.clone(), entry: name.clone() };
            if let Some(credentials) = read(entry).map_err(|()| bad())? {
                return Ok(AuthLookup::Found { credentials, path: path.clone() });
            }
        }
        let named = file.cred_helpers.get(registry).or(file.creds_store.as_ref());
        if let (Some(named), AuthLookup::Nothing) = (named, &helper) {
            helper = AuthLookup::OnlyHelper { helper: named.clone(), path: path.clone() };
        }
    }
    Ok(helper)
}

/// The names that an entry may have: `HOST/a/b`, `HOST/a`, `HOST`.
fn keys(registry: &str, repository: Option<&str>) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = repository;
    while let Some(path) = rest {
        keys.push(format!("{registry}/{path}"));
        rest = path.rsplit_once('/').map(|(parent, _)| parent);
    }
    keys.push(registry.to_owned());
    if registry == "docker.io" {
        keys.push("index.docker.io".to_owned());
    }
    keys
}

/// Docker writes addresses (`https://HOST/v1/`), of which only the host means something.
fn normal(name: &str) -> &str {
    match name.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
        None => name.trim_end_matches('/'),
    }
}

fn read(entry: &Entry) -> Result<Option<Credentials>, ()> {
    if let Some(token) = entry.registrytoken.as_ref().filter(|token| !token.is_empty()) {
        return Ok(Some(Credentials::Bearer(token.clone())));
    }
    if let (Some(user), Some(password)) = (&entry.username, &entry.password)
        && !user.is_empty()
    {
        return Ok(Some(Credentials::Password { user: user.clone(), password: password.clone() }));
    }
    // Empty: docker notes the registry here and the login in its helper.
    let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.is_empty()) else { return Ok(None) };
    let decoded = Zeroizing::new(STANDARD.decode(auth.expose().trim()).map_err(|_| ())?);
    let text = std::str::from_utf8(&decoded).map_err(|_| ())?;
    let (user, password) = text.split_once(':').ok_or(())?;
    let password = SecretString::new(password.trim_end_matches('\0').to_owned());
    Ok(Some(Credentials::Password { user: user.to_owned(), password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(registry: &str, repository: Option<&str>, texts: &[&str]) -> Result<AuthLookup, AuthFileError> {
        let files: Vec<_> = (1..)
            .zip(texts)
            .map(|(n, text)| (PathBuf::from(format!("/{n}")), SecretString::new((*text).to_owned())))
            .collect();
        credentials_from_auth_files(registry, repository, &files)
    }

    fn password(lookup: AuthLookup) -> String {
        match lookup {
            AuthLookup::Found { credentials: Credentials::Password { user, password }, path } => {
                format!("{user}:{} from {}", password.expose(), path.display())
            }
            other => format!("{other:?}"),
        }
    }

    // user:pa:ss and other:word
    const ONE: &str = r#"{"auths":{"r.example:5000":{"auth":"dXNlcjpwYTpzcw=="},"r.example:5000/team":{"auth":"b3RoZXI6d29yZA=="}}}"#;

    #[test]
    fn the_most_specific_entry_counts() {
        let found = |repository| password(lookup("r.example:5000", repository, &[ONE]).unwrap());
        assert_eq!(found(None), "user:pa:ss from /1");
        assert_eq!(found(Some("os/debian")), "user:pa:ss from /1");
        assert_eq!(found(Some("team/debian")), "other:word from /1");
        assert_eq!(found(Some("teams/debian")), "user:pa:ss from /1");
    }

    #[test]
    fn another_port_is_another_registry() {
        assert!(matches!(lookup("r.example", None, &[ONE]).unwrap(), AuthLookup::Nothing));
    }

    #[test]
    fn the_first_file_with_an_entry_counts() {
        let second = r#"{"auths":{"r.example:5000":{"username":"x","password":"y"}}}"#;
        assert_eq!(password(lookup("r.example:5000", None, &["{}", second, ONE]).unwrap()), "x:y from /2");
    }

    #[test]
    fn docker_writes_addresses() {
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwYTpzcw=="}}}"#;
        assert_eq!(
            password(lookup("docker.io", Some("library/debian"), &[hub]).unwrap()),
            "user:pa:ss from /1"
        );
    }

    #[test]
    fn a_helper_is_named_and_not_started() {
        let text = r#"{"auths":{"r.example":{}},"credsStore":"desktop"}"#;
        let found = lookup("r.example", None, &[text]).unwrap();
        assert!(found.hint().unwrap().contains("docker-credential-desktop"));
        let text = r#"{"credHelpers":{"r.example":"ecr-login"}}"#;
        assert!(lookup("r.example", None, &[text]).unwrap().hint().unwrap().contains("ecr-login"));
    }

    #[test]
    fn a_damaged_file_or_entry_is_an_error_that_quotes_nothing() {
        let error = lookup("r.example", None, &["{\n\"auths\": \"secret\"}"]).unwrap_err().to_string();
        assert_eq!(error, "/1 is no file with logins: line 2 is wrong");
        let error =
            lookup("r.example", None, &[r#"{"auths":{"r.example":{"auth":"c2VjcmV0"}}}"#]).unwrap_err();
        assert_eq!(error.to_string(), "/1 has no usable login for r.example");
    }

    #[test]
    fn a_file_named_by_the_environment_is_the_only_one() {
        let home = Path::new("/home/me");
        let places =
            AuthFilePlaces { home: Some(home), runtime_dir: Some(Path::new("/run/1")), ..Default::default() };
        let paths: Vec<_> = places.paths().iter().map(|path| path.display().to_string()).collect();
        assert_eq!(
            paths,
            [
                "/run/1/containers/auth.json",
                "/home/me/.config/containers/auth.json",
                "/home/me/.docker/config.json"
            ]
        );
        let named = AuthFilePlaces { registry_auth_file: Some(Path::new("/x")), ..places };
        assert_eq!(named.paths(), [PathBuf::from("/x")]);
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the inventory is, and how to get there.

use std::path::Path;

use shoal_controller::settings::Source;
use shoal_git::{CloneView, Credential, GitError, RemoteUrl, Token};

use super::value::Values;
use crate::host::read_private;

/// The repository or directory that `SHOAL_REPO` names.
pub(super) fn source(values: &mut Values<'_>) -> Option<Source> {
    let Some(given) = values.layers.get("SHOAL_REPO").cloned() else {
        values.missing("SHOAL_REPO", "the address or directory of the inventory's repository");
        return None;
    };
    let text = given.text.trim();
    let url = match RemoteUrl::parse(text) {
        Ok(url) => url,
        Err(error) => {
            // The error's own text is masked; what was given may hold a token.
            values.faults.add(format!("SHOAL_REPO ({}): {error}", given.origin));
            return None;
        }
    };
    let branch = values.text("SHOAL_BRANCH");
    if let Some(path) = url.local_path() {
        if !path.is_dir() {
            values.wrong("SHOAL_REPO", given, "there is no such directory");
            return None;
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        return match is_repository(&path) {
            Ok(true) => {
                Some(Source::Git { url: RemoteUrl::local(&path), branch, credential: Credential::None })
            }
            Ok(false) => {
                if branch.is_some() {
                    let why = format!("{} is no git repository, so there is no branch", path.display());
                    values.faults.add(format!("SHOAL_BRANCH: {why}"));
                }
                Some(Source::Directory(path))
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                values.faults.add(format!("SHOAL_REPO ({}): {error}{hint}", given.origin));
                None
            }
        };
    }
    let credential = credential(values, text)?;
    Some(Source::Git { url, branch, credential })
}

/// Whether a directory is the top of a repository; one inside of a repository is a plain directory.
fn is_repository(path: &Path) -> Result<bool, GitError> {
    match CloneView::discover(path) {
        Ok(clone) => Ok(match (clone.root().canonicalize(), path.canonicalize()) {
            (Ok(root), Ok(path)) => root == path,
            _ => false,
        }),
        Err(GitError::NotARepository { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn credential(values: &mut Values<'_>, address: &str) -> Option<Credential> {
    let token = values.layers.get("SHOAL_GIT_TOKEN_FILE").cloned();
    let key = values.path("SHOAL_GIT_SSH_KEY_FILE");
    if address.starts_with("https://") || address.starts_with("http://") {
        let Some(token) = token else { return Some(Credential::None) };
        let username = values.text("SHOAL_GIT_USER").unwrap_or_else(|| "git".to_owned());
        return match read_private(Path::new(token.text.trim()), "the token for Git") {
            Ok(text) => {
                let password = Token::new(text.expose().trim().to_owned());
                Some(Credential::UserPass { username, password })
            }
            Err(error) => {
                values.faults.add(format!("SHOAL_GIT_TOKEN_FILE ({}): {}", token.origin, error.one_line()));
                None
            }
        };
    }
    let Some(private_key) = key else { return Some(Credential::SshAgent { username: None }) };
    if !private_key.is_file() {
        let message = format!("SHOAL_GIT_SSH_KEY_FILE: there is no file {}", private_key.display());
        values.faults.add(message);
        return None;
    }
    Some(Credential::SshKeyFile { username: None, private_key, passphrase: None })
}

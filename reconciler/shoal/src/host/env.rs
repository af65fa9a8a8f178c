// SPDX-License-Identifier: AGPL-3.0-or-later
//! The environment, as it was when the process began.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::CliError;

/// The environment. An empty variable counts as one that is not set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env(BTreeMap<OsString, OsString>);

impl Env {
    pub(crate) fn new(variables: BTreeMap<OsString, OsString>) -> Self {
        Self(variables)
    }

    /// A variable's text. Its value is in no message: it may be a secret.
    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, CliError> {
        match self.raw(name) {
            None => Ok(None),
            Some(value) => value.clone().into_string().map(Some).map_err(|_| {
                CliError::user("env.encoding", format!("the environment variable {name} is not UTF-8"))
            }),
        }
    }

    /// A variable that is a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from)
    }

    /// Whether it is set to anything.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The names that are text, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    fn raw(&self, name: &str) -> Option<&OsString> {
        self.0.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    #[test]
    fn an_empty_variable_is_not_set_and_one_that_is_no_text_is_an_error_without_its_value() {
        let env = Env::new(BTreeMap::from([
            ("A".into(), "x".into()),
            ("B".into(), "".into()),
            ("C".into(), OsString::from_vec(b"s3cret\xff".to_vec())),
        ]));
        assert_eq!(env.get("A").unwrap().as_deref(), Some("x"));
        assert!(env.get("B").unwrap().is_none() && !env.is_set("B"));
        let error = env.get("C").unwrap_err().render(false);
        assert!(error.contains("variable C") && !error.contains("s3cret"), "{error}");
    }
}

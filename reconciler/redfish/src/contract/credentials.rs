// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMC credentials: a type that cannot print and is wiped from memory when dropped.

use std::fmt;
use std::sync::{Arc, Weak};

use zeroize::Zeroizing;

/// User name and password for one BMC.
///
/// There is no `Display`, no `Serialize` and no getter outside this crate; `Debug` prints a
/// fixed word, so that a struct that holds credentials may still be printed.
///
/// A copy refers to the same text, which is overwritten when the last of them goes.
#[derive(Clone)]
pub struct Credentials(Arc<Account>);

struct Account {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

/// Credentials for as long as somebody uses them; keeps nothing by itself.
#[derive(Clone)]
pub struct CredentialsInUse(Weak<Account>);

impl CredentialsInUse {
    /// The credentials; nothing once nobody uses them any more.
    pub fn get(&self) -> Option<Credentials> {
        self.0.upgrade().map(Credentials)
    }
}

impl Credentials {
    /// Takes both parts over. A `Zeroizing<String>` may be passed so that no plain copy is left.
    pub fn new(user: impl Into<Zeroizing<String>>, password: impl Into<Zeroizing<String>>) -> Self {
        Self(Arc::new(Account { user: user.into(), password: password.into() }))
    }

    /// For whoever wants to share them with the next user, and not to keep them.
    pub fn in_use(&self) -> CredentialsInUse {
        CredentialsInUse(Arc::downgrade(&self.0))
    }

    pub(crate) fn user(&self) -> &str {
        &self.0.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.0.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_print_neither_user_nor_password() {
        let credentials = Credentials::new("root".to_owned(), "calvin".to_owned());
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("root") && !shown.contains("calvin"), "{shown}");
    }

    #[test]
    fn credentials_can_be_shared_for_as_long_as_somebody_uses_them() {
        let first = Credentials::new("root".to_owned(), "calvin".to_owned());
        let in_use = first.in_use();
        let second = in_use.get().unwrap();
        drop(first);
        assert_eq!((second.user(), second.password()), ("root", "calvin"));
        assert!(in_use.get().is_some());
        drop(second);
        assert!(in_use.get().is_none());
    }
}

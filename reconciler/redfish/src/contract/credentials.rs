// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMC credentials: a type that cannot print and is wiped from memory when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// User name and password for one BMC.
///
/// There is no `Display`, no `Serialize` and no getter outside this crate; `Debug` prints a
/// fixed word, so that a struct that holds credentials may still be printed.
#[derive(Clone)]
pub struct Credentials {
    user: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Credentials {
    /// Takes both parts over. A `Zeroizing<String>` may be passed so that no plain copy is left.
    pub fn new(user: impl Into<Zeroizing<String>>, password: impl Into<Zeroizing<String>>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
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
}

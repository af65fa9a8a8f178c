// SPDX-License-Identifier: AGPL-3.0-or-later
//! Accounts of BMCs: a Secret is opened once for all who use it at the same time, and closed with the last of them.
//!
//! A whole fleet often has one account, and opening it costs a fifth of a millisecond of public-key cryptography for
//! each look and each job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use shoal_core::desired::BmcTarget;
use shoal_core::inventory::Located;
use shoal_redfish::{Credentials, CredentialsInUse};
use shoal_schema::kinds::Secret;

use crate::controller::Controller;
use crate::secrets::{self, CredentialsError};

/// What is open, by the Secret's name.
#[derive(Default)]
pub(super) struct Accounts(Mutex<HashMap<String, Open>>);

struct Open {
    /// What it was read from.
    secret: Weak<Located<Secret>>,
    account: CredentialsInUse,
}

impl Accounts {
    /// The account of a BMC: keys `username` and `password`.
    pub(super) fn of(
        &self,
        controller: &Controller,
        target: &BmcTarget,
    ) -> Result<Credentials, CredentialsError> {
        let Some(name) = &target.credentials else {
            return Err(CredentialsError::Unset { address: target.address.clone() });
        };
        let secret = secrets::find(controller, name)?;
        self.share(name, &secret, || {
            let opened = secrets::open_found(controller, name, &secret)?;
            let value = |key: &'static str| {
                opened
                    .get(key)
                    .map(|value| zeroize::Zeroizing::new(value.expose().to_owned()))
                    .ok_or(CredentialsError::Key { name: name.clone(), key })
            };
            Ok(Credentials::new(value("username")?, value("password")?))
        })
    }

    /// What is open of this very document, or what it opens to.
    fn share<E>(
        &self,
        name: &str,
        secret: &Arc<Located<Secret>>,
        open: impl FnOnce() -> Result<Credentials, E>,
    ) -> Result<Credentials, E> {
        // Not held while it is opened: two that come at once cost no more than each by itself.
        if let Some(account) = self.lock().get(name).and_then(|open| open.of(secret)) {
            return Ok(account);
        }
        let account = open()?;
        let mut all = self.lock();
        all.retain(|_, open| open.account.get().is_some());
        all.insert(name.to_owned(), Open { secret: Arc::downgrade(secret), account: account.in_use() });
        Ok(account)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn of(&self, secret: &Arc<Located<Secret>>) -> Option<Credentials> {
        // The memory of a document that went is not used again while somebody refers to it.
        std::ptr::eq(self.secret.as_ptr(), Arc::as_ptr(secret)).then(|| self.account.get())?
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use shoal_core::inventory::Lines;

    use super::*;

    /// A document, each time another one.
    fn document() -> Arc<Located<Secret>> {
        let value = serde_json::json!({
            "apiVersion": "shoal.dev/v1", "kind": "Secret", "metadata": {"name": "bmc/all"},
            "spec": {"recipients": ["controller"], "recipientsDigest": shoal_schema::Sha256::of(b""), "age": ""},
        });
        let value = serde_json::from_value(value).unwrap();
        Arc::new(Located { value, file: "secrets/bmc/all.yaml".into(), lines: Lines::default() })
    }

    #[test]
    fn a_secret_is_opened_once_for_all_who_use_it_at_the_same_time_and_anew_for_whoever_comes_later() {
        let (accounts, opened) = (Accounts::default(), Cell::new(0));
        let open = |secret: &Arc<Located<Secret>>| {
            let open = || {
                opened.set(opened.get() + 1);
                Ok::<_, ()>(Credentials::new("root".to_owned(), "calvin".to_owned()))
            };
            accounts.share("bmc/all", secret, open).unwrap()
        };
        let secret = document();
        let (first, second) = (open(&secret), open(&secret));
        assert_eq!(opened.get(), 1);
        drop(first);
        let third = open(&secret);
        assert_eq!(opened.get(), 1);
        // Another document under that name is another account.
        let changed = document();
        let fourth = open(&changed);
        assert_eq!(opened.get(), 2);
        drop((second, third, fourth));
        let _fifth = open(&changed);
        assert_eq!(opened.get(), 3);
    }

    #[test]
    fn a_secret_that_cannot_be_opened_is_tried_again_and_what_nobody_uses_is_forgotten() {
        let accounts = Accounts::default();
        let secret = document();
        assert_eq!(accounts.share("bmc/a", &secret, || Err("damaged")).err(), Some("damaged"));
        let open = || Ok::<_, ()>(Credentials::new("root".to_owned(), "calvin".to_owned()));
        drop(accounts.share("bmc/a", &secret, open));
        let _used = accounts.share("bmc/b", &secret, open).unwrap();
        assert_eq!(accounts.lock().keys().collect::<Vec<_>>(), ["bmc/b"]);
    }
}

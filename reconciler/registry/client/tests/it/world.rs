// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the tests have in common.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shoal_oci::{Algorithm, Digest, RepositoryName};
use shoal_registry_client::{
    Client, ClientOptions, Credentials, Progress, ProgressUpdate, Retries, SharedProgress, Stage,
};
use shoal_schema::SecretString;
use shoal_tls::Trust;

use crate::fake::Fake;

/// Options that wait for nothing and send chunks of 1000 bytes.
pub(crate) fn options() -> ClientOptions {
    ClientOptions {
        chunk: 1000,
        retries: Retries {
            attempts: 3,
            unanswered: 1,
            first_wait: Duration::ZERO,
            longest_wait: Duration::from_millis(1),
        },
        ..ClientOptions::new(Trust::System)
    }
}

pub(crate) fn client(fake: &Fake) -> Client {
    Client::new(&fake.host(), options()).unwrap()
}

pub(crate) fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password { user: user.to_owned(), password: SecretString::new(password.to_owned()) }
}

pub(crate) fn repository(name: &str) -> RepositoryName {
    RepositoryName::parse(name).unwrap()
}

/// Bytes that are nowhere the same.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// What was told about a transfer.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<(Stage, u64, Option<u64>)>>);

impl Progress for Told {
    fn update(&self, update: ProgressUpdate<'_>) {
        self.0.lock().unwrap().push((update.stage, update.done, update.total));
    }
}

impl Told {
    pub(crate) fn new() -> (Arc<Self>, SharedProgress) {
        let told = Arc::new(Self::default());
        (Arc::clone(&told), told)
    }

    pub(crate) fn all(&self) -> Vec<(Stage, u64, Option<u64>)> {
        self.0.lock().unwrap().clone()
    }
}

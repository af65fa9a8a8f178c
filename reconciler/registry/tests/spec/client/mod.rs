// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the specification asks of clients, shown of Shoal's own: against the registry, and against what
//! other registries do instead.

mod chunks;
mod elsewhere;
mod older;
mod pull;
mod push;
mod subject;
mod warnings;

use std::sync::Arc;
use std::time::Duration;

use shoal_oci::{Reference, RepositoryName, Tag};
use shoal_registry_client::{Client, ClientOptions, Credentials, Retries};
use shoal_tls::Trust;

use crate::between::Between;
use crate::support::{Served, Setup};

/// A client, its registry, and what is between them.
struct Pair {
    client: Client,
    registry: Served,
    between: Arc<Between>,
}

impl Pair {
    async fn new(between: Arc<Between>) -> Self {
        Self::with(between, Setup::default(), None).await
    }

    async fn with(between: Arc<Between>, setup: Setup, credentials: Option<Credentials>) -> Self {
        let registry = Served::start_with(setup.between(&between)).await;
        let client = client_of(&registry, credentials);
        Self { client, registry, between }
    }
}

/// A client that sends at most 1,000 bytes at once and does not wait before it tries again.
fn client_of(registry: &Served, credentials: Option<Credentials>) -> Client {
    let retries =
        Retries { attempts: 2, unanswered: 1, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };
    let options = ClientOptions { credentials, retries, chunk: 1000, ..ClientOptions::new(Trust::System) };
    Client::new(&registry.address.to_string(), options).unwrap()
}

fn repository(name: &str) -> RepositoryName {
    RepositoryName::parse(name).unwrap()
}

fn tag(name: &str) -> Reference {
    Reference::Tag(Tag::parse(name).unwrap())
}

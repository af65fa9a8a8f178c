// SPDX-License-Identifier: AGPL-3.0-or-later
//! The registry inside the controller: what jobs may pull, and what the collector must keep.
//!
//! Guarantees: a job's token opens its own image's repository, for reading, from its permit until the
//! job is over; every image of the inventory in force and of every active job is a root, and before
//! an inventory was read nothing is collected at all.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use shoal_core::job::{Job, Phase};
use shoal_oci::{Digest, ImageReference};
use shoal_registry::{
    JobAccess, JobTokens, Patience, Registry, RegistryAuth, RegistryConfig, RootsSource, Users,
};
use shoal_registry_storage::{Options, Storage, StorageError};
use shoal_schema::{JobId, SecretString};

use crate::controller::Controller;
use crate::settings::{Clock, RegistryRules, RegistrySettings};

/// The registry cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Accounts or policy cannot be read; the text says which file and why.
    #[error("{0}")]
    Rules(String),
    /// Its directory cannot be opened.
    #[error("cannot open the registry's directory {path}")]
    Storage {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: StorageError,
    },
}

/// Opens the registry where one is wanted. Blocks.
pub(crate) fn open(controller: &Arc<Controller>) -> Result<Option<Registry>, RegistryError> {
    let Some(settings) = &controller.settings.registry else { return Ok(None) };
    let rules = (settings.rules)().map_err(RegistryError::Rules)?;
    let clock: Arc<dyn shoal_registry_storage::Clock> =
        Arc::new(Wall(Arc::clone(&controller.settings.clock)));
    let storage = Storage::open(&settings.storage, Options::new(Arc::clone(&clock)))
        .map_err(|source| RegistryError::Storage { path: settings.storage.clone(), source })?;
    let asked = Arc::new(Asked(Arc::clone(controller)));
    let config = RegistryConfig {
        policy: rules.policy,
        auth: auth(rules.users),
        tokens: Some(Arc::clone(&asked) as Arc<dyn JobTokens>),
        roots: asked,
        clock,
        metrics: controller.metrics.registry_metrics(),
        patience: Patience::default(),
    };
    Ok(Some(Registry::new(storage, config)))
}

/// Reads accounts and policy again. What cannot be read leaves the old in place.
pub(crate) fn reload(registry: &Registry, settings: &RegistrySettings) {
    match (settings.rules)() {
        Ok(RegistryRules { users, policy }) => registry.replace(auth(users), policy),
        Err(error) => tracing::error!(error, "the old accounts and policy of the registry stay"),
    }
}

fn auth(users: Option<Users>) -> RegistryAuth {
    users.map_or(RegistryAuth::None, RegistryAuth::Basic)
}

/// The controller's clock as the storage has it.
struct Wall(Arc<dyn Clock>);

impl std::fmt::Debug for Wall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wall")
    }
}

impl shoal_registry_storage::Clock for Wall {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// The controller as the registry asks it.
pub(crate) struct Asked(pub(crate) Arc<Controller>);

impl JobTokens for Asked {
    fn access(&self, token: &str) -> Option<JobAccess> {
        let (id, _) = token.split_once('.')?;
        let id = JobId::parse(id).ok()?;
        let job = self.0.world().jobs.get(&id).cloned()?;
        // Nothing is pulled before the permit, and nothing after the report.
        if job.phase != Phase::AwaitResult || !self.0.keys.is_registry_token(&job, token) {
            return None;
        }
        let image: ImageReference = ImageReference::parse(&job.install.oci).ok()?;
        Some(JobAccess { repository: image.repository, job: id.to_string() })
    }
}

impl RootsSource for Asked {
    fn roots(&self) -> Option<BTreeSet<Digest>> {
        let world = self.0.world();
        if !world.loaded {
            return None;
        }
        let wanted = world.inventory.images.values().flat_map(|image| {
            image.value.spec.versions.values().filter_map(|version| version.digest().map(str::to_owned))
        });
        let running =
            world.jobs.values().filter(|job| job.is_active()).map(|job| job.install.image_digest.clone());
        Some(wanted.chain(running).filter_map(|text| Digest::parse(&text).ok()).collect())
    }
}

impl Controller {
    /// The token with which a job's machine pulls its image, where that image is in our registry.
    pub(crate) fn registry_token(&self, job: &Job) -> Option<SecretString> {
        let settings = self.settings.registry.as_ref()?;
        let image = ImageReference::parse(&job.install.oci).ok()?;
        self.is_own_registry(&settings.hosts, &image.registry).then(|| self.keys.registry_token(job))
    }

    /// Whether `host[:port]` in an image reference means this controller.
    fn is_own_registry(&self, named: &[String], host: &str) -> bool {
        if named.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return true;
        }
        let fleet = Arc::clone(&self.world().fleet);
        fleet
            .callback_urls
            .iter()
            .map(|url| url.url.as_str())
            .chain(fleet.callback_url.as_deref())
            .chain(self.settings.callback_url.as_deref())
            .filter_map(|url| url.split_once("://"))
            .any(|(_, authority)| authority.trim_end_matches('/').eq_ignore_ascii_case(host))
    }
}

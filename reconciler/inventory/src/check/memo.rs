// SPDX-License-Identifier: AGPL-3.0-or-later
//! What single servers were found to be, and by what: a server that is judged by the same again is not judged again.
//!
//! Guarantees: the findings are those of judging every server. Whoever lets a server's checks look at something new adds
//! it to [`Environment`], or to what makes a server judged each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_core::alongside::Following;
use shoal_core::inventory::{Inventory, Located};
use shoal_schema::kinds::{Fleet, Image, Recipe, Secret, Server, Suspend};

use super::shared::Shared;
use super::{Context, Finding, bmc, identity, servers};

/// What is remembered from one load to the next.
#[derive(Default)]
pub(crate) struct Memo {
    environment: Option<Environment>,
    servers: BTreeMap<String, Judged>,
    pub(super) shared: Shared,
}

/// What every server is judged by, beside its own document and the time.
struct Environment {
    fleet: Option<Arc<Located<Fleet>>>,
    recipes: BTreeMap<String, Arc<Located<Recipe>>>,
    images: BTreeMap<String, Arc<Located<Image>>>,
    secrets: BTreeMap<String, Arc<Located<Secret>>>,
    broken: BTreeSet<(&'static str, String)>,
    hidden: BTreeSet<&'static str>,
}

struct Judged {
    server: Arc<Located<Server>>,
    /// The same document may be judged otherwise later.
    hangs_on_time: bool,
    findings: Vec<Finding>,
}

impl Memo {
    /// What is wrong with single servers, whatever the others are.
    pub(super) fn servers(&mut self, context: &Context<'_>) -> Vec<Finding> {
        if !self.environment.as_ref().is_some_and(|known| known.is_that_of(context)) {
            self.servers.clear();
            self.environment = Some(Environment::of(context));
        }
        let recipes = servers::recipes(context);
        let judge = |name: &str, server: &Arc<Located<Server>>| {
            let mut findings = Vec::new();
            identity::placeholders(server, &mut findings);
            bmc::of_server(context, name, server, &mut findings);
            servers::of_server(context, name, server, &recipes, &mut findings);
            Judged { server: Arc::clone(server), hangs_on_time: hangs_on_time(server), findings }
        };
        let mut all = Vec::new();
        let mut known = Following::new(&mut self.servers);
        for (name, server) in &context.inventory.servers {
            match known.get(name) {
                Some(judged) => {
                    if !Arc::ptr_eq(&judged.server, server) || judged.hangs_on_time {
                        *judged = judge(name, server);
                    }
                    all.extend(judged.findings.iter().cloned());
                }
                None => {
                    let judged = judge(name, server);
                    all.extend(judged.findings.iter().cloned());
                    known.add(name, judged);
                }
            }
        }
        known.end().apply(&mut self.servers);
        all
    }
}

/// Whether the same document may be judged otherwise later.
fn hangs_on_time(server: &Located<Server>) -> bool {
    matches!(server.value.spec.suspend, Some(Suspend::Because(_)))
}

impl Environment {
    fn of(context: &Context<'_>) -> Self {
        let Inventory { fleet, recipes, images, secrets, broken, .. } = context.inventory;
        Self {
            fleet: fleet.clone(),
            recipes: recipes.clone(),
            images: images.clone(),
            secrets: secrets.clone(),
            broken: broken.clone(),
            hidden: context.hidden.clone(),
        }
    }

    fn is_that_of(&self, context: &Context<'_>) -> bool {
        fn same<T>(a: &BTreeMap<String, Arc<T>>, b: &BTreeMap<String, Arc<T>>) -> bool {
            a.len() == b.len() && a.iter().zip(b).all(|((x, a), (y, b))| Arc::ptr_eq(a, b) && x == y)
        }
        let inventory = context.inventory;
        self.fleet.as_ref().map(Arc::as_ptr) == inventory.fleet.as_ref().map(Arc::as_ptr)
            && same(&self.recipes, &inventory.recipes)
            && same(&self.images, &inventory.images)
            && same(&self.secrets, &inventory.secrets)
            && self.broken == inventory.broken
            && self.hidden == *context.hidden
    }
}

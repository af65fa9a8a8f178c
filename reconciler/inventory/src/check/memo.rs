// SPDX-License-Identifier: AGPL-3.0-or-later
//! What single servers were found to be, and by what: a server that is judged by the same again is not judged again.
//!
//! Guarantees: the findings are those of judging every server. Whoever lets a server's checks look at something new adds
//! it to [`Environment`], or to what makes a server judged each time.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use shoal_core::by_name::ByName;
use shoal_core::inventory::{Inventory, Located};
use shoal_schema::kinds::{Fleet, Image, Recipe, Secret, Server, Suspend};

use super::shared::Shared;
use super::{Context, Finding, bmc, identity, servers};

/// Below this, starting threads costs more than it saves.
const PARALLEL_FROM: usize = 512;

/// What is remembered from one load to the next.
#[derive(Default)]
pub(crate) struct Memo {
    environment: Option<Environment>,
    /// Those that were judged.
    judged: ByName<Located<Server>>,
    /// Of those with which anything is.
    findings: BTreeMap<String, Vec<Finding>>,
    /// Those whose judgement hangs on the time.
    timed: BTreeSet<String>,
    pub(super) shared: Shared,
}

/// What every server is judged by, beside its own document and the time.
struct Environment {
    fleet: Option<Arc<Located<Fleet>>>,
    recipes: ByName<Located<Recipe>>,
    images: ByName<Located<Image>>,
    secrets: ByName<Located<Secret>>,
    broken: BTreeSet<(&'static str, String)>,
    hidden: BTreeSet<&'static str>,
}

impl Memo {
    /// What is wrong with single servers, whatever the others are.
    pub(super) fn servers(&mut self, context: &Context<'_>, threads: NonZeroUsize) -> Vec<Finding> {
        if !self.environment.as_ref().is_some_and(|known| known.is_that_of(context)) {
            self.judged = ByName::default();
            self.environment = Some(Environment::of(context));
        }
        let now = &context.inventory.servers;
        let mut again = std::mem::take(&mut self.timed);
        for change in now.since(&self.judged) {
            again.insert(change.name.clone());
        }
        self.judged.clone_from(now);
        // After another environment all are judged again, and whoever went meanwhile is in no difference.
        self.findings.retain(|name, _| now.contains_key(name));
        for Judged { name, findings, hangs_on_time } in judge_all(context, again, threads) {
            if hangs_on_time {
                self.timed.insert(name.clone());
            }
            if findings.is_empty() {
                self.findings.remove(&name);
            } else {
                self.findings.insert(name, findings);
            }
        }
        self.findings.values().flatten().cloned().collect()
    }
}

/// What one server was found to be.
struct Judged {
    name: String,
    findings: Vec<Finding>,
    /// The same document may be judged otherwise later.
    hangs_on_time: bool,
}

/// Judges those that are there, in order; on several threads where that pays.
fn judge_all(context: &Context<'_>, names: BTreeSet<String>, threads: NonZeroUsize) -> Vec<Judged> {
    let recipes = &servers::recipes(context);
    let judge = |name: String| {
        let server = context.inventory.servers.get(&name)?;
        let mut findings = Vec::new();
        identity::placeholders(server, &mut findings);
        bmc::of_server(context, &name, server, &mut findings);
        servers::of_server(context, &name, server, recipes, &mut findings);
        Some(Judged { name, findings, hangs_on_time: hangs_on_time(server) })
    };
    if names.len() < PARALLEL_FROM || threads.get() == 1 {
        return names.into_iter().filter_map(judge).collect();
    }
    let mut names: Vec<String> = names.into_iter().collect();
    let share = names.len().div_ceil(threads.get());
    std::thread::scope(|scope| {
        let mut others = Vec::new();
        while names.len() > share {
            let some = names.split_off(names.len() - share);
            others.push(scope.spawn(move || some.into_iter().filter_map(judge).collect::<Vec<_>>()));
        }
        let mut all: Vec<Judged> = names.into_iter().filter_map(judge).collect();
        for other in others.into_iter().rev() {
            match other.join() {
                Ok(judged) => all.extend(judged),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
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
        let inventory = context.inventory;
        self.fleet.as_ref().map(Arc::as_ptr) == inventory.fleet.as_ref().map(Arc::as_ptr)
            && self.recipes.is_same(&inventory.recipes)
            && self.images.is_same(&inventory.images)
            && self.secrets.is_same(&inventory.secrets)
            && self.broken == inventory.broken
            && self.hidden == *context.hidden
    }
}

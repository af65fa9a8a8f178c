// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which other documents a server is put together from, to tell whether a change of one concerns it.

use std::sync::Arc;

use shoal_schema::kinds::{Fleet, FleetSpec, Image, Recipe, Secret, Server};

use crate::by_name::ByName;
use crate::desired::account;
use crate::inventory::{Inventory, Located};

/// The documents of an inventory that servers refer to.
#[derive(Default)]
pub(crate) struct Documents {
    fleet: Option<Arc<Located<Fleet>>>,
    recipes: ByName<Located<Recipe>>,
    images: ByName<Located<Image>>,
    secrets: ByName<Located<Secret>>,
}

impl Documents {
    /// The fleet's document.
    pub(crate) fn fleet(&self) -> Option<&Arc<Located<Fleet>>> {
        self.fleet.as_ref()
    }

    /// Takes over those of an inventory. Whether any recipe, image or Secret is another one.
    pub(crate) fn follow(&mut self, inventory: &Inventory) -> bool {
        self.fleet.clone_from(&inventory.fleet);
        let recipes = follow(&mut self.recipes, &inventory.recipes);
        let images = follow(&mut self.images, &inventory.images);
        let secrets = follow(&mut self.secrets, &inventory.secrets);
        recipes || images || secrets
    }
}

fn follow<T>(known: &mut ByName<T>, now: &ByName<T>) -> bool {
    let same = now.is_same(known);
    known.clone_from(now);
    !same
}

/// What one server refers to.
#[derive(Default)]
pub(crate) struct References {
    recipe: Option<Arc<Located<Recipe>>>,
    image: Option<Arc<Located<Image>>>,
    secrets: Vec<Arc<Located<Secret>>>,
}

impl References {
    /// The documents that [`crate::desired::resolve`] reads for this server, as far as they are there.
    pub(crate) fn of(inventory: &Inventory, fleet: &FleetSpec, server: &Located<Server>) -> Self {
        let spec = &server.value.spec;
        let secret = |name: &String| inventory.secrets.get(name).cloned();
        let mut secrets: Vec<_> = account(fleet, &spec.bmc).and_then(secret).into_iter().collect();
        let Some(os) = &spec.os else { return Self { secrets, ..Self::default() } };
        let recipe = spec.recipe.as_ref().or(fleet.defaults.recipe.as_ref());
        let recipe = recipe.and_then(|name| inventory.recipes.get(name)).cloned();
        if let Some(recipe) = &recipe {
            let templates = [&recipe.value.spec.user_data, &recipe.value.spec.unattend_xml];
            let named = templates.into_iter().flatten().flat_map(|template| template.secrets.values());
            secrets.extend(named.filter_map(|reference| secret(&reference.secret)));
        }
        Self { recipe, image: inventory.images.get(&os.image).cloned(), secrets }
    }
}

impl PartialEq for References {
    fn eq(&self, other: &Self) -> bool {
        fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
            a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
        }
        same(self.recipe.as_ref(), other.recipe.as_ref())
            && same(self.image.as_ref(), other.image.as_ref())
            && self.secrets.iter().map(Arc::as_ptr).eq(other.secrets.iter().map(Arc::as_ptr))
    }
}

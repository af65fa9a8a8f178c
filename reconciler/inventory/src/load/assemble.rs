// SPDX-License-Identifier: AGPL-3.0-or-later
//! Puts the documents of all files together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_core::inventory::{Inventory, Located};
use shoal_schema::Sha256;

use super::{Place, Read};
use crate::Diagnostic;
use crate::check::At;
use crate::decode::Document;

/// An inventory that is not yet cross-checked.
pub(crate) struct Assembled {
    pub(crate) inventory: Inventory,
    /// Diagnostics of single files.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Every document of which there is more than one with the same name; none of them is in the
    /// inventory.
    pub(crate) doubles: BTreeMap<(&'static str, String), Vec<At>>,
    /// Kinds of which documents may be there unseen.
    pub(crate) hidden: BTreeSet<&'static str>,
}

pub(crate) fn assemble(files: &[Read]) -> Assembled {
    let mut assembled = Assembled {
        inventory: Inventory::default(),
        diagnostics: Vec::new(),
        doubles: BTreeMap::new(),
        hidden: BTreeSet::new(),
    };
    let mut fleets: BTreeMap<String, Arc<Located<_>>> = BTreeMap::new();
    let mut broken: Vec<((&'static str, String), At)> = Vec::new();
    let mut digest = String::with_capacity(files.len() * 100);
    for file in files {
        let path = &file.listed.path;
        let Some(parsed) = &file.parsed else {
            if let Place::For(kind) = file.listed.place {
                assembled.hidden.insert(kind);
                let word = file.listed.entry.refused.map_or("unreadable", crate::source::Refused::word);
                digest.push_str(&format!("{path}\0{word}\0"));
            }
            continue;
        };
        assembled.diagnostics.extend(parsed.diagnostics.iter().cloned());
        if file.listed.place == Place::Elsewhere {
            continue;
        }
        digest.push_str(path);
        digest.push('\0');
        digest.push_str(parsed.sha256.as_str());
        digest.push('\0');
        assembled.hidden.extend(parsed.hides);
        for document in &parsed.documents {
            let Assembled { inventory, doubles, .. } = &mut assembled;
            match document {
                Document::Fleet(it) => put("Fleet", &it.value.metadata.name, it, &mut fleets, doubles),
                Document::Server(it) => {
                    put("Server", &it.value.metadata.name, it, &mut inventory.servers, doubles);
                }
                Document::Recipe(it) => {
                    put("Recipe", &it.value.metadata.name, it, &mut inventory.recipes, doubles);
                }
                Document::Image(it) => {
                    put("Image", &it.value.metadata.name, it, &mut inventory.images, doubles);
                }
                Document::Secret(it) => {
                    put("Secret", &it.value.metadata.name, it, &mut inventory.secrets, doubles);
                }
                Document::Approval(it) => {
                    put("Approval", &it.value.metadata.name, it, &mut inventory.approvals, doubles);
                }
            }
        }
        for document in &parsed.broken {
            let at = At::name(path, document.span.line);
            broken.push(((document.kind, document.name.clone()), at));
        }
    }
    assembled.inventory.digest = Some(Sha256::of(digest.as_bytes()));
    assembled.inventory.unreadable = !assembled.hidden.is_empty();
    take_out_doubles(&mut assembled, &mut fleets, broken);
    assembled.inventory.fleet = fleets.into_values().next();
    assembled
}

fn put<T>(
    kind: &'static str,
    name: &str,
    document: &Arc<Located<T>>,
    all: &mut BTreeMap<String, Arc<Located<T>>>,
    doubles: &mut BTreeMap<(&'static str, String), Vec<At>>,
) {
    if let Some(first) = all.get(name) {
        let places = doubles.entry((kind, name.to_owned())).or_insert_with(|| vec![at(first)]);
        places.push(at(document));
    } else {
        all.insert(name.to_owned(), Arc::clone(document));
    }
}

fn at<T>(document: &Located<T>) -> At {
    At::of(document, "/metadata/name")
}

/// Of two documents with one name neither can be believed: both are taken out and count as broken.
/// There is one Fleet only, whatever it is called.
fn take_out_doubles(
    assembled: &mut Assembled,
    fleets: &mut BTreeMap<String, Arc<Located<shoal_schema::kinds::Fleet>>>,
    broken: Vec<((&'static str, String), At)>,
) {
    let Assembled { inventory, doubles, .. } = assembled;
    let mut firsts: BTreeMap<(&'static str, String), At> = BTreeMap::new();
    for (key, place) in broken {
        let (kind, name) = &key;
        let whole = match *kind {
            "Fleet" => fleets.get(name).map(|it| at(it)),
            "Server" => inventory.servers.get(name).map(|it| at(it)),
            "Recipe" => inventory.recipes.get(name).map(|it| at(it)),
            "Image" => inventory.images.get(name).map(|it| at(it)),
            "Secret" => inventory.secrets.get(name).map(|it| at(it)),
            _ => inventory.approvals.get(name).map(|it| at(it)),
        };
        let first = whole.or_else(|| firsts.get(&key).cloned());
        if first.is_some() || doubles.contains_key(&key) {
            let places = doubles.entry(key.clone()).or_default();
            if places.is_empty() {
                places.extend(first);
            }
            places.push(place);
        } else {
            firsts.insert(key.clone(), place);
        }
        inventory.broken.insert(key);
    }
    if fleets.len() > 1 {
        for (name, fleet) in fleets.iter() {
            doubles.entry(("Fleet", name.clone())).or_insert_with(|| vec![at(fleet)]);
        }
    }
    for (kind, name) in doubles.keys() {
        match *kind {
            "Fleet" => drop(fleets.remove(name)),
            "Server" => drop(inventory.servers.remove(name)),
            "Recipe" => drop(inventory.recipes.remove(name)),
            "Image" => drop(inventory.images.remove(name)),
            "Secret" => drop(inventory.secrets.remove(name)),
            _ => drop(inventory.approvals.remove(name)),
        }
        inventory.broken.insert((kind, name.clone()));
    }
}

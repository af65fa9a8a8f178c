// SPDX-License-Identifier: AGPL-3.0-or-later
//! Puts the documents of all files together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shoal_core::by_name::ByName;
use shoal_core::inventory::{Inventory, Located};
use shoal_schema::Sha256;

use super::Place;
use super::file::Parsed;
use super::list::{Delta, File};
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

impl Assembled {
    fn new(inventory: Inventory) -> Self {
        Self { inventory, diagnostics: Vec::new(), doubles: BTreeMap::new(), hidden: BTreeSet::new() }
    }

    /// Whether every document that is there is in the inventory.
    pub(crate) fn is_whole(&self) -> bool {
        self.doubles.is_empty() && self.hidden.is_empty() && self.inventory.broken.is_empty()
    }
}

/// The inventory of other files, from that of the files before: where nothing but whole servers came and went, and
/// none of them meets another one of its name.
pub(crate) fn patch(mut before: Inventory, files: &[File], delta: &Delta) -> Option<Assembled> {
    let servers = |parsed: &Parsed| {
        let all = parsed.documents.iter().all(|document| matches!(document, Document::Server(_)));
        all && parsed.broken.is_empty() && parsed.hides.is_none()
    };
    let new: Option<Vec<&Parsed>> =
        delta.new.iter().map(|index| files[*index].parsed().map(AsRef::as_ref)).collect();
    let new = new?;
    if delta.unread || !delta.gone.iter().map(AsRef::as_ref).chain(new.iter().copied()).all(servers) {
        return None;
    }
    for document in delta.gone.iter().flat_map(|parsed| &parsed.documents) {
        let Document::Server(server) = document else { return None };
        before.servers.remove(&server.value.metadata.name)?;
    }
    for document in new.iter().flat_map(|parsed| &parsed.documents) {
        let Document::Server(server) = document else { return None };
        let there = before.servers.insert(server.value.metadata.name.clone(), Arc::clone(server));
        if there.is_some() {
            return None;
        }
    }
    before.digest = Some(digest(files));
    let mut assembled = Assembled::new(before);
    let noisy = files.iter().filter(|file| file.noisy).filter_map(File::parsed);
    assembled.diagnostics.extend(noisy.flat_map(|parsed| parsed.diagnostics.iter().cloned()));
    Some(assembled)
}

/// The digest over the paths and contents of all files: over the seals of all of them.
fn digest(files: &[File]) -> Sha256 {
    let counts = files.iter().filter(|file| file.place != Place::Elsewhere);
    Sha256::of(&counts.flat_map(|file| file.seal).collect::<Vec<u8>>())
}

pub(crate) fn assemble(files: &[File]) -> Assembled {
    let mut assembled = Assembled::new(Inventory::default());
    let mut fleets = ByName::default();
    let mut broken: Vec<((&'static str, String), At)> = Vec::new();
    for file in files {
        let path = &file.entry.path;
        let Some(parsed) = file.parsed() else {
            if let Place::For(kind) = file.place {
                assembled.hidden.insert(kind);
            }
            continue;
        };
        assembled.diagnostics.extend(parsed.diagnostics.iter().cloned());
        if file.place == Place::Elsewhere {
            continue;
        }
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
    assembled.inventory.digest = Some(digest(files));
    assembled.inventory.unreadable = !assembled.hidden.is_empty();
    take_out_doubles(&mut assembled, &mut fleets, broken);
    assembled.inventory.fleet = fleets.values().next().cloned();
    assembled
}

fn put<T>(
    kind: &'static str,
    name: &str,
    document: &Arc<Located<T>>,
    all: &mut ByName<Located<T>>,
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
    fleets: &mut ByName<Located<shoal_schema::kinds::Fleet>>,
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

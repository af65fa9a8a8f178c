// SPDX-License-Identifier: AGPL-3.0-or-later
//! Random histories of pushes, tags, deletions, mounts, collections, crashes and reopenings, beside a
//! model that is a few sets. After a collection without grace exactly what is reachable is left.

mod images;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use images::{Image, assert_whole, by_digest, collect, everything, resolve, tag};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use shoal_oci::Digest;
use shoal_registry_storage::disk::{Fault, FaultDisk, Lost, Tear};
use shoal_registry_storage::{CollectRules, Pattern, Retention, Roots, Storage, StorageError};
use support::{World, digest, name, pull};

const REPOSITORIES: [&str; 2] = ["kept/all", "tools/few"];
const TAGS: [&str; 4] = ["t0", "t1", "t2", "t3"];
/// How many tags collections leave in the second repository.
const KEEP_LAST: usize = 2;

/// One of the images there are, with its parts as places in that list.
struct Known {
    image: Image,
    children: Vec<usize>,
    subject: Option<usize>,
}

/// Images, an index, an index of an index, signatures of an image, of an index and of a signature.
fn universe() -> Vec<Known> {
    let mut all: Vec<Known> =
        (0..3).map(|seed| Known { image: Image::new(seed), children: Vec::new(), subject: None }).collect();
    for children in [vec![0, 1], vec![2, 3], vec![1]] {
        let image =
            Image::index(&children.iter().map(|child: &usize| &all[*child].image).collect::<Vec<_>>());
        all.push(Known { image, children, subject: None });
    }
    for subject in [0, 4, 6] {
        let image = Image::about(&all[subject].image, 10 + subject as u64);
        all.push(Known { image, children: Vec::new(), subject: Some(subject) });
    }
    all
}

#[derive(Clone, Debug)]
enum Operation {
    Push { repository: usize, image: usize, tag: Option<usize> },
    DeleteTag { repository: usize, tag: usize },
    DeleteManifest { repository: usize, image: usize },
    Mount { to: usize, from: usize, image: usize },
    Collect { root: Option<usize> },
    Reopen,
}

#[derive(Clone, Debug)]
struct Event {
    operation: Operation,
    /// The world stops at this step of it, with what the power cut takes.
    crash: Option<(u64, Tear)>,
}

#[derive(Clone, Default)]
struct Repository {
    /// Image and order of the push.
    tags: BTreeMap<usize, (usize, u64)>,
    manifests: BTreeSet<usize>,
    links: BTreeSet<Digest>,
}

#[derive(Default)]
struct Model {
    repositories: [Repository; 2],
    content: BTreeSet<Digest>,
    pushes: u64,
}

// === impl Model ===

impl Model {
    fn push(&mut self, known: &[Known], repository: usize, image: usize, tag: Option<usize>) {
        for &child in &known[image].children {
            self.push(known, repository, child, None);
        }
        let digests = known[image].image.digests();
        let here = &mut self.repositories[repository];
        here.manifests.insert(image);
        here.links.extend(known[image].image.blobs.iter().map(|blob| digest(blob)));
        self.content.extend(digests);
        self.pushes += 1;
        if let Some(tag) = tag {
            here.tags.insert(tag, (image, self.pushes));
        }
    }

    /// Whether deleting the image would take it out of an index.
    fn is_child(&self, known: &[Known], repository: usize, image: usize) -> bool {
        self.repositories[repository].manifests.iter().any(|other| known[*other].children.contains(&image))
    }

    fn delete_manifest(&mut self, repository: usize, image: usize) {
        let here = &mut self.repositories[repository];
        here.manifests.remove(&image);
        here.tags.retain(|_, (target, _)| *target != image);
    }

    fn collect(&mut self, known: &[Known], root: Option<usize>) {
        let mut content = BTreeSet::new();
        let anywhere = |image: usize| self.repositories.iter().any(|here| here.manifests.contains(&image));
        if let Some(root) = root.filter(|root| !anywhere(*root)) {
            let mut open = vec![root];
            while let Some(image) =
                open.pop().filter(|image| self.content.contains(&known[*image].image.digest))
            {
                content.extend(known[image].image.digests());
                open.extend(&known[image].children);
            }
        }
        for (at, here) in self.repositories.iter_mut().enumerate() {
            if at == 1 {
                let mut order: Vec<u64> = here.tags.values().map(|(_, order)| *order).collect();
                order.sort_unstable_by(|one, other| other.cmp(one));
                let last = order.get(KEEP_LAST - 1).copied().unwrap_or(0);
                here.tags.retain(|_, (image, order)| *order >= last || Some(*image) == root);
            }
            let mut live = BTreeSet::new();
            let mut open: Vec<usize> = here.tags.values().map(|(image, _)| *image).chain(root).collect();
            while let Some(image) = open.pop() {
                if here.manifests.contains(&image) && live.insert(image) {
                    open.extend(&known[image].children);
                    open.extend((0..known.len()).filter(|other| known[*other].subject == Some(image)));
                }
            }
            let needed: BTreeSet<Digest> =
                live.iter().flat_map(|image| known[*image].image.digests()).collect();
            here.manifests = live;
            here.links.retain(|digest| needed.contains(digest));
            content.extend(needed);
        }
        self.content.retain(|digest| content.contains(digest));
    }

    /// Everything that must be there is, and resolves to what it must.
    fn assert_there(&self, known: &[Known], storage: &Storage, about: &str) {
        for (at, here) in self.repositories.iter().enumerate() {
            let repository = REPOSITORIES[at];
            for (tag, (image, _)) in &here.tags {
                let expected = Some(known[*image].image.digest.clone());
                assert_eq!(resolve(storage, repository, TAGS[*tag]), expected, "{repository}:{tag} {about}");
            }
            for &image in &here.manifests {
                let digest = &known[image].image.digest;
                let stored = storage.manifest(&name(repository), &by_digest(digest)).unwrap();
                assert!(stored.is_some(), "{repository}: image {image} is gone; {about}");
                if let Some(subject) = known[image].subject {
                    let listed = images::referrers_of(storage, repository, &known[subject].image);
                    assert!(listed.contains(digest), "{repository}: image {image} is no referrer; {about}");
                }
            }
            for digest in &here.links {
                let content = pull(storage, &name(repository), digest).unwrap();
                assert!(content.is_some(), "{repository}: {digest} is gone; {about}");
            }
        }
    }

    /// Nothing else is there.
    fn assert_nothing_else(&self, known: &[Known], storage: &Storage, world: &World) {
        assert_eq!(images::content(world), self.content);
        for (at, here) in self.repositories.iter().enumerate() {
            let repository = name(REPOSITORIES[at]);
            let tags =
                storage.tags(&repository, None, None).unwrap().map(|page| page.tags).unwrap_or_default();
            assert_eq!(tags, here.tags.keys().map(|at| tag(TAGS[*at])).collect::<Vec<_>>());
            for (image, known) in known.iter().enumerate() {
                let stored = storage.manifest(&repository, &by_digest(&known.image.digest)).unwrap();
                assert_eq!(stored.is_some(), here.manifests.contains(&image), "{repository}: image {image}");
                for blob in &known.image.blobs {
                    let linked = storage.blob(&repository, &digest(blob)).unwrap().is_some();
                    assert_eq!(linked, here.links.contains(&digest(blob)), "{repository}: a blob of {image}");
                }
                let listed = images::referrers_of(storage, repository.as_str(), &known.image);
                assert!(listed.len() <= here.manifests.len());
            }
        }
    }
}

fn push(
    known: &[Known],
    storage: &Storage,
    repository: &str,
    image: usize,
    tags: &[&str],
) -> Result<(), StorageError> {
    for &child in &known[image].children {
        push(known, storage, repository, child, &[])?;
    }
    known[image].image.push(storage, repository, tags)
}

fn rules(known: &[Known], root: Option<usize>) -> CollectRules {
    let digests = root.map(|root| known[root].image.digest.clone()).into_iter().collect();
    let repositories = Pattern::parse("tools/*").unwrap();
    let retention = vec![Retention { repositories, keep_last: Some(KEEP_LAST as u32) }];
    CollectRules { retention, roots: Roots { digests }, ..everything() }
}

/// Does it to the storage.
fn apply(known: &[Known], storage: &Storage, operation: &Operation) -> Result<(), StorageError> {
    match *operation {
        Operation::Push { repository, image, tag } => {
            let tags: Vec<&str> = tag.map(|tag| TAGS[tag]).into_iter().collect();
            push(known, storage, REPOSITORIES[repository], image, &tags)
        }
        Operation::DeleteTag { repository, tag: at } => {
            storage.delete_tag(&name(REPOSITORIES[repository]), &tag(TAGS[at])).map(drop)
        }
        Operation::DeleteManifest { repository, image } => {
            storage.delete_manifest(&name(REPOSITORIES[repository]), &known[image].image.digest).map(drop)
        }
        Operation::Mount { to, from, image } => {
            for blob in &known[image].image.blobs {
                let from = name(REPOSITORIES[from]);
                storage.mount(&name(REPOSITORIES[to]), Some(&from), &digest(blob), &|_| true)?;
            }
            Ok(())
        }
        Operation::Collect { root } => storage.collect(&rules(known, root), &mut |_| {}).map(drop),
        Operation::Reopen => Ok(()),
    }
}

/// Does it to the model.
fn expect(known: &[Known], model: &mut Model, operation: &Operation) {
    match *operation {
        Operation::Push { repository, image, tag } => model.push(known, repository, image, tag),
        Operation::DeleteTag { repository, tag } => {
            model.repositories[repository].tags.remove(&tag);
        }
        Operation::DeleteManifest { repository, image } => model.delete_manifest(repository, image),
        Operation::Mount { to, from, image } => {
            let blobs = known[image].image.blobs.iter().map(|blob| digest(blob));
            let there: Vec<Digest> =
                blobs.filter(|blob| model.repositories[from].links.contains(blob)).collect();
            model.repositories[to].links.extend(there);
        }
        Operation::Collect { root } => model.collect(known, root),
        Operation::Reopen => {}
    }
}

fn play(events: &[Event]) {
    let known = universe();
    let world = World::new();
    let mut model = Model::default();
    let mut disk = Arc::new(FaultDisk::new());
    let mut storage = world.open_on(&disk);
    for (at, Event { operation, crash }) in events.iter().enumerate() {
        let about = format!("event {at}: {operation:?}");
        if let Operation::DeleteManifest { repository, image } = *operation
            && model.is_child(&known, repository, image)
        {
            continue;
        }
        if let Some((step, tear)) = *crash {
            disk.arm(Fault::CrashAfter(step), tear);
        }
        let result = apply(&known, &storage, operation);
        let crashed = disk.crashed();
        assert!(result.is_ok() || crashed, "{about}: {:?}", result.err());
        if result.is_ok() {
            expect(&known, &mut model, operation);
        }
        if crashed || matches!(operation, Operation::Reopen) {
            drop(storage);
            disk = Arc::new(FaultDisk::new());
            storage = world.open_on(&disk);
            support::check(&world);
            assert_whole(&storage, &about);
            if result.is_err() {
                // Nobody was told anything: doing it again ends it.
                apply(&known, &storage, operation).unwrap();
                expect(&known, &mut model, operation);
            }
        }
        disk.arm(Fault::None, Tear::default());
        model.assert_there(&known, &storage, &about);
        assert_whole(&storage, &about);
        if let Operation::Collect { .. } = operation {
            model.assert_nothing_else(&known, &storage, &world);
        }
    }
    collect(&storage, &rules(&known, None));
    model.collect(&known, None);
    model.assert_there(&known, &storage, "at the end");
    model.assert_nothing_else(&known, &storage, &world);
}

fn operation() -> impl Strategy<Value = Operation> {
    let (repository, image, tag) = (0..REPOSITORIES.len(), 0..universe().len(), 0..TAGS.len());
    prop_oneof![
        8 => (repository.clone(), image.clone(), prop::option::of(tag.clone()))
            .prop_map(|(repository, image, tag)| Operation::Push { repository, image, tag }),
        3 => (repository.clone(), tag).prop_map(|(repository, tag)| Operation::DeleteTag { repository, tag }),
        2 => (repository.clone(), image.clone())
            .prop_map(|(repository, image)| Operation::DeleteManifest { repository, image }),
        2 => (repository.clone(), repository, image.clone())
            .prop_map(|(to, from, image)| Operation::Mount { to, from, image }),
        4 => prop::option::of(image).prop_map(|root| Operation::Collect { root }),
        1 => Just(Operation::Reopen),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let lost = prop_oneof![Just(Lost::Nothing), Just(Lost::Length), Just(Lost::Zeros), Just(Lost::Half)];
    let tear = (lost, any::<bool>()).prop_map(|(content, names)| Tear { content, names });
    let crash = prop::option::weighted(0.3, (0_u64..60, tear));
    (operation(), crash).prop_map(|(operation, crash)| Event { operation, crash })
}

#[test]
fn whatever_happens_what_is_needed_is_there_and_after_a_collection_nothing_else() {
    let seed = support::seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig {
        cases: 24 * support::cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let histories = prop::collection::vec(event(), 1..40);
    let played = runner.run(&histories, |events| {
        play(&events);
        Ok(())
    });
    if let Err(failed) = played {
        panic!("{failed}");
    }
}

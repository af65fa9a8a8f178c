// SPDX-License-Identifier: AGPL-3.0-or-later
//! Manifests, tags, referrers and mounts, while nothing goes wrong on the disk.

mod images;
mod support;

use std::fs;

use images::{Image, all_tags, assert_whole, by_digest, by_tag, resolve, tag};
use jiff::SignedDuration;
use shoal_oci::{Algorithm, Digest, Manifest, Tag, media_type, referrers_tag};
use shoal_registry_storage::{Deletion, Keep, Need, Pattern, PutRules, StorageError, TagPage};
use support::{World, digest, name, push};

const FROZEN: PutRules<'static> = PutRules { immutable: &|_| true, sparse: false };
const SPARSE: PutRules<'static> = PutRules { immutable: &|_| false, sparse: true };

#[test]
fn a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "os-images/debian", &["12", "bookworm"]).unwrap();
    for reference in [by_tag("12"), by_tag("bookworm"), by_digest(&image.digest)] {
        let stored = storage.manifest(&name("os-images/debian"), &reference).unwrap().unwrap();
        assert_eq!((stored.digest, &*stored.media_type), (image.digest.clone(), image.media_type));
        assert_eq!(stored.bytes, image.bytes);
        let facts = storage.manifest_facts(&name("os-images/debian"), &reference).unwrap().unwrap();
        assert_eq!(facts, (image.digest.clone(), image.media_type.to_owned(), image.bytes.len() as u64));
    }
    for (repository, reference) in [
        ("os-images/debian", by_tag("11")),
        ("os-images/debian", by_digest(&digest(b"other"))),
        ("os-images", by_tag("12")),
        ("other", by_digest(&image.digest)),
    ] {
        assert!(
            storage.manifest(&name(repository), &reference).unwrap().is_none(),
            "{repository} {reference}"
        );
        assert!(storage.manifest_facts(&name(repository), &reference).unwrap().is_none());
    }
}

#[test]
fn a_manifest_by_sha512_is_kept_under_that_digest() {
    let world = World::new();
    let storage = world.open();
    let mut image = Image::new(1);
    image.digest = Digest::of(Algorithm::Sha512, &image.bytes);
    image.push(&storage, "a", &["t"]).unwrap();
    assert_eq!(resolve(&storage, "a", "t"), Some(image.digest.clone()));
    assert_whole(&storage, "");
    images::collect(&storage, &images::everything());
    assert_eq!(resolve(&storage, "a", "t"), Some(image.digest));
    assert_whole(&storage, "after collecting");
}

#[test]
fn a_manifest_with_another_digest_is_refused_and_nothing_is_left() {
    let world = World::new();
    let storage = world.open();
    let mut image = Image::new(1);
    image.push_blobs(&storage, "a").unwrap();
    let before = images::content(&world);
    image.digest = digest(b"something else");
    let error = image.put(&storage, "a", &["t"]).unwrap_err();
    assert!(matches!(error, StorageError::DigestMismatch { expected, .. } if expected == image.digest));
    assert_eq!(images::content(&world), before);
    assert_eq!(resolve(&storage, "a", "t"), None);
}

#[test]
fn content_of_another_repository_is_missing_and_all_of_it_is_named_at_once() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &["t"]).unwrap();
    let Err(StorageError::MissingContent(missing)) = image.put(&storage, "b", &["t"]) else { panic!() };
    let expected: Vec<Digest> = image.blobs.iter().map(|blob| digest(blob)).collect();
    assert_eq!(missing, expected);
    let index = Image::index(&[&image, &Image::new(2)]);
    let Err(StorageError::MissingContent(missing)) = index.put(&storage, "a", &["i"]) else { panic!() };
    assert_eq!(missing, [Image::new(2).digest]);
    assert_eq!(storage.tags(&name("b"), None, None).unwrap(), None);
}

#[test]
fn a_sparse_repository_takes_a_manifest_without_its_content() {
    let world = World::new();
    let storage = world.open();
    let index = Image::index(&[&Image::new(1), &Image::new(2)]);
    index.put_with(&storage, "a", &["i"], SPARSE).unwrap();
    assert_eq!(resolve(&storage, "a", "i"), Some(index.digest.clone()));
    images::collect(&storage, &images::everything());
    assert_eq!(resolve(&storage, "a", "i"), Some(index.digest));
}

#[test]
fn content_that_was_found_damaged_is_missing_until_it_is_pushed_again() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &["t"]).unwrap();
    fs::write(world.blob_file(&image.digest), "damaged").unwrap();
    let error = storage.manifest(&name("a"), &by_tag("t")).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    assert!(storage.manifest(&name("a"), &by_tag("t")).unwrap().is_none());
    assert!(
        storage.manifest_facts(&name("a"), &by_tag("t")).unwrap().is_none(),
        "a client would not push it"
    );
    image.push(&storage, "a", &["t"]).unwrap();
    assert_whole(&storage, "");
    // Damaged and not read since: pushing replaces it.
    fs::write(world.blob_file(&image.digest), "damaged").unwrap();
    image.push(&storage, "a", &["t"]).unwrap();
    assert_whole(&storage, "");
}

#[test]
fn pushing_again_is_good_and_makes_it_young() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "a", &["t"]).unwrap();
    let before = storage.images().unwrap()[0].pushed;
    world.clock.advance(SignedDuration::from_hours(5));
    image.push(&storage, "a", &["t"]).unwrap();
    let rows = storage.images().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].pushed.duration_since(before), SignedDuration::from_hours(5));
}

#[test]
fn an_immutable_tag_takes_the_same_content_again_and_no_other() {
    let world = World::new();
    let storage = world.open();
    let (one, other) = (Image::new(1), Image::new(2));
    one.push_blobs(&storage, "a").unwrap();
    other.push_blobs(&storage, "a").unwrap();
    one.put_with(&storage, "a", &["1.0"], FROZEN).unwrap();
    one.put_with(&storage, "a", &["1.0", "1.1"], FROZEN).unwrap();
    let error = other.put_with(&storage, "a", &["2.0", "1.0"], FROZEN).unwrap_err();
    assert!(matches!(error, StorageError::TagImmutable(found) if found == tag("1.0")));
    assert_eq!(resolve(&storage, "a", "1.0"), Some(one.digest.clone()));
    assert_eq!(resolve(&storage, "a", "2.0"), None, "nothing of the push happened");
    let frozen = |tag: &Tag| tag.as_str().starts_with('1');
    let error = storage.delete_tag_unless(&name("a"), &tag("1.0"), &frozen).unwrap_err();
    assert!(matches!(error, StorageError::TagImmutable(_)));
    let keep = Keep { immutable: &frozen, ..Keep::default() };
    let deletion = storage.delete_manifest_unless(&name("a"), &one.digest, keep).unwrap();
    assert_eq!(deletion, Deletion::Needed(Need::Tag(tag("1.0"))));
    assert_eq!(resolve(&storage, "a", "1.0"), Some(one.digest.clone()));
    assert!(!storage.delete_tag_unless(&name("a"), &tag("1.9"), &frozen).unwrap(), "there is none");
    other.put_with(&storage, "a", &["2.0"], FROZEN).unwrap();
    assert!(storage.delete_tag_unless(&name("a"), &tag("2.0"), &frozen).unwrap());
}

#[test]
fn two_clients_with_one_immutable_tag_cannot_both_have_it() {
    let world = World::new();
    let storage = world.open();
    let images: Vec<Image> = (0..8).map(Image::new).collect();
    for image in &images {
        image.push_blobs(&storage, "a").unwrap();
    }
    let won: usize = std::thread::scope(|scope| {
        let pushes: Vec<_> = images
            .iter()
            .map(|image| scope.spawn(|| image.put_with(&storage, "a", &["1.0"], FROZEN).is_ok()))
            .collect();
        pushes.into_iter().map(|push| usize::from(push.join().unwrap())).sum()
    });
    assert_eq!(won, 1);
}

#[test]
fn deleting_a_tag_leaves_the_manifest_and_deleting_the_manifest_takes_its_tags() {
    let world = World::new();
    let storage = world.open();
    let (one, other) = (Image::new(1), Image::new(2));
    one.push(&storage, "a", &["x", "y", "z"]).unwrap();
    other.push(&storage, "a", &["other"]).unwrap();
    assert!(storage.delete_tag(&name("a"), &tag("x")).unwrap());
    assert!(!storage.delete_tag(&name("a"), &tag("x")).unwrap());
    assert!(storage.manifest(&name("a"), &by_digest(&one.digest)).unwrap().is_some());
    assert!(storage.delete_manifest(&name("a"), &one.digest).unwrap());
    assert!(!storage.delete_manifest(&name("a"), &one.digest).unwrap());
    assert_eq!(all_tags(&storage), [(name("a"), tag("other"))]);
    assert!(storage.manifest(&name("a"), &by_digest(&one.digest)).unwrap().is_none());
    assert_whole(&storage, "");
}

#[test]
fn tags_are_listed_in_order_page_by_page() {
    let world = World::new();
    let storage = world.open();
    assert_eq!(storage.tags(&name("a"), None, None).unwrap(), None);
    Image::new(1).push(&storage, "a", &["b", "A", "c", "1", "_"]).unwrap();
    let page = |after, limit| {
        let TagPage { tags, more } = storage.tags(&name("a"), after, limit).unwrap().unwrap();
        (tags.iter().map(Tag::to_string).collect::<Vec<_>>().join(" "), more)
    };
    assert_eq!(page(None, None), ("1 A _ b c".to_owned(), false));
    assert_eq!(page(None, Some(2)), ("1 A".to_owned(), true));
    assert_eq!(page(Some("A"), Some(2)), ("_ b".to_owned(), true));
    assert_eq!(page(Some("b"), Some(2)), ("c".to_owned(), false));
    assert_eq!(page(Some("AA"), Some(3)), ("_ b c".to_owned(), false), "the last one seen need not be there");
    assert_eq!(page(Some("c"), Some(2)), (String::new(), false));
    assert_eq!(page(None, Some(0)), (String::new(), false));
    // A directory on the way to a repository is none.
    Image::new(1).push(&storage, "deep/in/here", &["t"]).unwrap();
    assert_eq!(storage.tags(&name("deep/in"), None, None).unwrap(), None);
    assert_eq!(storage.repositories().unwrap(), [name("a"), name("deep/in/here")]);
}

#[test]
fn referrers_are_listed_whether_the_subject_came_before_or_after_or_not_at_all() {
    let world = World::new();
    let storage = world.open();
    let subject = Image::new(1);
    let signatures = [Image::about(&subject, 2), Image::about(&subject, 3)];
    signatures[0].push(&storage, "a", &[]).unwrap();
    let list = |artifact_type| storage.referrers(&name("a"), &subject.digest, artifact_type).unwrap();
    assert_eq!(list(None).len(), 1);
    subject.push(&storage, "a", &["t"]).unwrap();
    signatures[1].push(&storage, "a", &["signature"]).unwrap();
    signatures[1].push(&storage, "a", &["signature"]).unwrap();
    let found = list(None);
    let mut expected: Vec<Digest> = signatures.iter().map(|image| image.digest.clone()).collect();
    expected.sort();
    assert_eq!(found.iter().map(|descriptor| descriptor.digest.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(found[0].artifact_type.as_deref(), Some("application/vnd.test.signature"));
    assert!(found[0].annotations.contains_key("seed"));
    assert_eq!(found[0].size, signatures[0].bytes.len() as u64);
    assert_eq!(list(Some("application/vnd.test.signature")), found);
    assert_eq!(list(Some("application/other")), []);
    assert_eq!(storage.referrers(&name("b"), &subject.digest, None).unwrap(), []);
    assert!(storage.delete_manifest(&name("a"), &signatures[0].digest).unwrap());
    assert_eq!(list(None).len(), 1);
}

#[test]
fn a_damaged_entry_of_a_referrer_is_read_from_its_manifest() {
    let world = World::new();
    let storage = world.open();
    let subject = Image::new(1);
    let signature = Image::about(&subject, 2);
    signature.push(&storage, "a", &[]).unwrap();
    let before = storage.referrers(&name("a"), &subject.digest, None).unwrap();
    let dashed = |digest: &Digest| digest.as_str().replace(':', "-");
    let entry =
        format!("repositories/a/_referrers/{}/{}", dashed(&subject.digest), dashed(&signature.digest));
    fs::write(world.root().join(&entry), "{").unwrap();
    assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap(), before);
    // An entry that a copied directory brought without its manifest is no referrer.
    assert!(storage.delete_manifest(&name("a"), &signature.digest).unwrap());
    fs::write(world.root().join(&entry), serde_json::to_vec(&before[0]).unwrap()).unwrap();
    assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap(), []);
}

#[test]
fn an_index_pushed_to_a_fallback_tag_makes_what_it_lists_referrers() {
    let world = World::new();
    let storage = world.open();
    let subject = Image::new(1);
    let signature = Image::about(&subject, 2);
    signature.push(&storage, "a", &[]).unwrap();
    // As if it had come before there was a list.
    fs::remove_dir_all(world.root().join("repositories/a/_referrers")).unwrap();
    assert_eq!(storage.referrers(&name("a"), &subject.digest, None).unwrap(), []);
    drop(storage);
    let storage = world.open();
    let index = Image::index(&[&signature]);
    let fallback = referrers_tag(&subject.digest);
    index.push(&storage, "a", &[fallback.as_str()]).unwrap();
    let found = storage.referrers(&name("a"), &subject.digest, None).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].digest, signature.digest);
}

#[test]
fn a_mount_needs_a_repository_that_has_the_blob_and_may_be_seen() {
    let world = World::new();
    let storage = world.open();
    let blob = push(&storage, &name("secret"), b"blob").unwrap();
    let mount = |from: Option<&str>, hidden: &str| {
        let from = from.map(name);
        storage.mount(&name("to"), from.as_ref(), &blob, &|seen| seen.as_str() != hidden).unwrap()
    };
    assert!(!mount(Some("secret"), "secret"));
    assert!(!mount(None, "secret"));
    assert!(!mount(Some("other"), ""));
    assert!(storage.blob(&name("to"), &blob).unwrap().is_none());
    assert!(mount(Some("secret"), ""));
    assert!(storage.blob(&name("to"), &blob).unwrap().is_some());
    assert!(!storage.mount(&name("to"), None, &digest(b"none"), &|_| true).unwrap());
    assert!(storage.mount(&name("third"), None, &blob, &|_| true).unwrap());
    assert_eq!(storage.usage().unwrap().blobs, 1);
}

#[test]
fn images_are_listed_with_what_they_weigh() {
    let world = World::new();
    let storage = world.open();
    let (one, two) = (Image::new(1), Image::new(2));
    let index = Image::index(&[&one, &two]);
    one.push(&storage, "a", &[]).unwrap();
    two.push(&storage, "a", &[]).unwrap();
    index.push(&storage, "a", &["both"]).unwrap();
    let signature = Image::about(&index, 3);
    signature.push(&storage, "b/c", &[]).unwrap();
    let rows = storage.images().unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((rows[0].repository.as_str(), rows[0].tag.as_ref().unwrap().as_str()), ("a", "both"));
    let mut all = one.digests();
    all.extend(two.digests());
    all.insert(index.digest.clone());
    let weight: u64 = all.iter().map(|digest| fs::metadata(world.blob_file(digest)).unwrap().len()).sum();
    assert_eq!(rows[0].size, weight, "the layer of both counts once");
    assert_eq!((rows[1].tag.as_ref(), &rows[1].digest), (None, &signature.digest));
    assert_eq!(rows[1].artifact_type.as_deref(), Some("application/vnd.test.signature"));
}

#[test]
fn what_a_quota_limits_counts_each_content_once() {
    let world = World::new();
    let storage = world.open();
    let (one, two) = (Image::new(1), Image::new(2));
    one.push(&storage, "tools/a", &["t"]).unwrap();
    two.push(&storage, "tools/b", &["t"]).unwrap();
    one.push(&storage, "os-images/c", &["t"]).unwrap();
    let bytes = |pattern: &str| storage.prefix_bytes(&Pattern::parse(pattern).unwrap()).unwrap();
    let weigh = |images: &[&Image]| -> u64 {
        let all: std::collections::BTreeSet<Digest> =
            images.iter().flat_map(|image| image.digests()).collect();
        all.iter().map(|digest| fs::metadata(world.blob_file(digest)).unwrap().len()).sum()
    };
    assert_eq!(bytes("tools/a"), weigh(&[&one]));
    assert_eq!(bytes("tools/*"), weigh(&[&one, &two]));
    assert_eq!(bytes("*"), bytes("tools/*"));
    assert_eq!(bytes("none/*"), 0);
    let usage = storage.usage().unwrap();
    assert_eq!((usage.bytes, usage.blobs), (bytes("*"), 7));
    assert!(usage.total >= usage.free && usage.total > 0);
}

#[test]
fn index_json_names_every_tag_and_survives_the_storage() {
    let world = World::new();
    let storage = world.open();
    let image = Image::new(1);
    image.push(&storage, "os-images/debian", &["12", "latest"]).unwrap();
    assert!(storage.delete_tag(&name("os-images/debian"), &tag("latest")).unwrap());
    drop(storage);
    let index = || {
        let bytes = fs::read(world.root().join("index.json")).unwrap();
        Manifest::read(media_type::IMAGE_INDEX, &bytes).unwrap().manifests
    };
    let manifests = index();
    assert_eq!(manifests.len(), 1);
    assert_eq!(manifests[0].digest, image.digest);
    assert_eq!(manifests[0].annotations["org.opencontainers.image.ref.name"], "os-images/debian:12");
    fs::write(world.root().join("index.json"), "{ torn").unwrap();
    let storage = world.open();
    assert_eq!(index(), manifests, "written on open");
    assert_whole(&storage, "");
}

#[test]
fn index_json_is_written_behind_a_push() {
    let world = World::new();
    let options = shoal_registry_storage::Options::new(world.clock.clone());
    let storage = shoal_registry_storage::Storage::open(&world.root(), options).unwrap();
    Image::new(1).push(&storage, "a", &["t"]).unwrap();
    // Waits on what it is about: the file itself. The test's own time limit ends it otherwise.
    loop {
        let text = fs::read_to_string(world.root().join("index.json")).unwrap();
        if text.contains("a:t") {
            break;
        }
        std::thread::yield_now();
    }
    drop(storage);
    world.open();
}

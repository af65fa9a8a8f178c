// SPDX-License-Identifier: AGPL-3.0-or-later
//! An image from a registry into a root: verified, stamped, or not there at all.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use shoal_oci::{Digest, media_type};
use shoal_steps::failure::{Code, Failure};
use shoal_steps::image::{ImageError, ImageSource, install};
use shoal_steps::progress::Progress;
use shoal_steps::provision::Provision;
use shoal_steps::root::Root;

use crate::support::{Archive, Registry, provision};

const STAMP: &str = "etc/shoal/image.json";

/// Some megabytes that do not compress away.
fn archive() -> Vec<u8> {
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    })
    .take(3 << 20)
    .collect();
    Archive::default().directory("etc").file("etc/hostname", b"host\n").file("noise", &noise).end()
}

fn for_image(dir: &Path, registry: &str, digest: &Digest, token: Option<&str>) -> Provision {
    let disk = serde_json::json!({"path": "/dev/sda", "serial": "S1", "size_bytes": 1});
    let more = [
        ("OCI_URL", format!("{registry}/os@{digest}")),
        ("CALLBACK_URL", format!("http://{registry}")),
        ("CALLBACK_PINS", String::new()),
    ];
    let provision = provision(dir, &disk, &serde_json::json!([]), &more);
    if let Some(token) = token {
        fs::write(dir.join("secret/registry-token"), token).expect("written");
    }
    provision
}

fn installed(provision: &Provision, root: &Path) -> Result<u64, ImageError> {
    let source = ImageSource::new(provision)?;
    let found = source.find()?;
    install(&source, &found, &Root::open(root).expect("opened"), &Arc::new(Progress::silent()))
}

fn try_with(
    kind: &str,
    layer: &[u8],
    served: Option<Vec<u8>>,
) -> (Result<u64, ImageError>, tempfile::TempDir) {
    let (registry, digest) = Registry::with(kind, layer, served, None);
    let (dir, root) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    (installed(&for_image(dir.path(), &registry.address, &digest, None), root.path()), root)
}

#[test]
fn an_image_is_installed_plain_or_packed_and_stamped() {
    let plain = archive();
    let zstd = zstd::encode_all(plain.as_slice(), 1).expect("packed");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).expect("packed");
    let gzip = gzip.finish().expect("packed");
    for (kind, layer) in [
        (media_type::LAYER_TAR, plain.clone()),
        (media_type::LAYER_TAR_ZSTD, zstd),
        (media_type::LAYER_TAR_GZIP, gzip),
    ] {
        let (outcome, root) = try_with(kind, &layer, None);
        assert_eq!(outcome.expect(kind), 5 + (3 << 20));
        assert_eq!(fs::read(root.path().join("etc/hostname")).expect("read"), b"host\n");
        assert!(root.path().join(STAMP).exists());
    }
}

#[test]
fn wrong_bytes_are_a_wrong_digest_and_leave_no_stamp() {
    let plain = archive();
    let zstd = zstd::encode_all(plain.as_slice(), 1).expect("packed");
    for (kind, layer) in [(media_type::LAYER_TAR, plain), (media_type::LAYER_TAR_ZSTD, zstd)] {
        for at in [20, layer.len() / 2, layer.len() - 20] {
            let mut wrong = layer.clone();
            wrong[at] ^= 0x40;
            let (outcome, root) = try_with(kind, &layer, Some(wrong));
            assert_eq!(outcome.expect_err("wrong").code(), Code::WrongDigest, "{kind} at {at}");
            assert!(!root.path().join(STAMP).exists());
        }
        let short = layer[..layer.len() - 512].to_vec();
        let (outcome, root) = try_with(kind, &layer, Some(short));
        assert_eq!(outcome.expect_err("short").code(), Code::WrongDigest);
        assert!(!root.path().join(STAMP).exists());
    }
}

#[test]
fn an_image_that_is_whole_and_no_archive_is_refused() {
    let (outcome, root) = try_with(media_type::LAYER_TAR, &[7; 5000], None);
    assert_eq!(outcome.expect_err("no archive").code(), Code::BadArchive);
    assert!(!root.path().join(STAMP).exists());
    let hostile = Archive::default().file("../out", b"x").end();
    let (outcome, _) = try_with(media_type::LAYER_TAR, &hostile, None);
    assert_eq!(outcome.expect_err("hostile").code(), Code::BadArchive);
    let mut broken = zstd::encode_all(archive().as_slice(), 1).expect("packed");
    broken.truncate(broken.len() / 2);
    let (outcome, _) = try_with(media_type::LAYER_TAR_ZSTD, &broken, None);
    assert_eq!(outcome.expect_err("cut before it was pushed").code(), Code::BadArchive);
    let (outcome, _) = try_with(media_type::RAW_DISK, &archive(), None);
    assert_eq!(outcome.expect_err("another kind").code(), Code::BadImage);
}

#[test]
fn an_image_that_is_not_there_is_told_from_a_registry_that_is_not() {
    let (registry, digest) = Registry::with(media_type::LAYER_TAR, &archive(), None, None);
    let (dir, root) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let other = Digest::of(shoal_oci::Algorithm::Sha256, b"another");
    let error = installed(&for_image(dir.path(), &registry.address, &other, None), root.path());
    assert_eq!(error.expect_err("not there").code(), Code::ImageMissing);
    drop(registry);
    let error = ImageSource::new(&for_image(dir.path(), "127.0.0.1:1", &digest, None)).map(drop);
    assert!(error.is_ok(), "nothing is sent yet");
}

#[test]
fn the_token_opens_the_registry_and_stands_in_no_message() {
    const CANARY: &str = "canary-3b1f77c0a9";
    let (registry, digest) = Registry::with(media_type::LAYER_TAR, &archive(), None, Some(CANARY));
    let (dir, root) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    installed(&for_image(dir.path(), &registry.address, &digest, Some(CANARY)), root.path())
        .expect("installed");
    let wrong = "canary-of-another-job";
    let error = installed(&for_image(dir.path(), &registry.address, &digest, Some(wrong)), root.path());
    let error = error.expect_err("refused");
    assert_eq!(error.code(), Code::RegistryRefused);
    let told = serde_json::to_string(&Failure::of("image-linux", error.code(), &error)).expect("json");
    assert!(!format!("{told}{error:?}").contains("canary"), "{told}");
    let asked = registry.shelf.asked.lock().expect("whole").join(" ");
    assert!(!asked.contains("canary"), "{asked}");
}

#[test]
fn progress_counts_what_came_and_what_was_written() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let layer = zstd::encode_all(archive().as_slice(), 1).expect("packed");
    let (registry, digest) = Registry::with(media_type::LAYER_TAR_ZSTD, &layer, None, None);
    let (dir, root) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let source =
        ImageSource::new(&for_image(dir.path(), &registry.address, &digest, None)).expect("a source");
    let found = source.find().expect("found");
    let lines = Lines::default();
    let progress = Arc::new(Progress::new("image-linux", Box::new(lines.clone())));
    install(&source, &found, &Root::open(root.path()).expect("opened"), &progress).expect("installed");
    progress.done();
    let text = String::from_utf8(lines.0.lock().expect("whole").clone()).expect("text");
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("a line")).expect("json");
    assert_eq!((&last["bytes"], &last["total"]), (&layer.len().into(), &layer.len().into()));
    assert_eq!((&last["written"], &last["done"]), (&(5 + (3 << 20)).into(), &true.into()));
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Volumes, as the dispatcher reads them off whatever is in a drive.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::sync::LazyLock;

use shoal_taskiso::reader::{Entry, Kind, MAX_ENTRIES, MAX_PATH, Volume, open_task};
use shoal_taskiso::{
    Composed, DEFAULT_LIMIT, Iso, ReadAt, SECTOR, TaskFiles, TaskMedium, build, build_volume, raw_image,
};

/// Bytes in front of the descriptors.
const SYSTEM_AREA: usize = 16 * SECTOR;
/// What is written on every medium.
const FILES: [(&str, &[u8]); 5] = [
    ("recipe.json", b"{\"task_target\":\"install-linux.target\"}"),
    ("task.json", b"{}"),
    ("empty", b""),
    ("net/eth0.yaml", b"dhcp: true\n"),
    ("net/deep/a.b.c", &[7; 2049]),
];
static MEDIUM: LazyLock<Iso> = LazyLock::new(medium);
static USB: LazyLock<Vec<u8>> =
    LazyLock::new(|| raw_image(&MEDIUM, USB_MULTIPLE).expect("a small medium").bytes.to_vec());
static COMPOSED: LazyLock<Vec<u8>> = LazyLock::new(composed);
/// A size that no volume has by itself.
const USB_MULTIPLE: u64 = 99 * 512;
const JOB: &str = "0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f506";
/// Bytes of structure that are read of a volume at most, beside what is read again of each small one.
const MOST_READ: u64 = 80 << 20;

/// The input as a medium: after a first byte `r`, what follows the system area; after `t`, `u` or `c`,
/// changes to a task medium, to one as a USB disk, or to one behind a maintenance ISO. A change is three
/// bytes of place, one of length, and what stands there then.
///
/// # Panics
///
/// Where more is read than a volume may cost, where a name comes out that is no name, where a content
/// is other than its length says, or where what our writer wrote is not read back.
pub fn iso_reader(input: &[u8]) -> bool {
    let (kind, rest) = input.split_first().map_or((b'r', input), |(kind, rest)| (*kind, rest));
    let image = match kind {
        b't' => changed(&MEDIUM.bytes, rest),
        b'u' => changed(&USB, rest),
        b'c' => changed(&COMPOSED, rest),
        _ => [vec![0; SYSTEM_AREA], rest.to_vec()].concat(),
    };
    let medium = Counted { image: &image, read: Cell::new(0) };
    let opened = Volume::open(&medium).inspect(|volume| holds(volume, &image)).is_ok();
    assert!(medium.read.get() <= MOST_READ, "{} bytes were read", medium.read.get());
    let found = open_task(&medium);
    if let Ok((place, volume)) = &found {
        assert!(place.offset + place.len <= image.len() as u64 && place.volume_id.starts_with("TASK_"));
        let window = &image[place.offset as usize..(place.offset + place.len) as usize];
        holds(volume, window);
    }
    if rest.is_empty() && matches!(kind, b't' | b'u' | b'c') {
        let (_, volume) = found.as_ref().expect("what our writer wrote is found");
        for (path, content) in FILES {
            assert_eq!(volume.read(path, u64::MAX).expect("it was written"), content, "{path}");
        }
        assert_eq!(volume.files().count(), FILES.len());
    }
    opened || found.is_ok()
}

fn holds<S: ReadAt>(volume: &Volume<S>, image: &[u8]) {
    let entries = volume.entries();
    assert!(entries.len() <= MAX_ENTRIES);
    let paths: BTreeSet<&str> = entries.iter().map(|entry| &*entry.path).collect();
    assert_eq!(paths.len(), entries.len(), "a path stands twice");
    let mut read = 0;
    for entry in entries {
        named(entry, &paths);
        if entry.kind == Kind::File && read <= image.len() as u64 {
            // Extents may be shared: a volume of many names for one content must not cost its square here.
            read += entry.len;
            let content = volume.read(&entry.path, entry.len).expect("extents were checked");
            assert_eq!(content.len() as u64, entry.len);
        }
        let below = entry.len.checked_sub(1);
        assert!(below.is_none_or(|limit| volume.read(&entry.path, limit).is_err()), "over the limit");
    }
    assert!(volume.read("", u64::MAX).is_err() && volume.read("..", u64::MAX).is_err());
}

/// A name is one, and the directories above it are there.
fn named(entry: &Entry, paths: &BTreeSet<&str>) {
    let path = &entry.path;
    assert!(path.len() <= MAX_PATH, "{path:?}");
    for name in path.split('/') {
        assert!(!matches!(name, "" | "." | "..") && !name.contains('\0'), "{path:?}");
    }
    let above = path.rsplit_once('/').map(|(above, _)| above);
    assert!(above.is_none_or(|above| paths.contains(above)), "nothing is above {path:?}");
}

/// The image with what is changed in it.
fn changed(image: &[u8], mut changes: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    while let [a, b, c, len, rest @ ..] = changes {
        let at = (usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)) % image.len();
        let len = usize::from(*len).min(rest.len()).min(image.len() - at);
        image[at..at + len].copy_from_slice(&rest[..len]);
        changes = &rest[len..];
    }
    image
}

fn files() -> TaskFiles {
    let mut files = TaskFiles::new();
    for (path, content) in FILES {
        files.insert(path, content.to_vec()).expect("paths that fit together");
    }
    files
}

fn medium() -> Iso {
    let spec =
        TaskMedium { job_id: JOB.into(), files: files(), epoch: 1_700_000_000, pad: 0, limit: DEFAULT_LIMIT };
    build(&spec).expect("a small medium")
}

fn composed() -> Vec<u8> {
    let maintenance = build_volume("MAINTENANCE", &TaskFiles::new(), 1_700_000_000, 0, DEFAULT_LIMIT);
    let composed = Composed::new(maintenance.expect("a small volume").bytes, &MEDIUM).expect("two volumes");
    let mut image = vec![0; composed.len() as usize];
    let mut done = 0;
    while done < image.len() {
        done += composed.read_at(done as u64, &mut image[done..]).expect("bytes in memory");
    }
    image
}

/// A medium that counts what is read of it.
struct Counted<'a> {
    image: &'a [u8],
    read: Cell<u64>,
}

impl ReadAt for &Counted<'_> {
    fn len(&self) -> u64 {
        self.image.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.read.set(self.read.get() + buf.len() as u64);
        self.image.read_at(offset, buf)
    }
}

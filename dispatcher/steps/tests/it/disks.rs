// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steps on a sparse file that stands for a disk, with real tools. Partitions are loop devices over parts of it.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shoal_dispatcher::disk::read_gpt;
use shoal_oci::media_type;
use shoal_schema::disk::DiskFacts;
use shoal_steps::disk::{Machine, Uses};
use shoal_steps::fat_volume::FatVolume;
use shoal_steps::image::{self, Imaged};
use shoal_steps::mounts::SystemMounts;
use shoal_steps::partition::{self, PartitionError, Partitioned};
use shoal_steps::programs::{Call, Program, ProgramError, Programs, SystemPrograms};
use shoal_steps::progress::Progress;
use shoal_steps::provision::Provision;
use shoal_steps::seed::{self, Seeded};

use crate::support::{Archive, Registry, can_run, provision, tool};

const SIZE: u64 = 256 << 20;

/// A machine with one disk.
struct Lab {
    dir: tempfile::TempDir,
    loops: RefCell<Vec<(u64, u64, PathBuf)>>,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        File::create(dir.path().join("disk")).expect("made").set_len(SIZE).expect("sized");
        Self { dir, loops: RefCell::default() }
    }

    fn disk(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn provision(&self, layout: &serde_json::Value, more: &[(&'static str, String)]) -> Provision {
        let disk = serde_json::json!({"path": self.disk(), "serial": "S1", "size_bytes": SIZE});
        provision(&self.dir.path().join("provision"), &disk, layout, more)
    }

    fn partition(&self, programs: &mut dyn Programs) -> Result<Partitioned, PartitionError> {
        partition::run(&self.provision(&layout(), &[]), self, programs)
    }

    fn detach(&self) {
        for (.., device) in self.loops.borrow_mut().drain(..) {
            tool("losetup", &["-d", &device.display().to_string()]);
        }
    }

    fn uuids(&self) -> Vec<String> {
        let file = File::open(self.disk()).expect("opened");
        let entries = read_gpt(&file).expect("read").expect("a table");
        let disk = self.disk().display().to_string();
        let of = |offset: u64, len: u64| {
            let (offset, len) = (offset.to_string(), len.to_string());
            tool("blkid", &["-p", "-O", &offset, "-S", &len, "-o", "value", "-s", "UUID", &disk])
        };
        entries.iter().map(|entry| of(entry.offset, entry.len)).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (.., device) in self.loops.borrow().iter() {
            drop(std::process::Command::new("losetup").arg("-d").arg(device).status());
        }
    }
}

impl Machine for Lab {
    fn disks(&self) -> io::Result<Vec<DiskFacts>> {
        Ok(vec![DiskFacts {
            path: self.disk().display().to_string(),
            serial: Some("S1".into()),
            wwn: None,
            size_bytes: SIZE,
            rotational: None,
        }])
    }

    fn uses(&self, _: &Path) -> io::Result<Uses> {
        Ok(Uses::default())
    }

    fn claim(&self, disk: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(disk)
    }

    fn partition(&self, disk: &Path, number: u32) -> io::Result<PathBuf> {
        let entries = read_gpt(&File::open(disk)?).map_err(io::Error::other)?.unwrap_or_default();
        let entry = entries.iter().find(|entry| entry.number == number).ok_or(io::ErrorKind::NotFound)?;
        let mut loops = self.loops.borrow_mut();
        if let Some((.., device)) =
            loops.iter().find(|(offset, len, _)| (*offset, *len) == (entry.offset, entry.len))
        {
            return Ok(device.clone());
        }
        let (offset, len) = (entry.offset.to_string(), entry.len.to_string());
        let file = disk.display().to_string();
        let device =
            PathBuf::from(tool("losetup", &["-f", "--show", "-o", &offset, "--sizelimit", &len, &file]));
        loops.push((entry.offset, entry.len, device.clone()));
        Ok(device)
    }
}

fn layout() -> serde_json::Value {
    serde_json::json!([
        {"size": "48M", "type_guid": "ef00", "format": "vfat", "label": "ESP"},
        {"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"},
        {"size": "16M", "type_guid": "8200", "format": "swap", "label": "swap"},
        {"size": "8M", "type_guid": "0700", "format": "vfat", "label": "cidata"},
    ])
}

const TOOLS: [&str; 6] = ["sfdisk", "mkfs.vfat", "mkfs.ext4", "mkswap", "blkid", "losetup"];

fn ready() -> bool {
    can_run(&TOOLS, true) && Path::new("/dev/loop-control").exists()
}

/// The tools of this system, up to a point.
struct Until {
    left: usize,
    lines: Vec<String>,
}

impl Programs for Until {
    fn run(&mut self, call: &Call) -> Result<String, ProgramError> {
        self.lines.push(call.line());
        if call.program != Program::Blkid {
            if self.left == 0 {
                let source = io::Error::other("the power went");
                return Err(ProgramError::Start { program: call.program.name(), source });
            }
            self.left -= 1;
        }
        SystemPrograms.run(call)
    }
}

#[test]
fn a_blank_disk_is_laid_out_and_then_left_alone() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    assert_eq!(lab.partition(&mut SystemPrograms).expect("laid out"), Partitioned::Recreated);
    let before = (lab.uuids(), fs::metadata(lab.disk()).expect("there").modified().expect("a time"));
    assert_eq!(before.0.len(), 4);
    let mut programs = Until { left: 0, lines: Vec::new() };
    assert_eq!(lab.partition(&mut programs).expect("left alone"), Partitioned::AlreadyThere);
    assert_eq!(programs.lines.len(), 4, "one look at each: {:?}", programs.lines);
    assert_eq!(before, (lab.uuids(), fs::metadata(lab.disk()).expect("there").modified().expect("a time")));
    let verified = tool("sfdisk", &["--verify", &lab.disk().display().to_string()]);
    assert!(verified.contains("No errors"), "{verified}");
}

#[test]
fn file_systems_are_looked_for_where_they_were_made() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let mut programs = Until { left: usize::MAX, lines: Vec::new() };
    lab.partition(&mut programs).expect("laid out");
    lab.partition(&mut programs).expect("left alone");
    let looks: Vec<&String> = programs.lines.iter().filter(|line| line.starts_with("blkid")).collect();
    assert_eq!(looks.len(), 8);
    let nodes: Vec<String> = lab.loops.borrow().iter().map(|(.., node)| node.display().to_string()).collect();
    for look in looks {
        assert!(nodes.iter().any(|node| look.ends_with(node)) && !look.contains("--offset"), "{look}");
    }
}

#[test]
fn a_power_cut_at_any_call_is_recreated_cleanly_by_the_next_run() {
    if !ready() {
        return;
    }
    // The table, four file systems, the mark.
    for calls in 0..6 {
        let lab = Lab::new();
        let cut = lab.partition(&mut Until { left: calls, lines: Vec::new() });
        assert!(cut.is_err(), "after {calls} calls");
        lab.detach();
        assert_eq!(lab.partition(&mut SystemPrograms).expect("laid out"), Partitioned::Recreated, "{calls}");
        assert_eq!(lab.partition(&mut SystemPrograms).expect("left"), Partitioned::AlreadyThere, "{calls}");
    }
}

#[test]
fn only_a_file_system_that_is_missing_is_made() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    lab.partition(&mut SystemPrograms).expect("laid out");
    let before = lab.uuids();
    lab.detach();
    let file = OpenOptions::new().read(true).write(true).open(lab.disk()).expect("opened");
    let swap = read_gpt(&file).expect("read").expect("a table")[2].clone();
    file.write_all_at(&[0; 8192], swap.offset).expect("wiped");
    drop(file);
    assert_eq!(lab.partition(&mut SystemPrograms).expect("made"), Partitioned::Formatted(1));
    let after = lab.uuids();
    assert_eq!((&before[0], &before[1], &before[3]), (&after[0], &after[1], &after[3]));
    assert_ne!(before[2], after[2]);
    assert_eq!(lab.partition(&mut SystemPrograms).expect("left"), Partitioned::AlreadyThere);
}

#[test]
fn another_layout_and_old_signatures_go() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let file = OpenOptions::new().write(true).open(lab.disk()).expect("opened");
    // A physical volume, and the copy of a btrfs superblock.
    file.write_all_at(b"LABELONE", 512).expect("written");
    file.write_all_at(b"_BHRfS_M", (64 << 20) + 64).expect("written");
    drop(file);
    tool("sh", &["-c", &format!("printf 'label: dos\\n,100M\\n,\\n' | sfdisk -q {}", lab.disk().display())]);
    assert_eq!(lab.partition(&mut SystemPrograms).expect("laid out"), Partitioned::Recreated);
    lab.detach();
    let other = serde_json::json!([{"size": "100%", "type_guid": "8300", "format": "ext4", "label": "root"}]);
    let outcome = partition::run(&lab.provision(&other, &[]), &lab, &mut SystemPrograms);
    assert_eq!(outcome.expect("laid out"), Partitioned::Recreated);
    assert_eq!(lab.uuids().len(), 1);
}

#[test]
fn a_layout_that_does_not_fit_is_refused_and_nothing_is_written() {
    if !can_run(&[], false) {
        return;
    }
    let lab = Lab::new();
    let layout = serde_json::json!([{"size": "1G", "type_guid": "8300", "format": "ext4"}]);
    let error = partition::run(&lab.provision(&layout, &[]), &lab, &mut Until { left: 0, lines: Vec::new() });
    assert_eq!(error.expect_err("too small").code().as_str(), "disk_too_small");
    assert!(fs::read(lab.disk()).expect("read").iter().all(|byte| *byte == 0));
}

/// Everything but the bootloader, on a file system of its own.
#[test]
fn an_image_and_its_seed_are_installed_once() {
    if !ready() {
        return;
    }
    let lab = Lab::new();
    let layer = Archive::default().directory("etc").file("etc/hostname", b"one\n").end();
    let (registry, digest) = Registry::with(media_type::LAYER_TAR, &layer, None, None);
    let more = [
        ("OCI_URL", format!("{}/os@{digest}", registry.address)),
        ("CALLBACK_URL", format!("http://{}", registry.address)),
    ];
    let provision = lab.provision(&layout(), &more);
    let dir = lab.dir.path().join("provision");
    fs::write(dir.join("meta-data"), "instance-id: S1\n").expect("written");
    fs::write(dir.join("stamp.json"), "{\"job_id\":\"j\"}\n").expect("written");
    fs::write(dir.join("secret/user-data"), "#cloud-config\npassword: hunter2\n").expect("written");
    partition::run(&provision, &lab, &mut SystemPrograms).expect("laid out");
    let new_root = lab.dir.path().join("new-root");
    let image = || {
        let (mut programs, mut mounts) = (SystemPrograms, SystemMounts);
        let mut tools = image::Tools {
            machine: &lab,
            programs: &mut programs,
            mounts: &mut mounts,
            new_root: new_root.clone(),
        };
        image::run(&provision, &mut tools, &Arc::new(Progress::silent()))
    };
    let seed = || {
        let (mut programs, mut mounts) = (SystemPrograms, SystemMounts);
        let mut tools = seed::Tools {
            machine: &lab,
            programs: &mut programs,
            mounts: &mut mounts,
            new_root: new_root.clone(),
        };
        seed::run(&provision, &mut tools)
    };
    assert_eq!(image().expect("installed"), Imaged::Installed(4));
    assert_eq!(seed().expect("written"), Seeded::Written);
    let asked = registry.shelf.asked.lock().expect("whole").len();
    assert_eq!(image().expect("left alone"), Imaged::AlreadyThere);
    assert_eq!(seed().expect("left alone"), Seeded::AlreadyThere);
    assert_eq!(registry.shelf.asked.lock().expect("whole").len(), asked, "nobody was asked");
    let esp = lab.partition_node(1);
    let cidata = lab.partition_node(4);
    let read = |device: &Path, name: &str| FatVolume::open(device).expect("opened").read(name).expect("read");
    assert_eq!(read(&esp, "shoal/stamp.json").as_deref(), Some(b"{\"job_id\":\"j\"}\n".as_slice()));
    assert_eq!(read(&cidata, "meta-data").as_deref(), Some(b"instance-id: S1\n".as_slice()));
    assert_eq!(fs::read_dir(&new_root).expect("unmounted").count(), 0);

    // Another image: what was there goes, and so does the stamp of the install that it was.
    let layer = Archive::default().file("other", b"2").end();
    let (registry, digest) = Registry::with(media_type::LAYER_TAR, &layer, None, None);
    let more = [
        ("OCI_URL", format!("{}/os@{digest}", registry.address)),
        ("CALLBACK_URL", format!("http://{}", registry.address)),
    ];
    let provision = lab.provision(&layout(), &more);
    let (mut programs, mut mounts) = (SystemPrograms, SystemMounts);
    let mut tools = image::Tools {
        machine: &lab,
        programs: &mut programs,
        mounts: &mut mounts,
        new_root: new_root.clone(),
    };
    let outcome = image::run(&provision, &mut tools, &Arc::new(Progress::silent()));
    assert_eq!(outcome.expect("installed"), Imaged::Installed(1));
    assert_eq!(read(&esp, "shoal/stamp.json"), None);
    let root = lab.partition_node(2).display().to_string();
    assert!(tool("debugfs", &["-R", "ls -p /", &root]).contains("/other/"));
    assert!(!tool("debugfs", &["-R", "stat /etc/hostname", &root]).contains("Inode"));
}

impl Lab {
    fn partition_node(&self, number: u32) -> PathBuf {
        Machine::partition(self, &self.disk(), number).expect("a node")
    }
}

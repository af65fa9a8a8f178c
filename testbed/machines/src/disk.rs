// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is on a machine's disk, read from outside with the tools of the host. The machine must be off.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::fs::SeekFrom;
use serde_json::Value;
use shoal_schema::Sha256;

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Bytes that are hashed as one.
const BLOCK: u64 = 1 << 20;

/// A disk file.
#[derive(Clone, Debug)]
pub struct Disk {
    path: PathBuf,
}

/// A partition that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPartition {
    /// Its name in the table.
    pub name: String,
    /// Its type.
    pub type_guid: String,
    /// Its own GUID.
    pub guid: String,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// File system, as `blkid` names it.
    pub format: Option<String>,
    /// UUID of the file system.
    pub uuid: Option<String>,
    /// Label of the file system.
    pub label: Option<String>,
}

impl Disk {
    /// Nothing is read yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The partitions, in the table's order; none where there is no table.
    pub fn partitions(&self) -> anyhow::Result<Vec<FoundPartition>> {
        let output = Command::new("sfdisk").arg("--json").arg(&self.path).output().context("run sfdisk")?;
        if !output.status.success() {
            return Ok(Vec::new());
        }
        let table: Value = serde_json::from_slice(&output.stdout).context("understand sfdisk")?;
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let mut found = Vec::new();
        for partition in table["partitiontable"]["partitions"].as_array().into_iter().flatten() {
            let number = |key: &str| partition[key].as_u64().unwrap_or_default() * SECTOR;
            let (start, size) = (number("start"), number("size"));
            let tags = self.probe(start, size)?;
            found.push(FoundPartition {
                name: text(partition, "name"),
                type_guid: text(partition, "type").to_lowercase(),
                guid: text(partition, "uuid").to_lowercase(),
                start,
                size,
                format: tags.get("TYPE").cloned(),
                uuid: tags.get("UUID").cloned(),
                label: tags.get("LABEL").cloned(),
            });
        }
        Ok(found)
    }

    /// The partition with this name.
    pub fn partition(&self, name: &str) -> anyhow::Result<FoundPartition> {
        let mut found = self.partitions()?.into_iter().filter(|partition| partition.name == name);
        found.next().with_context(|| format!("no partition {name} on {}", self.path.display()))
    }

    fn probe(&self, start: u64, size: u64) -> anyhow::Result<BTreeMap<String, String>> {
        let output = Command::new("blkid")
            .args(["--probe", "--output", "export", "--offset", &start.to_string()])
            .args(["--size", &size.to_string()])
            .arg(&self.path)
            .output()
            .context("run blkid")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let tags = text.lines().filter_map(|line| line.split_once('='));
        Ok(tags.map(|(key, value)| (key.to_owned(), value.replace('\\', ""))).collect())
    }

    /// A file of the ext4 file system on the partition with this name; nothing when it is not there.
    pub fn ext4_file(&self, partition: &str, path: &str) -> anyhow::Result<Option<String>> {
        self.debugfs(partition, &format!("cat {path}"))
    }

    /// What `debugfs` says of a file of the ext4 file system on the partition with this name: type, mode, owner, size,
    /// links, extended attributes.
    pub fn ext4_stat(&self, partition: &str, path: &str) -> anyhow::Result<String> {
        self.debugfs(partition, &format!("stat {path}"))?.with_context(|| format!("no file {path}"))
    }

    fn debugfs(&self, partition: &str, request: &str) -> anyhow::Result<Option<String>> {
        let start = self.partition(partition)?.start;
        let device = format!("{}?offset={start}", self.path.display());
        // Without -c it would want to write; an unclean journal is no error then.
        let output = Command::new("debugfs")
            .args(["-c", "-R", request, &device])
            .output()
            .context("run debugfs (package e2fsprogs)")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("File not found") {
            return Ok(None);
        }
        if !output.status.success() {
            bail!("debugfs cannot {request}: {said}");
        }
        Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// A file of the FAT file system on the partition with this name; nothing when it is not there.
    pub fn fat_file(&self, partition: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let start = self.partition(partition)?.start;
        let image = format!("{}@@{start}", self.path.display());
        let output = Command::new("mtype")
            .env("MTOOLS_SKIP_CHECK", "1")
            .args(["-i", &image, &format!("::{path}")])
            .output()
            .context("run mtype (package mtools)")?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// Hashes of what was written, by place: equal for equal disks, and the difference names where.
    pub fn contents(&self) -> io::Result<BTreeMap<u64, Sha256>> {
        let file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        let mut found = BTreeMap::new();
        let mut buffer = vec![0; usize::try_from(BLOCK).map_err(io::Error::other)?];
        let mut at = 0;
        while at < end {
            at = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
                Ok(data) => data / BLOCK * BLOCK,
                Err(rustix::io::Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let length = usize::try_from(BLOCK.min(end - at)).map_err(io::Error::other)?;
            let block = &mut buffer[..length];
            file.read_exact_at(block, at)?;
            if block.iter().any(|byte| *byte != 0) {
                found.insert(at, Sha256::of(block));
            }
            at += BLOCK;
        }
        Ok(found)
    }

    /// Whether this text stands anywhere on the disk, in one piece.
    pub fn contains(&self, text: &str) -> io::Result<bool> {
        let output = Command::new("grep").args(["-a", "-F", "-q", "-e", text]).arg(&self.path).output()?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            other => Err(io::Error::other(format!("grep ended with {other:?}"))),
        }
    }
}

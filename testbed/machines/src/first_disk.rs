// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is on a machine's disk before anybody installs it: another life of it, out of a file.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Puts a compressed disk (`.raw.zst`), or the one file of a tar archive, in the place of a machine's first disk. The
/// disk of the machine may be larger.
pub(crate) fn unpack(file: &Path, directory: &Path, size: u64) -> anyhow::Result<()> {
    if !file.is_file() {
        bail!("{} is not there; 'just machines' builds it, as root", file.display());
    }
    fs::create_dir_all(directory).context("make a machine's directory")?;
    let first = directory.join("disk0.raw");
    if file.to_string_lossy().ends_with(".raw.zst") {
        disk(file, &first)?;
    } else {
        archive(file, directory, &first)?;
    }
    let disk = OpenOptions::new().write(true).open(&first).context("open a disk")?;
    let there = disk.metadata().context("look at a disk")?.len();
    if there > size {
        bail!("{} has {there} bytes, more than the {size} of the machine's disk", file.display());
    }
    disk.set_len(size).context("make a disk as large as it is to be")
}

fn disk(file: &Path, first: &Path) -> anyhow::Result<()> {
    let done = Command::new("zstd").args(["-q", "-d", "--sparse"]).arg(file).arg("-o").arg(first).status();
    let done = done.context("run zstd")?;
    if !done.success() {
        bail!("zstd cannot read {}: {done}", file.display());
    }
    Ok(())
}

fn archive(file: &Path, directory: &Path, first: &Path) -> anyhow::Result<()> {
    // Into a directory, not through a pipe: holes stay holes.
    let done = Command::new("tar").args(["--zstd", "-xf"]).arg(file).arg("-C").arg(directory).status();
    let done = done.context("run tar")?;
    if !done.success() {
        bail!("tar cannot read {}: {done}", file.display());
    }
    let mut files = fs::read_dir(directory).context("read a machine's directory")?;
    let unpacked = files.next().with_context(|| format!("{} is empty", file.display()))??;
    fs::rename(unpacked.path(), first).context("put the disk in its place")
}

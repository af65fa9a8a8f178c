// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a process used, as `/proc` says.

use std::fs;

use anyhow::{Context as _, Result};

/// `USER_HZ`: what `/proc` counts in, whatever the kernel's own clock (proc(5)); 100 on every machine of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time so far, user and system together, in seconds.
pub(super) fn cpu(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15; the name in the second one may hold spaces.
    fields(&stat, [11, 12])
}

/// Processor time of all children that ended, in seconds.
pub(super) fn children_cpu() -> Result<f64> {
    fields(&fs::read_to_string("/proc/self/stat")?, [13, 14])
}

fn fields(stat: &str, wanted: [usize; 2]) -> Result<f64> {
    let rest = stat.rsplit_once(") ").context("a line of another form")?.1;
    let fields: Vec<&str> = rest.split(' ').collect();
    let mut ticks = 0.0;
    for at in wanted {
        ticks += fields.get(at).context("too few fields")?.parse::<f64>()?;
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// Memory in MiB: `VmRSS` is what it has now, `VmHWM` the most that it ever had.
pub(super) fn memory(pid: u32, which: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib: f64 = line.context("no such line")?.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 30 40 500 600 20 0";
        assert!((fields(stat, [11, 12]).unwrap() - 0.7).abs() < 1e-9);
        assert!((fields(stat, [13, 14]).unwrap() - 11.0).abs() < 1e-9);
    }
}

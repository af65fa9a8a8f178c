// SPDX-License-Identifier: AGPL-3.0-or-later
//! A program that runs to its end, and what it cost.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::process;

/// What a program cost.
#[derive(Clone, Copy)]
pub(super) struct Ran {
    /// Seconds.
    pub(super) wall: f64,
    /// Seconds of processor time.
    pub(super) cpu: f64,
    /// The most memory, in MiB.
    pub(super) peak: f64,
}

/// Runs it, with nothing on its input and its output thrown away. `codes`: how it may end.
pub(super) fn run(command: &mut Command, codes: &[i32]) -> Result<Ran> {
    let cpu = process::children_cpu()?;
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    let mut peak: f64 = 0.0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Ok(now) = process::memory(child.id(), "VmHWM") {
            peak = peak.max(now);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let wall = began.elapsed().as_secs_f64();
    if !status.code().is_some_and(|code| codes.contains(&code)) {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(Ran { wall, cpu: process::children_cpu()? - cpu, peak })
}

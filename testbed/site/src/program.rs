// SPDX-License-Identifier: AGPL-3.0-or-later
//! Other programs: `shoal` as released, and `git`.
//!
//! Guarantees: they see an environment of the site's making, never the caller's Git configuration.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::place::Place;

/// The workspace that this was built in.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Programs with the environment that they run in.
#[derive(Clone, Debug)]
pub struct Programs {
    shoal: PathBuf,
    home: PathBuf,
    socket: PathBuf,
    /// Beside the environment that all have.
    more: Vec<(String, PathBuf)>,
}

/// What a program said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Programs {
    /// Finds the programs; builds `shoal` where it was not built yet.
    pub fn find(place: &Place) -> anyhow::Result<Self> {
        let (home, socket) = (place.root().to_owned(), place.socket());
        Ok(Self { shoal: shoal()?, home, socket, more: Vec::new() })
    }

    /// With one more variable in the environment of each.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<PathBuf>) -> Self {
        self.more.push((name.to_owned(), value.into()));
        self
    }

    /// A `shoal` command, to be started by the caller.
    pub fn shoal_command(&self) -> Command {
        self.command(&self.shoal)
    }

    /// Runs `shoal` to its end.
    pub fn shoal(&self, dir: &Path, args: &[&str]) -> anyhow::Result<Said> {
        self.shoal_with(dir, args, "")
    }

    /// Runs `shoal` with something on its standard input.
    pub fn shoal_with(&self, dir: &Path, args: &[&str], input: &str) -> anyhow::Result<Said> {
        let mut command = self.command(&self.shoal);
        command.current_dir(dir).env("SHOAL_SOCKET", &self.socket).args(args);
        run(command, input).with_context(|| format!("run shoal {}", args.join(" ")))
    }

    /// Runs `git`; anything but success is an error with what it said.
    pub fn git(&self, dir: &Path, args: &[&str]) -> anyhow::Result<String> {
        let mut command = self.command("git");
        command
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .args(["-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false"])
            .args(args);
        let said = run(command, "").with_context(|| format!("run git {}", args.join(" ")))?;
        said.expect_success(&format!("git {}", args.join(" ")))
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.home).env("LANG", "C.UTF-8").env("NO_COLOR", "1");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(measured());
        command.envs(self.more.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Said {
    /// The output of what succeeded.
    pub fn expect_success(self, what: &str) -> anyhow::Result<String> {
        if self.code == Some(0) {
            return Ok(self.out);
        }
        bail!("{what} ended with {:?}\n{}{}", self.code, self.out, self.err)
    }
}

/// Where a binary that is built to be measured tells what was run of it, where we are measured ourselves. A few files
/// for all that one test's binary starts: a thousand would take longer to read than to run.
pub fn measured() -> Option<(&'static str, PathBuf)> {
    const FILE: &str = "LLVM_PROFILE_FILE";
    let ours = PathBuf::from(std::env::var_os(FILE)?);
    let test = std::env::current_exe().ok()?;
    let name = format!("{}-started_%4m.profraw", test.file_stem()?.to_string_lossy());
    Some((FILE, ours.with_file_name(name)))
}

fn run(mut command: Command, input: &str) -> anyhow::Result<Said> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start it")?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that reads nothing and is gone already says so by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().context("wait for it")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
}

/// `shoal` beside this program; made where it is not there.
fn shoal() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let mut dir = own.parent().context("find the directory of this program")?;
    // Tests stand one level below.
    if dir.file_name() == Some(OsStr::new("deps")) {
        dir = dir.parent().context("find the directory of this test")?;
    }
    let shoal = dir.join("shoal");
    if !shoal.is_file() {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "-p", "shoal"]).current_dir(WORKSPACE);
        if dir.file_name() == Some(OsStr::new("release")) {
            cargo.arg("--release");
        }
        let status = cargo.status().context("run cargo build -p shoal")?;
        if !status.success() {
            bail!("cargo build -p shoal ended with {status}");
        }
    }
    if !shoal.is_file() {
        bail!("there is no {}; 'cargo build -p shoal' makes it", shoal.display());
    }
    Ok(shoal)
}

/// The example inventory of this workspace.
pub fn example_inventory() -> PathBuf {
    Path::new(WORKSPACE).join("examples/inventory")
}

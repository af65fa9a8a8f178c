// SPDX-License-Identifier: AGPL-3.0-or-later
//! Python packages for tests: clients and validators that other people wrote.
//!
//! [`environment`] installs from PyPI what a requirements file names, every package with its version and its hashes,
//! into a virtual environment below a build directory, once for each such file. [`for_tests`] is the same for a
//! test, which skips where there is no Python or no network.
//!
//! A requirements file holds the whole closure of what it is for. It is made from a short list beside it, for every
//! platform at once:
//!
//! ```console
//! $ uv pip compile --universal --generate-hashes --python-version 3.11 --no-annotate NAME.in -o NAME.txt
//! ```
//!
//! Guarantees: nothing is installed that the file does not name; tests in many processes that ask for the same
//! packages at once install them once; an installation that broke off is not taken for a whole one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::tls::hex;

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program did not start.
    #[error("run {command}")]
    Start {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program ended without success.
    #[error("{command} failed: {said}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// Its standard error.
        said: String,
    },
    /// The directory could not be prepared.
    #[error("prepare {path} for Python packages")]
    Prepare {
        /// What was to be there.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The `python` of an environment below `directory` that has what `requirements` names; scripts that came with the
/// packages are beside it. `directory` is an absolute path; `name` is for people who look into it.
///
/// Blocks for as long as pip takes the first time.
pub fn environment(directory: &Path, name: &str, requirements: &str) -> Result<PathBuf, Error> {
    // An environment belongs to one interpreter: after an upgrade it is another one.
    let interpreter = run("python3", &["-c", "import sys; print(sys.version, sys.executable)"], directory)?;
    let digest = Sha256::new().chain_update(interpreter).chain_update(requirements).finalize();
    let short = hex(&digest[..6]);
    let kept = directory.join(format!("python-{name}-{short}"));
    let python = kept.join("bin/python");
    once(&kept, || {
        run("python3", &["-m", "venv", "."], &kept)?;
        let wanted = kept.join("requirements.txt");
        std::fs::write(&wanted, requirements)
            .map_err(|source| Error::Prepare { path: wanted.clone(), source })?;
        // Wheels only: building from source would run, and fetch, what no hash covers.
        let install =
            "-m pip install --quiet --require-hashes --only-binary :all: --requirement requirements.txt";
        run(&python.to_string_lossy(), &install.split(' ').collect::<Vec<_>>(), &kept)
    })?;
    Ok(python)
}

/// Makes a directory that `fill` fills, unless it was filled before; by whichever process comes first.
fn once(directory: &Path, fill: impl FnOnce() -> Result<Vec<u8>, Error>) -> Result<(), Error> {
    let prepare = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Prepare { path, source }
    };
    // Held until the end of this function, or of this process.
    let path = directory.with_extension("lock");
    let lock = File::create(&path).map_err(prepare(&path))?;
    lock.lock().map_err(prepare(&path))?;
    let complete = directory.join("complete");
    if complete.exists() {
        return Ok(());
    }
    if directory.exists() {
        std::fs::remove_dir_all(directory).map_err(prepare(directory))?;
    }
    std::fs::create_dir(directory).map_err(prepare(directory))?;
    fill()?;
    std::fs::write(&complete, "").map_err(prepare(&complete))
}

/// As [`environment`]; without one the test says why and skips, unless `SHOAL_REQUIRE_TOOLS=1` asks for a failure.
/// `directory` is the `CARGO_TARGET_TMPDIR` of the test.
pub fn for_tests(directory: &str, name: &str, requirements: &str) -> Option<PathBuf> {
    match environment(Path::new(directory), name, requirements) {
        Ok(python) => Some(python),
        Err(error) => {
            let required = std::env::var_os("SHOAL_REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!required, "SHOAL_REQUIRE_TOOLS is 1, and there is no Python with {name}: {error:?}");
            writeln!(io::stderr(), "SKIPPED: no Python with {name}: {error}").expect("stderr");
            None
        }
    }
}

/// Runs a program in a directory; what it printed.
fn run(program: &str, args: &[&str], directory: &Path) -> Result<Vec<u8>, Error> {
    let command = || format!("{program} {}", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .current_dir(directory)
        .output()
        .map_err(|source| Error::Start { command: command(), source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(Error::Failed { command: command(), said });
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_broke_off_is_made_again_and_what_is_whole_is_kept() {
        let below = tempfile::tempdir().expect("a directory");
        let directory = below.path().join("x");
        let left = directory.join("left");
        let broken = once(&directory, || {
            std::fs::write(&left, "").expect("a file");
            run("false", &[], &directory)
        });
        assert!(matches!(&broken, Err(Error::Failed { command, .. }) if command == "false "), "{broken:?}");
        once(&directory, || {
            assert!(!left.exists(), "what broke off was kept");
            run("true", &[], &directory)
        })
        .expect("it is filled");
        once(&directory, || panic!("a whole one was filled again")).expect("it is there");
    }
}

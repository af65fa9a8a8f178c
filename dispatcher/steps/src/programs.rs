// SPDX-License-Identifier: AGPL-3.0-or-later
//! The external programs that the steps call, all of them, behind one trait.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shoal_dispatcher::cause::cut;

/// The most that is quoted of what a program said, in bytes.
const QUOTED: usize = 600;

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident $file:literal)*) => {
        /// A program. There are no others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Program { $($(#[$doc])* $name,)* }

        impl Program {
            /// The name of its file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $file,)* }
            }
        }
    };
}

programs! {
    /// Makes partition tables.
    Sfdisk "sfdisk"
    /// Knows file systems.
    Blkid "blkid"
    /// Has the kernel read a table again.
    Blockdev "blockdev"
    /// Makes FAT.
    MkfsVfat "mkfs.vfat"
    /// Makes ext4.
    MkfsExt4 "mkfs.ext4"
    /// Makes XFS.
    MkfsXfs "mkfs.xfs"
    /// Makes btrfs.
    MkfsBtrfs "mkfs.btrfs"
    /// Makes NTFS.
    MkfsNtfs "mkfs.ntfs"
    /// Makes swap.
    Mkswap "mkswap"
    /// Stops volume groups.
    Vgchange "vgchange"
    /// Stops arrays.
    Mdadm "mdadm"
    /// Puts GRUB on an ESP.
    GrubInstall "grub-install"
    /// The same, as Fedora and SUSE call it.
    Grub2Install "grub2-install"
    /// Writes GRUB's configuration, Debian's way.
    UpdateGrub "update-grub"
    /// Writes GRUB's configuration.
    GrubMkconfig "grub-mkconfig"
    /// The same, as Fedora and SUSE call it.
    Grub2Mkconfig "grub2-mkconfig"
    /// Knows the firmware's boot entries.
    Efibootmgr "efibootmgr"
}

/// A call of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it reads.
    pub input: Option<String>,
    /// The root directory that it is run in, where that is another one.
    pub root: Option<PathBuf>,
    /// Exit codes beside 0 that are an answer and no failure.
    pub answers: &'static [i32],
}

impl Call {
    /// A call with arguments.
    pub fn new<A: AsRef<OsStr>>(program: Program, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { program, arguments, input: None, root: None, answers: &[] }
    }

    /// With something to read.
    pub fn reading(self, input: String) -> Self {
        Self { input: Some(input), ..self }
    }

    /// In another root directory.
    pub fn within(self, root: &Path) -> Self {
        Self { root: Some(root.to_owned()), ..self }
    }

    /// With another argument.
    pub fn and(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Where some other exit codes are fine.
    pub fn answering(self, answers: &'static [i32]) -> Self {
        Self { answers, ..self }
    }

    /// Program and arguments in one line, for people and tests.
    pub fn line(&self) -> String {
        let mut line = self.program.name().to_owned();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be run.
    #[error("run {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("{line}: {status}: {said}")]
    Failed {
        /// Program and arguments.
        line: String,
        /// How it ended.
        status: String,
        /// The end of what it said.
        said: String,
    },
}

/// Runs programs.
pub trait Programs {
    /// Runs one to its end, and gives what it wrote.
    fn run(&mut self, call: &Call) -> Result<String, ProgramError>;
}

/// The programs of this system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemPrograms;

impl Programs for SystemPrograms {
    fn run(&mut self, call: &Call) -> Result<String, ProgramError> {
        let start = |source| ProgramError::Start { program: call.program.name(), source };
        tracing::debug!(line = call.line(), "run");
        let mut command = match &call.root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(call.program.name());
                command
            }
            None => Command::new(call.program.name()),
        };
        command
            .args(&call.arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .stdin(if call.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(start)?;
        if let (Some(input), Some(mut stdin)) = (&call.input, child.stdin.take()) {
            // One that does not read to the end says why by itself. Inputs fit into a pipe.
            match stdin.write_all(input.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(start(error)),
                _ => {}
            }
        }
        let output = child.wait_with_output().map_err(start)?;
        let fine = output.status.code().is_some_and(|code| code == 0 || call.answers.contains(&code));
        if fine {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        let said = String::from_utf8_lossy(said);
        Err(ProgramError::Failed { line: call.line(), status: output.status.to_string(), said: tail(&said) })
    }
}

/// The last lines of what a program said, in one. Some say how they want to be called behind what is wrong
/// (`mkfs.xfs`): that is left out.
fn tail(said: &str) -> String {
    let is_usage = |line: &&str| line.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("usage:"));
    let all = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let wrong: Vec<&str> = match all().take_while(|line| !is_usage(line)).collect::<Vec<_>>() {
        nothing if nothing.is_empty() => all().collect(),
        wrong => wrong,
    };
    let mut lines: Vec<&str> = Vec::new();
    let mut bytes = 0;
    for line in wrong.into_iter().rev() {
        bytes += line.len();
        if bytes > QUOTED && !lines.is_empty() {
            break;
        }
        lines.push(cut(line, QUOTED));
    }
    lines.reverse();
    lines.join("; ")
}

#[cfg(test)]
pub(crate) mod fake {
    //! Programs that note what was asked of them and answer from a table.

    use super::{Call, ProgramError, Programs};

    type Answer = Box<dyn FnMut(&Call) -> Option<Result<String, ProgramError>>>;

    /// Answers nothing to everything, unless told otherwise.
    #[derive(Default)]
    pub(crate) struct FakePrograms {
        pub(crate) calls: Vec<Call>,
        pub(crate) answers: Vec<Answer>,
    }

    impl FakePrograms {
        pub(crate) fn answering(
            mut self,
            answer: impl FnMut(&Call) -> Option<Result<String, ProgramError>> + 'static,
        ) -> Self {
            self.answers.push(Box::new(answer));
            self
        }

        pub(crate) fn lines(&self) -> Vec<String> {
            self.calls.iter().map(Call::line).collect()
        }
    }

    impl Programs for FakePrograms {
        fn run(&mut self, call: &Call) -> Result<String, ProgramError> {
            self.calls.push(call.clone());
            self.answers.iter_mut().find_map(|answer| answer(call)).unwrap_or_else(|| Ok(String::new()))
        }
    }

    pub(crate) fn failed(call: &Call, said: &str) -> ProgramError {
        ProgramError::Failed { line: call.line(), status: "exit status: 1".into(), said: said.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_quoted_with_its_last_lines() {
        let call = Call::new(Program::Blkid, ["-p", "/nowhere/at/all"]);
        let error = SystemPrograms.run(&call).expect_err("no such device");
        assert!(error.to_string().starts_with("blkid -p /nowhere/at/all: exit status: "), "{error}");
        assert_eq!(tail("a\n\n b \n"), "a; b");
        assert_eq!(tail(&format!("{}\nlast", "x".repeat(QUOTED))), "last");
        assert_eq!(
            tail("Filesystem must be larger than 300MB.\nUsage: mkfs.xfs\n[-q]\n"),
            "Filesystem must be larger than 300MB."
        );
        assert_eq!(tail("Usage: mkfs.xfs\n"), "Usage: mkfs.xfs");
    }

    #[test]
    fn an_answer_by_exit_code_is_no_failure() {
        let call = Call::new(Program::Blkid, ["-p", "/dev/null"]).answering(&[2, 4, 8]);
        assert!(SystemPrograms.run(&call).is_ok());
    }
}

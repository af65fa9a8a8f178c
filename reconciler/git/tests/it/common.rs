// SPDX-License-Identifier: AGPL-3.0-or-later
//! A bare repository as a team has it, with a person who pushes to it through the `git` command.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use shoal_git::{Author, CommitId, Files, Mirror, PublishOutcome, RemoteSpec, RemoteUrl, StatusCommit};
use tempfile::TempDir;

/// A bare repository and a clone of it, in a directory that goes with this.
pub(crate) struct Origin {
    dir: TempDir,
}

/// `git` in a directory, with nobody's configuration.
pub(crate) fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.org")
        .env("GIT_AUTHOR_DATE", "1700000000 +0100")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.org")
        .env("GIT_COMMITTER_DATE", "1700000000 +0100");
    command
}

/// Runs `git`, which must succeed, and answers what it printed.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = git_command(dir).args(args).output().expect("git runs");
    checked(args, &output)
}

/// The same with something on its standard input.
pub(crate) fn git_with_input(dir: &Path, args: &[&str], input: impl AsRef<[u8]>) -> String {
    let mut child = git_command(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs");
    child.stdin.take().expect("piped").write_all(input.as_ref()).expect("taken");
    checked(args, &child.wait_with_output().expect("git ends"))
}

pub(crate) fn checked(args: &[&str], output: &Output) -> String {
    assert!(
        output.status.success(),
        "git {args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

impl Origin {
    /// Without any commit.
    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let origin = Self { dir };
        git(origin.dir.path(), &["init", "-q", "--bare", "-b", "main", "origin.git"]);
        git(origin.dir.path(), &["clone", "-q", "origin.git", "work"]);
        git(&origin.work(), &["switch", "-q", "-C", "main"]);
        origin
    }

    /// With one commit of a small inventory.
    pub(crate) fn new() -> Self {
        let origin = Self::empty();
        origin.write("shoal.yaml", "kind: Fleet\n");
        origin.write("servers/rack-a/web-01.yaml", "name: web-01\n");
        origin.write("servers/rack-b/db-01.yaml", "name: db-01\n");
        origin.write("README.md", "hello\n");
        origin.push("first");
        origin
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.dir.path().join("origin.git")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(crate) fn mirror_dir(&self) -> PathBuf {
        self.dir.path().join("mirror.git")
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("a file");
    }

    /// Commits all of the work tree.
    pub(crate) fn commit(&self, message: &str) -> CommitId {
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Commits all of the work tree and pushes the branch that is checked out.
    pub(crate) fn push(&self, message: &str) -> CommitId {
        let commit = self.commit(message);
        git(&self.work(), &["push", "-q", "origin", "HEAD"]);
        commit
    }

    pub(crate) fn head(&self) -> CommitId {
        id(&git(&self.work(), &["rev-parse", "HEAD"]))
    }

    pub(crate) fn url(&self) -> RemoteUrl {
        RemoteUrl::local(&self.bare())
    }

    pub(crate) fn mirror(&self) -> Mirror {
        self.mirror_at("mirror.git")
    }

    pub(crate) fn mirror_at(&self, name: &str) -> Mirror {
        Mirror::open_or_init(&self.dir.path().join(name), RemoteSpec::new(self.url())).expect("a mirror")
    }

    /// No complaint of `git fsck` about the shared repository.
    pub(crate) fn is_sound(&self) {
        fsck(&self.bare());
    }
}

pub(crate) fn fsck(repository: &Path) {
    let output = git_command(repository)
        .args(["fsck", "--full", "--strict", "--no-dangling"])
        .output()
        .expect("git runs");
    // libgit2 knows no other name for the setting.
    let said: String =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
            .lines()
            .filter(|line| !line.contains("core.fsyncObjectFiles is deprecated"))
            .collect();
    assert!(output.status.success(), "{said}");
    for word in ["error", "warning", "missing", "broken"] {
        assert!(!said.contains(word), "{said}");
    }
}

pub(crate) fn id(text: &str) -> CommitId {
    text.trim().parse().expect("a commit")
}

pub(crate) fn files(entries: &[(&str, Option<&str>)]) -> Files {
    entries
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.map(|text| text.as_bytes().to_vec())))
        .collect()
}

pub(crate) fn author() -> Author {
    Author { name: "Shoal".to_owned(), email: "shoal@example.org".to_owned(), time: 1_700_000_100 }
}

pub(crate) fn status(files: Files) -> StatusCommit {
    StatusCommit {
        files,
        message: "status: servers changed".to_owned(),
        trailers: vec![
            ("Source-Commit".to_owned(), "a".repeat(40)),
            ("Written-By".to_owned(), "controller-1".to_owned()),
        ],
        author: author(),
    }
}

/// Publishes where nobody interferes.
pub(crate) fn publish(mirror: &Mirror, entries: &[(&str, Option<&str>)]) -> PublishOutcome {
    mirror
        .status_writer()
        .publish(&status(files(entries)), &mut |_| Err("nobody else writes here".into()))
        .expect("published")
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Runs the binary in a directory of its own: no environment but what a test gives, no colour, no
//! terminal; paths, digests and times are normalised before they are compared.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory that goes with the test.
pub(crate) struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        for name in ["home", "tmp", "work"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        Self { dir }
    }

    /// A path in the directory that commands run in.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join("work").join(relative)
    }

    /// Where temporary files go.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.dir.path().join("tmp")
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Who may read a file.
    pub(crate) fn mode(&self, relative: &str, mode: u32) {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(self.path(relative), permissions).expect("a mode");
    }

    pub(crate) fn read(&self, relative: &str) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn exists(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    /// A command, to be given more.
    pub(crate) fn shoal(&self, args: &[&str]) -> Shoal<'_> {
        Shoal {
            sandbox: self,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            cwd: self.path(""),
            env: Vec::new(),
            stdin: None,
        }
    }

    /// A command that is run as it is.
    #[must_use = "somebody should look at how it ended"]
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.shoal(args).run()
    }

    /// `git` in a directory, as somebody with a name and a fixed clock; it must succeed.
    pub(crate) fn git(&self, relative: &str, args: &[&str]) -> String {
        self.git_fed(relative, args, "")
    }

    /// As [`Sandbox::git`], with something to read.
    pub(crate) fn git_fed(&self, relative: &str, args: &[&str], input: &str) -> String {
        let mut git = Command::new("git")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir(self.path(relative))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path().join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_AUTHOR_DATE", "1790000000 +0000")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_DATE", "1790000000 +0000")
            .spawn()
            .expect("git runs");
        // Who needs no input may be gone before it comes.
        let _ = git.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = git.wait_with_output().expect("git ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert!(output.status.success(), "git {args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

/// A command that is about to run.
pub(crate) struct Shoal<'a> {
    sandbox: &'a Sandbox,
    args: Vec<String>,
    cwd: PathBuf,
    env: Vec<(String, String)>,
    stdin: Option<String>,
}

impl Shoal<'_> {
    pub(crate) fn at(mut self, relative: &str) -> Self {
        self.cwd = self.sandbox.path(relative);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().display().to_string()));
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// The command, for those who look at the process itself.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
        command
            .args(&self.args)
            .current_dir(&self.cwd)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.sandbox.dir.path().join("home"))
            .env("TMPDIR", self.sandbox.tmp())
            .env("NO_COLOR", "1")
            .envs(shoal_testbed_site::measured())
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    #[must_use = "somebody should look at how it ended"]
    pub(crate) fn run(self) -> Ran {
        let mut child = self.command().spawn().expect("the binary starts");
        if let Some(text) = &self.stdin {
            let mut pipe = child.stdin.take().expect("a pipe");
            // A command that does not read its input closes it.
            let _ = pipe.write_all(text.as_bytes());
        }
        let output = child.wait_with_output().expect("the binary ends");
        let root = self.sandbox.dir.path().display().to_string();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("output is text"),
            stderr: String::from_utf8(output.stderr).expect("talk is text"),
            root,
        }
    }
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    root: String,
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// It talked about this.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{words:?} is not in:\n{}", self.stderr);
        self
    }

    /// It printed this.
    #[track_caller]
    pub(crate) fn prints(self, words: &str) -> Self {
        assert!(self.stdout.contains(words), "{words:?} is not in:\n{}", self.stdout);
        self
    }

    /// It printed nothing.
    #[track_caller]
    pub(crate) fn prints_nothing(self) -> Self {
        assert_eq!(self.stdout, "");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }

    /// Code, output and talk in a form that is the same everywhere.
    pub(crate) fn golden(&self) -> String {
        let plain = |text: &str| normalise(&text.replace(&self.root, "<dir>"));
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, plain(&self.stdout), plain(&self.stderr))
    }
}

/// Digests, commits and times, which differ from run to run or from version to version.
fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+') {
            word.push(c);
            continue;
        }
        out.push_str(&normal_word(&word));
        word.clear();
        out.push(c);
    }
    out.push_str(&normal_word(&word));
    out
}

fn normal_word(word: &str) -> String {
    if let Some(rest) = word.strip_prefix("sha256:")
        && rest.len() >= 64
        && rest[..64].bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return format!("sha256:<digest>{}", &rest[64..]);
    }
    let bare = word.trim_end_matches([':', '.']);
    let tail = &word[bare.len()..];
    let hex = bare.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hex && matches!(bare.len(), 12 | 40 | 64) {
        return format!("<hex{}>{tail}", bare.len());
    }
    // 2026-11-21, and 2026-11-21T10:00:00Z, and what begins with a date.
    let digits = |range: std::ops::Range<usize>| {
        bare.get(range).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let dated = digits(0..4) && digits(5..7) && digits(8..10) && bare.as_bytes().get(4) == Some(&b'-');
    if dated {
        let rest = &bare[10..];
        let time = rest.starts_with('T') && rest.ends_with('Z');
        return if time { format!("<time>{tail}") } else { format!("<date>{rest}{tail}") };
    }
    word.to_owned()
}

#[test]
fn digests_commits_and_times_look_the_same_in_every_run() {
    let hex = "0123456789ab";
    let text =
        format!("plan {hex}: at 2026-11-21T10:00:00.5Z, 2026-11-21-web-01.yaml, sha256:{}.", "ab".repeat(32));
    assert_eq!(normalise(&text), "plan <hex12>: at <time>, <date>-web-01.yaml, sha256:<digest>.");
    assert_eq!(normalise("deadbeef 2026 a:b"), "deadbeef 2026 a:b");
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Errors at the edge: what went wrong, whose business it is, what to do, and the exit code.

use std::error::Error;
use std::fmt::Write as _;

use shoal_git::{GitError, WorktreeError};
use shoal_inventory::SourceError;

use crate::output::clean;

/// Whose business a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for cannot be done: arguments, files, a refusal.
    User,
    /// The settings of a controller are wrong. systemd need not try again.
    Config,
    /// A machine, a BMC, a controller or a network does not answer as it should.
    Hardware,
    /// A defect of Shoal's.
    Internal,
}

impl Kind {
    /// 1, and beyond it the numbers of sysexits.h, which none of the plan's exit codes has.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Hardware => 69,
            Self::Internal => 70,
            Self::Config => 78,
        }
    }

    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Config => "config",
            Self::Hardware => "hardware",
            Self::Internal => "internal",
        }
    }
}

/// Exit codes that mean more than "an error": the plan rules.
pub(crate) mod exit {
    /// A plan that was made from what is no longer so.
    pub(crate) const STALE: u8 = 4;
    /// Something else is at work there.
    pub(crate) const LOCKED: u8 = 5;
    /// Some of it was done.
    pub(crate) const PARTIAL: u8 = 6;
    /// The inventory is not valid.
    pub(crate) const INVALID: u8 = 7;
}

/// A command that failed.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: Kind,
    code: String,
    message: String,
    exit: Option<u8>,
    details: Vec<String>,
    hints: Vec<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
    /// Nobody reads what we say: be quiet.
    silent: bool,
}

impl CliError {
    /// A failure of some kind. `code` is a stable word.
    pub(crate) fn new(kind: Kind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            exit: None,
            details: Vec::new(),
            hints: Vec::new(),
            source: None,
            silent: false,
        }
    }

    /// What was asked for cannot be done.
    pub(crate) fn user(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::User, code, message)
    }

    /// Wrong settings.
    pub(crate) fn config(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Config, code, message)
    }

    /// Something out there does not answer as it should.
    pub(crate) fn hardware(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Hardware, code, message)
    }

    /// A defect.
    pub(crate) fn internal(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, code, message)
            .hint("this is a defect: please report it with the command and this message")
    }

    /// Why.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What to do, where something is known.
    pub(crate) fn maybe_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hints.extend(hint.map(Into::into));
        self
    }

    /// One line more about what is wrong.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Another exit code than the kind's.
    pub(crate) fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// Standard output is closed: whoever read it has seen enough.
    pub(crate) fn closed_output(source: std::io::Error) -> Self {
        let silent = source.kind() == std::io::ErrorKind::BrokenPipe;
        Self { silent, ..Self::user("output", "cannot write to standard output").because(source) }
    }

    /// The same, where the controller's settings are to blame.
    pub(crate) fn into_config(self) -> Self {
        Self { kind: Kind::Config, ..self }
    }

    /// Message and causes, for a list of several.
    pub(crate) fn one_line(&self) -> String {
        let mut text = self.message.clone();
        let mut cause: Option<&dyn Error> = self.source.as_deref().map(|source| source as _);
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        for hint in &self.hints {
            let _ = write!(text, " ({hint})");
        }
        text
    }

    /// The stable word.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Whose business it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        self.exit.unwrap_or(self.kind.exit_code())
    }

    /// For people at standard error.
    pub(crate) fn render(&self, colour: bool) -> String {
        if self.silent {
            return String::new();
        }
        let (red, cyan, reset) =
            if colour { ("\u{1b}[1;31m", "\u{1b}[1;36m", "\u{1b}[0m") } else { ("", "", "") };
        let mut out = format!("{red}error[{}]{reset}: {}\n", clean(&self.code), clean(&self.message));
        for detail in &self.details {
            let _ = writeln!(out, "  {}", clean(detail));
        }
        let mut cause: Option<&dyn Error> = self.source.as_deref().map(|source| source as _);
        let mut said = self.message.clone();
        while let Some(error) = cause {
            let text = error.to_string();
            // Libraries repeat themselves; people need it once.
            if !said.ends_with(&text) {
                let _ = writeln!(out, "  caused by: {}", clean(&text));
            }
            said = text;
            cause = error.source();
        }
        for (index, hint) in self.hints.iter().enumerate() {
            let gap = if index == 0 { "\n" } else { "" };
            let _ = writeln!(out, "{gap}{cyan}hint{reset}: {}", clean(hint));
        }
        out
    }
}

impl From<GitError> for CliError {
    fn from(error: GitError) -> Self {
        let kind = if error.is_transient() { Kind::Hardware } else { Kind::User };
        let code = format!("git.{}", error.label().replace('_', "-"));
        let (message, hint) = (error.to_string(), error.hint());
        let source = owned_source(&error);
        Self { source, ..Self::new(kind, code, message).maybe_hint(hint) }
    }
}

impl From<WorktreeError> for CliError {
    fn from(error: WorktreeError) -> Self {
        if let WorktreeError::Git(error) = error {
            return error.into();
        }
        let (message, hint) = (error.to_string(), error.hint());
        let locked = matches!(error, WorktreeError::Busy { .. } | WorktreeError::InProgress { .. });
        let failed = Self::user("worktree", message).maybe_hint(hint);
        if locked { failed.exit(exit::LOCKED) } else { failed }
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        let source = owned_source(&error);
        let said = Self { source, ..Self::user("inventory.unreadable", error.to_string()) };
        match error.hint() {
            Some(hint) => said.hint(hint),
            None => said,
        }
    }
}

impl From<shoal_secrets::SecretError> for CliError {
    fn from(error: shoal_secrets::SecretError) -> Self {
        Self::user("secret", error.to_string())
    }
}

/// The chain below an error, as text: the error itself is taken apart.
fn owned_source(error: &dyn Error) -> Option<Box<dyn Error + Send + Sync>> {
    error.source().map(|source| Box::new(Said::of(source)) as _)
}

/// An error of which only the words are left.
#[derive(Debug)]
struct Said {
    text: String,
    source: Option<Box<Said>>,
}

impl Said {
    fn of(error: &dyn Error) -> Self {
        Self { text: error.to_string(), source: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What commands answer with: an exit code.
pub(crate) type Outcome = Result<u8, CliError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_once_with_its_causes_and_hints_behind_an_empty_line() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = CliError::user("file.read", "cannot read plan.json")
            .because(io)
            .detail("line 3")
            .hint("name another\u{1b}[2J file")
            .hint("or make one");
        assert_eq!(
            error.render(false),
            "error[file.read]: cannot read plan.json\n  line 3\n  caused by: no such file\n\n\
             hint: name another\\u{1b}[2J file\nhint: or make one\n"
        );
        assert_eq!(error.exit_code(), 1);
        assert!(error.render(true).starts_with("\u{1b}[1;31merror"));
    }

    #[test]
    fn a_closed_pipe_is_not_talked_about() {
        let error = CliError::closed_output(std::io::ErrorKind::BrokenPipe.into());
        assert_eq!(error.render(false), "");
        assert_ne!(CliError::closed_output(std::io::ErrorKind::StorageFull.into()).render(false), "");
    }

    #[test]
    fn no_kind_has_an_exit_code_that_means_something_in_a_plan() {
        for kind in [Kind::User, Kind::Config, Kind::Hardware, Kind::Internal] {
            assert!(kind.exit_code() == 1 || kind.exit_code() > 8, "{}", kind.word());
        }
    }
}

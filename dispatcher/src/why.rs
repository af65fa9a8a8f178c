// SPDX-License-Identifier: AGPL-3.0-or-later
//! Why a unit failed: in its step's own words where it left some, else in the service manager's.
//!
//! # Guarantees
//!
//! * What a step left counts for the unit of that very step alone, and only if it is what a step writes: another
//!   step's words, an older release's, half a file or none lead to what systemd says, never to no report.
//! * Nothing here is redacted: that is done when the report is made.

use serde::Deserialize;

use crate::cause::chain;
use crate::host::Host;
use crate::run_log::RunLog;

/// The largest `failure.json` that is looked at, in bytes. A step writes a tenth of it at most.
pub const FAILURE_LIMIT: usize = 64 << 10;

/// What [`UnitEnd::parse`] wants to know of a unit.
pub const END_PROPERTIES: [&str; 4] = ["Result", "ExecMainCode", "ExecMainStatus", "TimeoutStartUSec"];

/// Why a unit failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// A stable word.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do next, where that is known.
    pub hint: Option<String>,
}

/// `failure.json`, as a step leaves it.
#[derive(Deserialize)]
struct Left {
    step: String,
    code: String,
    message: String,
    #[serde(default)]
    hint: Option<String>,
}

/// Why what a step left is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Useless {
    /// It is not what a step writes.
    #[error("it is not what a step writes: line {line} column {column}")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The code is none.
    #[error("its code is no word")]
    Code,
    /// It is of another step.
    #[error("it is of another step than the one that failed")]
    OtherStep,
}

/// Why a unit failed, as far as can be known.
pub async fn of<H: Host + ?Sized>(host: &H, unit: &str, log: &mut RunLog) -> Why {
    match host.step_failure().await {
        Ok(Some(content)) => match left_by(unit, &content) {
            Ok(why) => return why,
            Err(useless) => log.warn("what the step left is not used", useless),
        },
        Ok(None) => {}
        Err(error) => log.warn("what the step left cannot be read", chain(&error)),
    }
    let end = match host.end_of(unit).await {
        Ok(end) => end.unwrap_or_default(),
        Err(error) => {
            log.warn("the service manager does not say how the unit ended", chain(&error));
            UnitEnd::default()
        }
    };
    end.why(unit)
}

/// What the unit's own step left in `failure.json`.
pub fn left_by(unit: &str, content: &[u8]) -> Result<Why, Useless> {
    let left: Left = serde_json::from_slice(content)
        .map_err(|error| Useless::Shape { line: error.line(), column: error.column() })?;
    if unit.trim_end_matches(".service") != left.step {
        return Err(Useless::OtherStep);
    }
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if left.code.is_empty() || !left.code.chars().all(word) {
        return Err(Useless::Code);
    }
    let message = match one_line(&left.message) {
        empty if empty.is_empty() => format!("{unit} failed"),
        message => message,
    };
    let hint = left.hint.map(|hint| one_line(&hint)).filter(|hint| !hint.is_empty());
    Ok(Why { code: left.code, message, hint })
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// How a unit ended, as systemd says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitEnd {
    /// Why, in systemd's word: `exit-code`, `signal`, `timeout`, …
    pub result: String,
    /// Its main process was ended by a signal.
    pub by_signal: bool,
    /// The exit code or the signal.
    pub status: u8,
    /// How long it might have taken to start, which is all of a oneshot's work: `45min`.
    pub timeout: String,
}

impl UnitEnd {
    /// Reads the lines of `systemctl show`; what is not there is left empty.
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim().to_owned()
        };
        let [result, code, status, timeout] = END_PROPERTIES;
        Self {
            result: value(result),
            // CLD_KILLED and CLD_DUMPED of waitid(2).
            by_signal: matches!(value(code).as_str(), "2" | "3"),
            status: value(status).parse().unwrap_or_default(),
            timeout: value(timeout),
        }
    }

    /// In a word and a sentence.
    pub fn why(&self, unit: &str) -> Why {
        let status = self.status;
        let (code, what) = match (self.result.as_str(), self.by_signal) {
            ("timeout", _) if matches!(self.timeout.as_str(), "" | "infinity") => {
                ("unit_timed_out", "timed out".to_owned())
            }
            ("timeout", _) => ("unit_timed_out", format!("timed out after {}", self.timeout)),
            ("oom-kill", _) => {
                ("unit_killed", "was ended because the machine's memory was used up".to_owned())
            }
            (_, true) => ("unit_killed", format!("was ended by signal {status}")),
            // As podman and shells say that the program they ran was killed.
            (_, false) if (129..=159).contains(&status) => {
                ("unit_killed", format!("was ended by signal {}", status - 128))
            }
            ("exit-code", false) if status == 125 => {
                ("unit_failed", "could not be run: podman failed with exit code 125".to_owned())
            }
            ("exit-code", false) if status != 0 => ("unit_failed", format!("ended with exit code {status}")),
            ("" | "success", _) => ("unit_failed", "failed without saying why".to_owned()),
            (result, _) => ("unit_failed", format!("failed; systemd says '{result}'")),
        };
        Why { code: code.to_owned(), message: format!("{unit} {what}"), hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "image-linux.service";

    #[test]
    fn the_words_of_the_units_own_step_are_taken() {
        let left =
            br#"{"step":"image-linux","code":"disk_full","message":"no\nroom","hint":"a larger root"}"#;
        let why = left_by(UNIT, left).expect("its own");
        assert_eq!((why.code.as_str(), why.message.as_str()), ("disk_full", "no room"));
        assert_eq!(why.hint.as_deref(), Some("a larger root"));
        assert!(matches!(left_by("partition.service", left), Err(Useless::OtherStep)));
    }

    #[test]
    fn garbage_is_no_reason() {
        for garbage in [
            "",
            "{",
            "null",
            "[]",
            "\u{0}\u{1}",
            r#"{"code":"disk_full","message":"m"}"#,
            r#"{"step":"image-linux","code":7,"message":"m"}"#,
            r#"{"step":"image-linux","code":"","message":"m"}"#,
            r#"{"step":"image-linux","code":"Disk full!","message":"m"}"#,
        ] {
            assert!(left_by(UNIT, garbage.as_bytes()).is_err(), "{garbage}");
        }
        assert!(left_by(UNIT, &[0xff; 100]).is_err());
        assert!(left_by(UNIT, "[".repeat(FAILURE_LIMIT).as_bytes()).is_err());
    }

    #[test]
    fn what_systemd_says_becomes_a_sentence() {
        let why = |result: &str, code: &str, status: &str| {
            let text = format!(
                "TimeoutStartUSec=1h 30min\nResult={result}\nExecMainCode={code}\nExecMainStatus={status}\n"
            );
            let why = UnitEnd::parse(&text).why(UNIT);
            format!("{}: {}", why.code, why.message)
        };
        for (told, expected) in [
            (why("timeout", "2", "15"), "unit_timed_out: image-linux.service timed out after 1h 30min"),
            (why("signal", "2", "9"), "unit_killed: image-linux.service was ended by signal 9"),
            (why("core-dump", "3", "11"), "unit_killed: image-linux.service was ended by signal 11"),
            (why("exit-code", "1", "137"), "unit_killed: image-linux.service was ended by signal 9"),
            (why("exit-code", "1", "45"), "unit_failed: image-linux.service ended with exit code 45"),
            (
                why("exit-code", "1", "125"),
                "unit_failed: image-linux.service could not be run: podman failed with exit code 125",
            ),
            (why("resources", "0", "0"), "unit_failed: image-linux.service failed; systemd says 'resources'"),
            (why("", "", "nonsense"), "unit_failed: image-linux.service failed without saying why"),
        ] {
            assert_eq!(told, expected);
        }
        let forever = UnitEnd { result: "timeout".to_owned(), ..UnitEnd::default() };
        assert_eq!(forever.why(UNIT).message, "image-linux.service timed out");
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people see: acts, one line for each server, the verdict.
//!
//! On a terminal the lines of the servers stay in place and change; elsewhere a line is printed when
//! something changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::verdict::Fact;
use shoal_testbed_site::Place;

/// Lines of the controller's log that are shown when something failed.
const TAIL: usize = 25;

/// How a server is doing, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Waits.
    Idle,
    /// At work.
    Busy,
    /// As wanted.
    Good,
    /// Failed.
    Bad,
    /// Waits for people.
    Held,
}

/// Where everything is shown.
pub(crate) struct Screen {
    colour: bool,
    live: Option<MultiProgress>,
    lines: Mutex<BTreeMap<String, (ProgressBar, String)>>,
    began: Instant,
}

impl Screen {
    /// Standard output as it is.
    pub(crate) fn new(no_colour: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = no_colour || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let live = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout()));
        Self { colour: terminal && !plain, live, lines: Mutex::default(), began: Instant::now() }
    }

    /// An act of the story begins.
    pub(crate) fn act(&self, title: &str) {
        self.line("");
        self.line(&self.paint("1", title));
    }

    /// Something to read.
    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            self.line(&format!("  {line}"));
        }
    }

    /// A command, and what it said.
    pub(crate) fn command(&self, command: &str, said: &str) {
        self.line(&format!("  {} {}", self.paint("2", "$"), self.paint("36", command)));
        for line in said.trim_end().lines() {
            self.line(&format!("    {line}"));
        }
    }

    /// How a server is doing now. Says nothing where nothing changed.
    pub(crate) fn server(&self, name: &str, mood: Mood, text: &str) {
        let (mark, code) = match mood {
            Mood::Idle => ("·", "2"),
            Mood::Busy => ("▸", "36"),
            Mood::Good => ("✓", "32"),
            Mood::Bad => ("✗", "31"),
            Mood::Held => ("‖", "33"),
        };
        let shown = format!("{} {name:<10} {text}", self.paint(code, mark));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.get(name).is_some_and(|(_, known)| *known == shown) {
            return;
        }
        let Some(live) = &self.live else {
            lines.insert(name.to_owned(), (ProgressBar::hidden(), shown.clone()));
            drop(lines);
            self.line(&format!("  {:>5.1} s  {shown}", self.began.elapsed().as_secs_f64()));
            return;
        };
        let (bar, known) = lines.entry(name.to_owned()).or_insert_with(|| {
            let bar = live.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {wide_msg}") {
                bar.set_style(style);
            }
            (bar, String::new())
        });
        bar.set_message(shown.clone());
        bar.tick();
        *known = shown;
    }

    /// The lines of the servers are done with; they stay as text.
    pub(crate) fn settle(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let last: Vec<String> = lines.values().map(|(_, shown)| shown.clone()).collect();
        let live = self.live.is_some();
        for (bar, _) in lines.values() {
            bar.finish_and_clear();
        }
        lines.clear();
        drop(lines);
        if live {
            for line in last {
                self.line(&format!("  {line}"));
            }
        }
    }

    /// Nothing is drawn any more.
    pub(crate) fn clear(&self) {
        if let Some(live) = &self.live {
            // A terminal that is gone needs no clearing.
            let _ = live.clear();
        }
    }

    /// Every fact, with what it was judged by.
    pub(crate) fn verdict(&self, facts: &[Fact], took: Duration) {
        self.act("Verdict, from facts");
        for fact in facts {
            let mark = if fact.holds { self.paint("32", "✓") } else { self.paint("31", "✗") };
            self.line(&format!("  {mark} {}", fact.name));
            self.line(&self.paint("2", &format!("      {}: {}", fact.source, fact.evidence)));
        }
        let broken = facts.iter().filter(|fact| !fact.holds).count();
        let total = facts.len();
        self.line("");
        let text = if broken == 0 {
            self.paint("1;32", &format!("all {total} facts hold"))
        } else {
            self.paint("1;31", &format!("{broken} of {total} facts do not hold"))
        };
        self.line(&format!("  {text}, {:.0} s", took.as_secs_f64()));
    }

    /// Where to look next.
    pub(crate) fn whereabouts(&self, place: &Place) {
        self.act("Where to look");
        if !place.is_kept() {
            self.say("everything is removed now; './run demo --keep DIR' keeps it");
            return;
        }
        let show = |path: std::path::PathBuf| path.display().to_string();
        let bare = show(place.bare());
        for (what, how) in [
            ("the status branch", format!("git -C {bare} log -p shoal/status")),
            ("one server", format!("git -C {bare} show shoal/status:servers/rack-b/cache-02.json")),
            ("the plan now", format!("shoal plan --repo {}", show(place.checkout()))),
            ("the controller's log", format!("less {}", show(place.controller_log()))),
            ("what the BMCs were asked", format!("less {}", show(place.bmc_log()))),
            ("the disks", format!("sfdisk --dump {}/web-01/*.img", show(place.disks()))),
            ("the evidence", format!("less {}", show(place.root().join("evidence.json")))),
        ] {
            self.line(&format!("  {what:<26}{how}"));
        }
    }

    /// The end of a log.
    pub(crate) fn log_tail(&self, path: &Path) {
        let Ok(text) = fs::read_to_string(path) else { return };
        let lines: Vec<&str> = text.lines().collect();
        self.settle();
        self.act(&format!("The end of {}", path.display()));
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            self.line(&format!("  {line}"));
        }
    }

    /// The demo could not be told to its end.
    pub(crate) fn failure(&self, error: &anyhow::Error) {
        self.line("");
        self.line(&self.paint("31", &format!("error: {error:#}")));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn line(&self, text: &str) {
        // A reader that went away ends nothing: the verdict is in the exit code.
        let _ = match &self.live {
            Some(live) => live.println(text),
            None => writeln!(io::stdout().lock(), "{text}"),
        };
    }
}

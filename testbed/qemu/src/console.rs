// SPDX-License-Identifier: AGPL-3.0-or-later
//! The serial console as lines.
//!
//! QEMU itself records every byte in a file. This is the reader's view: control sequences taken out, lines numbered,
//! the last ten thousand kept, and a way to wait for what comes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Lines kept.
const KEPT: usize = 10_000;
/// A line that is longer is cut into several.
const LONGEST: usize = 4096;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    /// Counts the lines of the machine, from 0.
    pub number: u64,
    /// What stood there, without control sequences.
    pub text: String,
}

/// What a machine says on its serial console.
#[derive(Debug)]
pub struct Console {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<ConsoleLine>,
    next: u64,
    /// The line that has no end yet.
    open: Vec<u8>,
    escape: Escape,
    ended: bool,
}

/// How far a control sequence has come.
#[derive(Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    No,
    Started,
    Sequence,
}

impl Default for Console {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Console {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that the next line will have: what comes from now on.
    pub fn position(&self) -> u64 {
        self.lock().next
    }

    /// Kept lines from number `from` on. A line without an end, such as a prompt, comes last.
    pub fn lines(&self, from: u64) -> Vec<ConsoleLine> {
        let state = self.lock();
        let whole = state.lines.iter().filter(|line| line.number >= from).cloned();
        let open = (!state.open.is_empty() && state.next >= from).then(|| state.open_line());
        whole.chain(open).collect()
    }

    /// Waits for a line at or after `from` that `wanted` accepts; lines without an end count. Nothing when the
    /// machine ends before.
    pub async fn wait_for(&self, from: u64, mut wanted: impl FnMut(&str) -> bool) -> Option<ConsoleLine> {
        let mut changed = self.changed.subscribe();
        let mut from = from;
        loop {
            changed.mark_unchanged();
            let (lines, ended) = (self.lines(from), self.lock().ended);
            for line in lines {
                if wanted(&line.text) {
                    return Some(line);
                }
                // The open line is looked at again when it has grown.
                from = line.number;
            }
            if ended {
                return None;
            }
            // The sender is in `self`: it cannot be gone.
            let _alive = changed.changed().await;
        }
    }

    /// The whole lines from number `from` on, one after the other as they come.
    pub async fn next(&self, from: u64) -> Option<ConsoleLine> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let (found, ended) = {
                let state = self.lock();
                (state.lines.iter().find(|line| line.number >= from).cloned(), state.ended)
            };
            if found.is_some() || ended {
                return found;
            }
            let _alive = changed.changed().await;
        }
    }

    /// Takes in what came; gives back the lines that it touched, the one without an end included.
    pub(crate) fn take(&self, bytes: &[u8]) -> Vec<String> {
        let mut touched = Vec::new();
        {
            let mut state = self.lock();
            for byte in bytes {
                state.byte(*byte, &mut touched);
            }
            if !state.open.is_empty() {
                touched.push(state.open_line().text);
            }
        }
        self.tell();
        touched
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|version| *version += 1);
    }
}

impl State {
    fn open_line(&self) -> ConsoleLine {
        ConsoleLine { number: self.next, text: String::from_utf8_lossy(&self.open).into_owned() }
    }

    fn byte(&mut self, byte: u8, touched: &mut Vec<String>) {
        match (&self.escape, byte) {
            (_, 0x1b) => self.escape = Escape::Started,
            (Escape::Started, b'[') => self.escape = Escape::Sequence,
            (Escape::Started, _) => self.escape = Escape::No,
            (Escape::Sequence, 0x40..=0x7e) => {
                self.escape = Escape::No;
                // Firmware moves the cursor instead of ending a line.
                if matches!(byte, b'H' | b'J') {
                    self.close(touched, false);
                }
            }
            (Escape::Sequence, _) => {}
            (Escape::No, b'\n') => self.close(touched, true),
            (Escape::No, b'\t' | 0x20..) if self.open.len() < LONGEST => self.open.push(byte),
            (Escape::No, 0x20..) => {
                self.close(touched, true);
                self.open.push(byte);
            }
            (Escape::No, _) => {}
        }
    }

    fn close(&mut self, touched: &mut Vec<String>, even_empty: bool) {
        if self.open.is_empty() && !even_empty {
            return;
        }
        let line = self.open_line();
        self.open.clear();
        self.next += 1;
        touched.push(line.text.clone());
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn texts(console: &Console) -> Vec<String> {
        console.lines(0).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn control_sequences_are_taken_out_and_cursor_moves_end_lines() {
        let console = Console::default();
        console
            .take(b"\x1b[2J\x1b[01;01HUEFI Shell\x1b[0m v2\x1b[02;01H\x1b[1mShell> \x1b[0m\r\nnext\tone\r\n");
        assert_eq!(texts(&console), ["UEFI Shell v2", "Shell> ", "next\tone"]);
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let text = b"one\r\n\x1b[31mtwo\x1b[0m\r\nthr\xc3\xa9e\r\nopen";
        let whole = Console::default();
        whole.take(text);
        for size in 1..text.len() {
            let pieces = Console::default();
            for piece in text.chunks(size) {
                pieces.take(piece);
            }
            assert_eq!(texts(&pieces), texts(&whole), "pieces of {size}");
        }
        assert_eq!(texts(&whole), ["one", "two", "thrée", "open"]);
    }

    #[test]
    fn memory_is_bounded_and_numbers_go_on() {
        let console = Console::default();
        for number in 0..KEPT + 5 {
            console.take(format!("{number}\n").as_bytes());
        }
        let lines = console.lines(0);
        assert_eq!((lines.len(), lines[0].number, lines[0].text.as_str()), (KEPT, 5, "5"));
        console.take(&[b'x'; LONGEST * 3]);
        assert!(console.lines(0).iter().all(|line| line.text.len() <= LONGEST));
    }

    #[tokio::test]
    async fn a_prompt_is_found_while_it_has_no_end() {
        let console = Arc::new(Console::default());
        let waits = tokio::spawn({
            let console = console.clone();
            async move { console.wait_for(0, |line| line.ends_with("login: ")).await }
        });
        console.take(b"Debian\nhost log");
        tokio::task::yield_now().await;
        console.take(b"in: ");
        assert_eq!(waits.await.expect("no panic").map(|line| line.number), Some(1));
        console.end();
        assert_eq!(console.wait_for(0, |line| line == "never").await, None);
        assert_eq!(console.next(0).await.map(|line| line.text), Some("Debian".to_owned()));
        assert_eq!(console.next(1).await, None);
    }
}

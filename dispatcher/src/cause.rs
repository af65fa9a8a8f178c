// SPDX-License-Identifier: AGPL-3.0-or-later
//! Errors as text: with their causes in one line, and no longer than they should be.

use std::error::Error;
use std::fmt::Write as _;

/// The message of `error`, then those of its causes behind colons. A cause that says what stands there already is
/// left out.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            write!(text, ": {message}").expect("writing to a string cannot fail");
        }
        cause = error.source();
    }
    text
}

/// The first `limit` bytes of a text, less where a character stands across the limit.
pub fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the medium")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_behind_colons() {
        assert_eq!(chain(&Outer(std::io::Error::other("tray open"))), "read the medium: tray open");
    }
}

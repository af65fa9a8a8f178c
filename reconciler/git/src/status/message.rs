// SPDX-License-Identifier: AGPL-3.0-or-later
//! The text of a commit object: author, message and trailers.
//!
//! Guarantees: `git interpret-trailers --parse` finds exactly the trailers that were given, and a
//! name from the inventory cannot add a header or a trailer of its own.

use std::fmt::Write as _;

use git2::Oid;

/// Who makes a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Address.
    pub email: String,
    /// Seconds since 1970.
    pub time: i64,
}

/// A part of a commit that git could not store as meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} of a commit is not usable: {why}")]
pub struct InvalidMessage {
    /// Which part.
    pub part: String,
    /// Why not.
    pub why: &'static str,
}

/// A commit object as git stores it, in UTC.
pub(crate) fn commit_text(
    tree: Oid,
    parent: Option<Oid>,
    author: &Author,
    message: &str,
    trailers: &[(String, String)],
) -> Result<String, InvalidMessage> {
    let who = signature(author)?;
    let mut text = format!("tree {tree}\n");
    let write = |text: &mut String, line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("writing to a String cannot fail");
    };
    if let Some(parent) = parent {
        write(&mut text, format_args!("parent {parent}\n"));
    }
    write(&mut text, format_args!("author {who}\ncommitter {who}\n\n"));
    text.push_str(body(message)?.trim_end());
    text.push('\n');
    if !trailers.is_empty() {
        text.push('\n');
    }
    for (key, value) in trailers {
        write(&mut text, format_args!("{}\n", trailer(key, value)?));
    }
    Ok(text)
}

fn signature(author: &Author) -> Result<String, InvalidMessage> {
    for (part, value) in [("author name", &author.name), ("author address", &author.email)] {
        let why = if value.trim().is_empty() {
            "it is empty"
        } else if value.chars().any(|c| c.is_control() || c == '<' || c == '>') {
            "it has control characters or angle brackets"
        } else {
            continue;
        };
        return Err(InvalidMessage { part: part.to_owned(), why });
    }
    if author.time < 0 {
        return Err(InvalidMessage { part: "author time".to_owned(), why: "it is before 1970" });
    }
    Ok(format!("{} <{}> {} +0000", author.name.trim(), author.email.trim(), author.time))
}

fn body(message: &str) -> Result<&str, InvalidMessage> {
    let why = if message.trim().is_empty() {
        "it is empty"
    } else if message.starts_with(char::is_whitespace) {
        "it starts with white space"
    } else if message.chars().any(|c| c.is_control() && c != '\n') {
        "it has control characters"
    } else if message.lines().any(|line| line == "---") {
        // git takes it for the end of the message when it looks for trailers.
        "it has a line of three dashes"
    } else {
        return Ok(message);
    };
    Err(InvalidMessage { part: "message".to_owned(), why })
}

fn trailer(key: &str, value: &str) -> Result<String, InvalidMessage> {
    let why = if key.is_empty()
        || key.starts_with('-')
        || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        "its key has other characters than letters, digits and dashes"
    } else if value.trim().is_empty() {
        "it has no value"
    } else if value.chars().any(char::is_control) {
        "its value has control characters"
    } else {
        return Ok(format!("{key}: {}", value.trim()));
    };
    Err(InvalidMessage { part: format!("trailer {key:?}"), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> Author {
        Author { name: "Shoal".to_owned(), email: "shoal@example.org".to_owned(), time: 1_700_000_000 }
    }

    fn text(message: &str, trailers: &[(&str, &str)]) -> Result<String, InvalidMessage> {
        let trailers: Vec<_> =
            trailers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        commit_text(Oid::ZERO_SHA1, None, &author(), message, &trailers)
    }

    #[test]
    fn a_commit_has_headers_message_and_trailers_in_that_order() {
        assert_eq!(
            text("2 servers\n\nweb-01: Ready", &[("Source-Commit", "abc")]).expect("valid"),
            format!(
                "tree {}\nauthor Shoal <shoal@example.org> 1700000000 +0000\n\
                 committer Shoal <shoal@example.org> 1700000000 +0000\n\n\
                 2 servers\n\nweb-01: Ready\n\nSource-Commit: abc\n",
                "0".repeat(40)
            )
        );
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_header_or_trailer() {
        assert!(text("x\n\n---\n", &[]).is_err());
        assert!(text(" ", &[]).is_err());
        assert!(text("a\rb", &[]).is_err());
        assert!(text("x", &[("Key", "a\nOther: b")]).is_err());
        assert!(text("x", &[("Key: b\nOther", "a")]).is_err());
        assert!(text("x", &[("Key", "")]).is_err());
        for (name, email) in [("a\nb", "c"), ("a", "c>\nparent x"), ("", "c")] {
            let author = Author { name: name.to_owned(), email: email.to_owned(), time: 0 };
            assert!(commit_text(Oid::ZERO_SHA1, None, &author, "x", &[]).is_err());
        }
    }
}

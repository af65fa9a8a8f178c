// SPDX-License-Identifier: AGPL-3.0-or-later
//! Taking capabilities and credentials out of texts before they reach a log or an error.
//!
//! # Guarantees
//! * Of an address: every path segment of more than 20 characters, the user part and the query
//!   are replaced. Capabilities are longer than that; file names that matter are not.
//! * Of a BMC's own words: addresses as above, every known secret, and every long run of token
//!   characters that holds a digit. What is left is one printable line of bounded length.

use zeroize::Zeroizing;

/// A path segment of more characters than this is taken for a capability.
const LONGEST_PLAIN_SEGMENT: usize = 20;
/// Characters of a BMC's message that are kept.
const LONGEST_MESSAGE: usize = 300;
const HIDDEN: &str = "{hidden}";

/// An image address without capability, user part and query.
pub(crate) fn redact_url(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let (rest, tail) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "?{hidden}"),
        None => (rest, ""),
    };
    let (authority, path) = match (scheme, rest.find('/')) {
        (Some(_), Some(at)) => rest.split_at(at),
        (Some(_), None) => (rest, ""),
        (None, _) => ("", rest),
    };
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let path: Vec<&str> = path
        .split('/')
        .map(|segment| if segment.chars().count() > LONGEST_PLAIN_SEGMENT { HIDDEN } else { segment })
        .collect();
    let scheme = scheme.map_or(String::new(), |scheme| format!("{scheme}://"));
    printable(&format!("{scheme}{authority}{}{tail}", path.join("/")))
}

/// A resource path for logs: session ids replaced, one printable line.
pub(crate) fn redact_resource(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let shown = match path.find("/Sessions") {
        // Some BMCs (iLO) glue the id to the collection's name.
        Some(at) if path.len() > at + "/Sessions".len() && !path.ends_with("/Members") => {
            format!("{}/Sessions/{HIDDEN}", &path[..at])
        }
        _ => path.to_owned(),
    };
    printable(&shown)
}

/// The secrets of one client, which its BMC might echo.
#[derive(Default)]
pub(crate) struct Scrubber {
    secrets: Vec<Zeroizing<String>>,
}

impl Scrubber {
    /// Remembers a secret. Very short ones are left out: replacing them would only show where
    /// they are.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.len() >= 4 && !self.secrets.iter().any(|known| known.as_str() == secret) {
            self.secrets.push(Zeroizing::new(secret.to_owned()));
        }
    }

    /// A BMC's own words, fit for a log.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| if word.contains("://") { redact_url(word) } else { hide_tokens(word) })
            .collect();
        printable(&words.join(" "))
    }
}

/// Replaces long runs of token characters that hold a digit.
fn hide_tokens(word: &str) -> String {
    let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=' | '%');
    let mut shown = String::with_capacity(word.len());
    let mut run = String::new();
    for c in word.chars().chain(std::iter::once(' ')) {
        if token(c) {
            run.push(c);
            continue;
        }
        if run.len() > LONGEST_PLAIN_SEGMENT && run.contains(|c: char| c.is_ascii_digit()) {
            shown.push_str(HIDDEN);
        } else {
            shown.push_str(&run);
        }
        run.clear();
        shown.push(c);
    }
    shown.pop();
    shown
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPABILITY: &str = "0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c";

    #[test]
    fn user_part_query_and_long_segments_are_hidden() {
        assert_eq!(
            redact_url(&format!("https://bob:pw@10.0.0.1:8443/media/{CAPABILITY}/task.iso?sig=1")),
            "https://{hidden}@10.0.0.1:8443/media/{hidden}/task.iso?{hidden}"
        );
        assert_eq!(redact_url("not a url"), "not a url");
        assert_eq!(redact_url(&format!("/media/{CAPABILITY}/a.iso")), "/media/{hidden}/a.iso");
    }

    #[test]
    fn what_a_bmc_says_loses_addresses_secrets_and_tokens() {
        let mut scrubber = Scrubber::default();
        scrubber.add("hunter2!");
        let shown = scrubber.clean(&format!(
            "The value 'http://h/media/{CAPABILITY}/x.iso' was refused;\r\nuser root hunter2! token {CAPABILITY}."
        ));
        assert!(!shown.contains(CAPABILITY), "{shown}");
        assert!(!shown.contains("hunter2!"), "{shown}");
        assert!(shown.contains("was refused"), "{shown}");
        assert!(!shown.contains('\n'), "{shown}");
    }

    #[test]
    fn message_ids_of_many_letters_stay_readable() {
        let text = "iLO.2.14.UnableToModifyDuringSystemPOST ActionParameterValueNotInList";
        assert_eq!(Scrubber::default().clean(text), text);
    }

    #[test]
    fn a_message_without_end_is_cut() {
        assert_eq!(Scrubber::default().clean(&"word ".repeat(1000)).chars().count(), LONGEST_MESSAGE);
    }

    #[test]
    fn session_ids_are_not_in_resource_paths() {
        assert_eq!(
            redact_resource("/redfish/v1/SessionService/Sessions/root0000000066ab"),
            "/redfish/v1/SessionService/Sessions/{hidden}"
        );
        assert_eq!(
            redact_resource("/redfish/v1/SessionService/Sessions0000000066ab"),
            "/redfish/v1/SessionService/Sessions/{hidden}"
        );
        assert_eq!(
            redact_resource("/redfish/v1/SessionService/Sessions"),
            "/redfish/v1/SessionService/Sessions"
        );
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What of a body a request is answered with: `If-None-Match`, `If-Range` and `Range` judged together
//! (RFC 9110 §13 and §14).

use http::header::{HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, Method, StatusCode};

use crate::range::{self, Wanted};

/// How a GET or HEAD is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 206, 304 or 416.
    pub status: StatusCode,
    /// The first byte that is sent.
    pub first: u64,
    /// How many bytes are sent from there, and the `Content-Length`; for HEAD what a GET would send.
    pub count: u64,
}

impl Answer {
    /// The value of `Content-Range` for a body of so many bytes, where the answer has one.
    pub fn content_range(&self, len: u64) -> Option<String> {
        match self.status {
            StatusCode::PARTIAL_CONTENT => {
                let last = (self.first + self.count).saturating_sub(1);
                Some(format!("bytes {}-{last}/{len}", self.first))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{len}")),
            _ => None,
        }
    }
}

/// Judges a GET or HEAD for a body of `len` bytes with a strong entity tag, quotes included.
pub fn judge(method: &Method, headers: &HeaderMap, len: u64, etag: &str) -> Answer {
    let whole = Answer { status: StatusCode::OK, first: 0, count: len };
    let nothing = |status| Answer { status, first: 0, count: 0 };
    if is_known(headers, etag) {
        return nothing(StatusCode::NOT_MODIFIED);
    }
    // A range is defined for GET alone (RFC 9110, section 14.2).
    if *method != Method::GET {
        return whole;
    }
    // A range of another version is no use to whoever asks with If-Range. A weak tag or a date never
    // says that the bytes are the same ones.
    if headers.contains_key(IF_RANGE) && text(headers, IF_RANGE) != Some(etag) {
        return whole;
    }
    match range::parse(text(headers, RANGE), len) {
        Wanted::Whole => whole,
        Wanted::Part { first, last } => {
            Answer { status: StatusCode::PARTIAL_CONTENT, first, count: last - first + 1 }
        }
        Wanted::Unsatisfiable => nothing(StatusCode::RANGE_NOT_SATISFIABLE),
    }
}

/// Whether the other side has this version already. Weak tags count: for this question, as good as
/// equal is enough.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TAG: &str = "\"sha256:0a\"";

    fn judged(lines: &[(HeaderName, &'static str)]) -> (u16, u64, u64, Option<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        let answer = judge(&Method::GET, &headers, 100, TAG);
        (answer.status.as_u16(), answer.first, answer.count, answer.content_range(100))
    }

    #[test]
    fn a_request_without_conditions_gets_everything() {
        assert_eq!(judged(&[]), (200, 0, 100, None));
    }

    #[test]
    fn a_version_that_is_known_is_not_sent_again() {
        for known in [TAG, "*", "W/\"sha256:0a\"", "\"x\" , \"sha256:0a\""] {
            assert_eq!(judged(&[(IF_NONE_MATCH, known), (RANGE, "bytes=0-0")]), (304, 0, 0, None), "{known}");
        }
        assert_eq!(judged(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)]).0, 304, "the second line");
        for other in ["\"sha256:0b\"", "sha256:0a", ""] {
            assert_eq!(judged(&[(IF_NONE_MATCH, other)]).0, 200, "{other}");
        }
    }

    #[test]
    fn a_range_is_sent_alone_and_one_beyond_the_end_is_refused_with_the_length() {
        let part = Some("bytes 10-19/100".to_owned());
        assert_eq!(judged(&[(RANGE, "bytes=10-19")]), (206, 10, 10, part));
        assert_eq!(judged(&[(RANGE, "bytes=100-")]), (416, 0, 0, Some("bytes */100".to_owned())));
    }

    #[test]
    fn a_range_of_another_version_is_answered_with_the_whole() {
        assert_eq!(judged(&[(RANGE, "bytes=10-19"), (IF_RANGE, TAG)]).0, 206);
        for other in ["\"sha256:0b\"", "W/\"sha256:0a\"", "Sat, 21 Nov 2026 14:00:00 GMT"] {
            assert_eq!(judged(&[(RANGE, "bytes=10-19"), (IF_RANGE, other)]), (200, 0, 100, None), "{other}");
        }
    }

    #[test]
    fn an_empty_body_has_no_range() {
        let mut headers = HeaderMap::new();
        headers.append(RANGE, HeaderValue::from_static("bytes=0-"));
        assert_eq!(judge(&Method::GET, &headers, 0, TAG).status, StatusCode::RANGE_NOT_SATISFIABLE);
    }
}

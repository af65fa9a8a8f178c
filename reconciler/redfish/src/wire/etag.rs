// SPDX-License-Identifier: AGPL-3.0-or-later
//! The order in which `If-Match` values are tried.
//!
//! Sources: sushy `connector._etag_handler`; Dell #324 (iDRAC10 sends `W/"'gen-1'"`, treated
//! as opaque). Compression turns ETags weak, and some services then refuse the weak form.

use crate::rules::{Rule, Rules};

/// The values to send, one after the other while the BMC answers 412: the ETag as it was
/// given, the strong form of a weak one, none at all, and `*`.
pub(crate) fn ladder(etag: Option<&str>, rules: Rules) -> Vec<Option<String>> {
    let mut steps = Vec::new();
    if let Some(etag) = etag.filter(|etag| !etag.is_empty()) {
        steps.push(Some(etag.to_owned()));
        if let Some(strong) = etag.strip_prefix("W/") {
            steps.push(Some(strong.to_owned()));
        }
    }
    if !rules.has(Rule::EtagsAreTriedInSeveralForms) {
        steps.truncate(1);
        if steps.is_empty() {
            steps.push(None);
        }
        return steps;
    }
    steps.push(None);
    steps.push(Some("*".to_owned()));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_etag_is_tried_as_it_is_then_strong_then_not_at_all() {
        let steps = ladder(Some("W/\"x\""), Rules::general());
        let shown: Vec<_> = steps.iter().map(Option::as_deref).collect();
        assert_eq!(shown, [Some("W/\"x\""), Some("\"x\""), None, Some("*")]);
        assert_eq!(ladder(Some(""), Rules::general()), ladder(None, Rules::general()));
    }
}

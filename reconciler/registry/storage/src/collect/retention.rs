// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which tags stay.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shoal_oci::Tag;

use super::CollectRules;
use super::mark::Repository;

/// Marks the tags that stay: all of them, or as many as the repository keeps of those pushed last,
/// and those that are young or whose manifest is a root. A tag that accompanies a manifest (a
/// signature's) stays as long as that does, and does not count.
pub(super) fn retain(
    repository: &mut Repository,
    keep_last: Option<u32>,
    rules: &CollectRules,
    now: Timestamp,
) {
    let Some(keep_last) = keep_last else {
        repository.tags.values_mut().for_each(|tag| tag.live = true);
        return;
    };
    let mut order: Vec<(Tag, u64, Timestamp)> = Vec::new();
    for (tag, state) in &repository.tags {
        if let Some(subject) = accompanied(tag) {
            repository.companions.entry(subject.to_owned()).or_default().push(tag.clone());
        } else {
            order.push((tag.clone(), state.record.sequence, state.record.pushed));
        }
    }
    order.sort_by(|one, other| (other.1, other.2, &other.0).cmp(&(one.1, one.2, &one.0)));
    let newest: BTreeSet<Tag> = order.into_iter().take(keep_last as usize).map(|(tag, ..)| tag).collect();
    for (tag, state) in &mut repository.tags {
        state.live = repository.all
            || newest.contains(tag)
            || rules.is_young(now, state.record.pushed)
            || rules.roots.digests.contains(&state.record.digest);
    }
}

/// The manifest that a tag accompanies, as the tag names it: `sha256-HEX`, also with an ending such as
/// `.sig`, as signers write it.
pub(super) fn accompanied(tag: &Tag) -> Option<&str> {
    let text = tag.as_str();
    let (algorithm, rest) = text.split_once('-')?;
    let hex = rest.get(..64)?;
    let end = rest.get(64..)?;
    let fits = matches!(algorithm, "sha256" | "sha512")
        && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && (end.is_empty() || end.starts_with(['.', '-']));
    if fits { text.get(..algorithm.len() + 1 + 64) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_signers_and_fallback_tags_accompany_a_manifest() {
        let hex = "0".repeat(64);
        for (tag, subject) in [
            (format!("sha256-{hex}"), Some(format!("sha256-{hex}"))),
            (format!("sha256-{hex}.sig"), Some(format!("sha256-{hex}"))),
            (format!("sha512-{hex}"), Some(format!("sha512-{hex}"))),
            (format!("sha256-{hex}0"), None),
            ("sha256-00".to_owned(), None),
            (format!("md5-{hex}"), None),
            ("1.0".to_owned(), None),
        ] {
            assert_eq!(accompanied(&Tag::parse(&tag).unwrap()), subject.as_deref(), "{tag}");
        }
    }
}

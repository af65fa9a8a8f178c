// SPDX-License-Identifier: AGPL-3.0-or-later
//! "Did you mean": the known name that is closest to a wrong one.

/// The candidate that a person most likely meant; nothing where none is close.
pub(crate) fn closest<'c, S: AsRef<str>>(name: &str, candidates: &'c [S]) -> Option<&'c str> {
    // Longer texts are no misspelt names, and comparing them costs the product of their lengths.
    const MAX: usize = 128;
    if name.is_empty() || name.len() > MAX {
        return None;
    }
    let candidates = nearest(name, candidates);
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = plain(name);
    let allowed = match name.chars().count() {
        0..=1 => 0,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    candidates
        .iter()
        .map(AsRef::as_ref)
        .filter(|candidate| *candidate != name && candidate.len() <= MAX)
        .filter_map(|candidate| {
            if !wanted.is_empty() && plain(candidate) == wanted {
                return Some((0, candidate));
            }
            if name.len().abs_diff(candidate.len()) > allowed * 4 {
                return None;
            }
            let distance = strsim::osa_distance(name, candidate);
            (distance <= allowed).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Of many candidates, which are then sorted, those whose beginning is most like the name's: ten
/// thousand servers with a wrong name each must not be compared with ten thousand names each.
fn nearest<'c, S: AsRef<str>>(name: &str, candidates: &'c [S]) -> &'c [S] {
    const COMPARED: usize = 200;
    if candidates.len() <= COMPARED {
        return candidates;
    }
    let middle = candidates.partition_point(|candidate| candidate.as_ref() < name);
    let start = middle.saturating_sub(COMPARED / 2).min(candidates.len() - COMPARED);
    &candidates[start..start + COMPARED]
}

/// The hint for a name that leads nowhere: the closest one, else what there is.
pub(crate) fn did_you_mean<S: AsRef<str>>(name: &str, candidates: &[S], there_are: &str) -> Option<String> {
    const LISTED: usize = 8;
    if let Some(best) = closest(name, candidates) {
        return Some(format!("did you mean `{best}`?"));
    }
    if candidates.is_empty() {
        return None;
    }
    let mut listed: Vec<String> =
        candidates.iter().take(LISTED).map(|known| format!("`{}`", known.as_ref())).collect();
    if candidates.len() > LISTED {
        listed.push(format!("and {} more", candidates.len() - LISTED));
    }
    Some(format!("{there_are}: {}", listed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let fields = ["address", "credentials", "system", "tls", "userData", "macs"];
        for (wrong, right) in [
            ("adress", Some("address")),
            ("user_data", Some("userData")),
            ("USERDATA", Some("userData")),
            ("tsl", Some("tls")),
            ("mac", Some("macs")),
            ("color", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(wrong, &fields), right, "{wrong}");
        }
    }

    #[test]
    fn among_many_names_those_that_begin_alike_are_compared() {
        let names: Vec<String> = (0..5000).map(|index| format!("bmc/srv-{index:05}")).collect();
        assert_eq!(closest("bmc/srv-0123x", &names).map(str::len), Some(13));
        assert_eq!(closest("zzz", &names), None);
    }

    #[test]
    fn where_nothing_is_close_what_there_is_gets_listed() {
        let names: Vec<String> = (0..10).map(|index| format!("recipe-{index}")).collect();
        let hint = did_you_mean("windows", &names, "recipes").unwrap();
        assert!(hint.starts_with("recipes: `recipe-0`") && hint.ends_with("and 2 more"), "{hint}");
        assert_eq!(did_you_mean::<&str>("x", &[], "recipes"), None);
    }
}

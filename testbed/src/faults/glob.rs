// SPDX-License-Identifier: AGPL-3.0-or-later
//! Patterns over request paths: `*` stands for any run of characters without `/`, `**` for any run at all.

/// Whether `path` as a whole matches `pattern`. Linear in both for patterns with few stars.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    glob(pattern.as_bytes(), path.as_bytes())
}

fn glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|skip| glob(rest, &path[skip..])),
        [b'*', rest @ ..] => {
            let segment = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=segment).any(|skip| glob(rest, &path[skip..]))
        }
        [literal, rest @ ..] => path.first() == Some(literal) && glob(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn one_star_stays_inside_a_segment() {
        assert!(matches("/redfish/v1/Systems/*", "/redfish/v1/Systems/1"));
        assert!(!matches("/redfish/v1/Systems/*", "/redfish/v1/Systems/1/VirtualMedia"));
        assert!(matches("/a/*.Reset", "/a/ComputerSystem.Reset"));
    }

    #[test]
    fn two_stars_cross_segments() {
        assert!(matches("/redfish/**", "/redfish/v1/Systems/1/VirtualMedia/2"));
        assert!(matches(
            "**/Actions/VirtualMedia.InsertMedia",
            "/redfish/v1/X/Actions/VirtualMedia.InsertMedia"
        ));
        assert!(!matches("**/Actions", "/redfish/v1/Actions/Reset"));
    }

    #[test]
    fn a_pattern_without_stars_is_the_path_itself() {
        assert!(matches("/redfish/v1", "/redfish/v1"));
        assert!(!matches("/redfish/v1", "/redfish/v1/"));
        assert!(!matches("", "/"));
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which files count, and for what.
//!
//! Every kind has its directory, so that rules by path (who may approve, who owns a site) mean
//! what they say: an Approval among the servers would go around them.

use crate::source::{FileEntry, Refused};

/// Directories and the kind that stands in each.
const DIRECTORIES: [(&str, &str); 5] = [
    ("servers", "Server"),
    ("recipes", "Recipe"),
    ("images", "Image"),
    ("secrets", "Secret"),
    ("approvals", "Approval"),
];

/// The fleet's own file.
const FLEET_FILE: &str = "shoal.yaml";

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Documents of this kind.
    For(&'static str),
    /// YAML that is not ours to read, unless it looks as if it were.
    Elsewhere,
}

impl Place {
    /// What a file is for; nothing where it is of no interest.
    pub(crate) fn of(entry: &FileEntry) -> Option<Self> {
        let path = &*entry.path;
        if path.split('/').any(|part| part.starts_with('.')) {
            return None;
        }
        if path == FLEET_FILE {
            return Some(Self::For("Fleet"));
        }
        let first = path.split('/').next().unwrap_or_default();
        let kind = DIRECTORIES.iter().find(|(directory, _)| *directory == first).map(|(_, kind)| *kind);
        // A link or submodule in place of one of our directories hides everything in it.
        let hides =
            matches!(entry.refused, Some(Refused::Symlink | Refused::Submodule | Refused::PathNotUtf8));
        match kind {
            Some(kind) if is_yaml(path) || hides => Some(Self::For(kind)),
            None if is_yaml(path) && entry.refused.is_none() => Some(Self::Elsewhere),
            _ => None,
        }
    }

    /// Where documents of a kind belong, for people.
    pub(crate) fn belongs(kind: &str) -> String {
        DIRECTORIES
            .iter()
            .find(|(_, known)| *known == kind)
            .map_or_else(|| format!("`{FLEET_FILE}`"), |(directory, _)| format!("`{directory}/`"))
    }
}

/// Whether a path ends in `.yaml` or `.yml`, in any case: `web-01.YAML` is not overlooked.
fn is_yaml(path: &str) -> bool {
    let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ext)| ext);
    extension.is_some_and(|ext| ext.eq_ignore_ascii_case("yaml") || ext.eq_ignore_ascii_case("yml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str, refused: Option<Refused>) -> Option<Place> {
        Place::of(&FileEntry { path: path.into(), id: None, size: 0, refused })
    }

    #[test]
    fn every_kind_has_its_directory() {
        assert_eq!(place("shoal.yaml", None), Some(Place::For("Fleet")));
        assert_eq!(place("servers/rack-a/web-01.yaml", None), Some(Place::For("Server")));
        assert_eq!(place("secrets/bmc.yml", None), Some(Place::For("Secret")));
        assert_eq!(place("servers/WEB.YAML", None), Some(Place::For("Server")));
        assert_eq!(place("docs/servers/a.yaml", None), Some(Place::Elsewhere));
        assert_eq!(place("shoal.yml", None), Some(Place::Elsewhere));
    }

    #[test]
    fn what_is_no_yaml_or_hidden_is_of_no_interest() {
        for path in
            ["README.md", "servers/README.md", ".github/x.yaml", "servers/.old/a.yaml", "servers/yaml"]
        {
            assert_eq!(place(path, None), None, "{path}");
        }
        assert_eq!(place("docs/link.yaml", Some(Refused::Symlink)), None);
    }

    #[test]
    fn a_link_that_hides_servers_counts() {
        assert_eq!(place("servers", Some(Refused::Symlink)), Some(Place::For("Server")));
        assert_eq!(place("servers/rack-a", Some(Refused::Submodule)), Some(Place::For("Server")));
        assert_eq!(place("servers/notes.txt", Some(Refused::TooLarge)), None);
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names of images in a bundle.

use shoal_oci::{Digest, RepositoryName, Tag};

/// What an image's name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefName {
    pub(super) repository: Option<RepositoryName>,
    pub(super) tag: Option<Tag>,
}

/// The name that an export writes.
pub(super) fn write(repository: &RepositoryName, tag: Option<&Tag>, digest: &Digest) -> String {
    match tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => format!("{repository}@{digest}"),
    }
}

/// Reads what exports and other tools write: `REPOSITORY:TAG`, `REPOSITORY@DIGEST`, `TAG`. A registry in
/// front, with a port, is left out; without one it cannot be told from a repository's first part, and stays.
pub(super) fn read(name: &str, digest: &Digest) -> Option<RefName> {
    let (name, by_digest) = match name.split_once('@') {
        Some((name, named)) if named == digest.as_str() => (name, true),
        Some(_) => return None,
        None => (name, false),
    };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(Tag::parse(tag).ok()?)),
        _ if by_digest || name.contains('/') => (name, None),
        _ => return Some(RefName { repository: None, tag: Some(Tag::parse(name).ok()?) }),
    };
    let repository = RepositoryName::parse(repository).ok().or_else(|| {
        let (host, rest) = repository.split_once('/')?;
        host.contains(':').then(|| RepositoryName::parse(rest).ok()).flatten()
    });
    Some(RefName { repository: Some(repository?), tag })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_oci::Algorithm;

    fn read_of(name: &str) -> Option<(Option<String>, Option<String>)> {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let name = name.replace("DIGEST", digest.as_str());
        let read = read(&name, &digest)?;
        Some((read.repository.map(|one| one.to_string()), read.tag.map(|one| one.to_string())))
    }

    #[test]
    fn names_of_all_tools_are_read() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read_of("os/debian:12"), Some((some("os/debian"), some("12"))));
        assert_eq!(read_of("os/debian@DIGEST"), Some((some("os/debian"), None)));
        assert_eq!(read_of("os/debian:12@DIGEST"), Some((some("os/debian"), some("12"))));
        assert_eq!(read_of("os@DIGEST"), Some((some("os"), None)));
        assert_eq!(read_of("r.example:5000/os/debian:12"), Some((some("os/debian"), some("12"))));
        assert_eq!(read_of("os/debian"), Some((some("os/debian"), None)));
        assert_eq!(read_of("latest"), Some((None, some("latest"))));
    }

    #[test]
    fn what_is_no_name_or_the_name_of_something_else_is_not_read() {
        for bad in ["", "../x:1", "/etc:1", "A/b:1", "a:b c", "a@sha256:00", "a/../b:1"] {
            assert_eq!(read_of(bad), None, "{bad}");
        }
    }
}

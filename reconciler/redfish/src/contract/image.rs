// SPDX-License-Identifier: AGPL-3.0-or-later
//! Image addresses. They carry a capability as a path segment, so they never print whole.

use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

use crate::wire::redact::redact_url;

/// What the BMC is asked to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// Where the BMC fetches it.
    pub url: MediaUrl,
    /// How the machine is to see it.
    pub kind: ImageKind,
}

/// How the machine is to see an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// An ISO 9660 image, seen as an optical disc. Its address ends in `.iso`.
    Iso,
    /// A raw disk image, seen as a USB stick or floppy. Its address ends in `.img`.
    RawDisk,
}

/// The address of an image as given to, or read from, a BMC.
///
/// Prints (`Debug`, `Display`, `Serialize`) with every long path segment, the user part and the
/// query replaced, since one of them is a capability.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MediaUrl(String);

impl MediaUrl {
    /// Takes any text: what a BMC shows is not always an address.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The address itself. Not for logs, errors, status or plans.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Path segments that may be capabilities, to be hidden in whatever a BMC says.
    pub(crate) fn capabilities(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| segment.len() > 20)
    }

    /// The scheme in lower case, if this is an address.
    pub fn scheme(&self) -> Option<String> {
        let (scheme, rest) = self.0.split_once("://")?;
        (!rest.is_empty()).then(|| scheme.to_ascii_lowercase())
    }

    /// Whether what a BMC shows is what it was given.
    ///
    /// BMCs drop or add ports and strip or keep queries, so scheme, host and path are compared
    /// (measured on xFusion, reported for others). A BMC that shows no address but a tail of
    /// the path is believed.
    pub fn same_image(&self, shown: &MediaUrl) -> bool {
        if self.0 == shown.0 {
            return true;
        }
        let Ok(ours) = Url::parse(&self.0) else {
            return false;
        };
        match Url::parse(&shown.0) {
            Ok(theirs) if theirs.has_host() => {
                ours.scheme() == theirs.scheme()
                    && ours.host() == theirs.host()
                    && ours.path() == theirs.path()
            }
            _ => {
                let tail = shown.0.trim_start_matches('/');
                !tail.is_empty()
                    && !tail.contains("://")
                    && (ours.path().trim_start_matches('/') == tail
                        || ours.path().ends_with(&format!("/{tail}")))
            }
        }
    }
}

impl fmt::Display for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_url(&self.0))
    }
}

impl fmt::Debug for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaUrl({self})")
    }
}

impl Serialize for MediaUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPABILITY: &str = "dGhpcy1pcy1hLWNhcGFiaWxpdHktdG9rZW4";

    fn ours() -> MediaUrl {
        MediaUrl::new(format!("http://10.0.0.1:8081/media/{CAPABILITY}/task.iso"))
    }

    #[test]
    fn an_image_address_prints_without_its_capability() {
        for shown in [ours().to_string(), format!("{:?}", ours()), serde_json::to_string(&ours()).unwrap()] {
            assert!(!shown.contains(CAPABILITY), "{shown}");
            assert!(shown.contains("task.iso"), "{shown}");
        }
    }

    #[test]
    fn an_echo_without_the_port_is_the_same_image() {
        let shown = MediaUrl::new(format!("http://10.0.0.1/media/{CAPABILITY}/task.iso"));
        assert!(ours().same_image(&shown));
    }

    #[test]
    fn another_capability_is_another_image() {
        let shown = MediaUrl::new("http://10.0.0.1:8081/media/another-capability-altogether/task.iso");
        assert!(!ours().same_image(&shown));
    }

    #[test]
    fn another_scheme_or_host_is_another_image() {
        for other in ["https://10.0.0.1:8081", "http://10.0.0.2:8081"] {
            let shown = MediaUrl::new(format!("{other}/media/{CAPABILITY}/task.iso"));
            assert!(!ours().same_image(&shown), "{other}");
        }
    }

    #[test]
    fn an_echo_of_the_file_name_alone_is_believed() {
        assert!(ours().same_image(&MediaUrl::new("task.iso")));
        assert!(!ours().same_image(&MediaUrl::new("other.iso")));
        assert!(!ours().same_image(&MediaUrl::new("")));
    }
}

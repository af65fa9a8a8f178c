// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media types, and how they are compared.

/// An OCI image manifest; artifacts are image manifests too.
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index: manifests of several platforms.
pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image's configuration.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The empty object `{}`: the configuration of what needs none.
pub const EMPTY_JSON: &str = "application/vnd.oci.empty.v1+json";
/// A layer: a tar archive.
pub const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer: a tar archive, gzip.
pub const LAYER_TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer: a tar archive, zstd.
pub const LAYER_TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// What all layers begin with that a registry need not have.
const NON_DISTRIBUTABLE: [&str; 2] =
    ["application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign."];

/// An artifact of Shoal's: the `artifactType` of every system image that Shoal pushes.
pub const ARTIFACT: &str = "application/vnd.shoal.image.v1";
/// A whole disk, byte by byte.
pub const RAW_DISK: &str = "application/vnd.shoal.disk.raw";
/// A whole disk, gzip.
pub const RAW_DISK_GZIP: &str = "application/vnd.shoal.disk.raw+gzip";
/// A whole disk, zstd.
pub const RAW_DISK_ZSTD: &str = "application/vnd.shoal.disk.raw+zstd";
/// A Windows image.
pub const WIM: &str = "application/vnd.shoal.wim";
/// An ISO 9660 image.
pub const ISO: &str = "application/x-iso9660-image";

/// The type without its parameters: `text/plain` of `text/plain; charset=utf-8`.
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// Whether two types are the same. Case does not matter (RFC 9110, Media Type), nor do parameters.
pub fn same(one: &str, other: &str) -> bool {
    essence(one).eq_ignore_ascii_case(essence(other))
}

/// Whether text is `type/subtype` of RFC 6838's characters, at most 255 in all: fit for a header.
pub fn is_valid(text: &str) -> bool {
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        !part.is_empty() && part.bytes().all(plain)
    };
    text.len() <= 255 && text.split_once('/').is_some_and(|(kind, sub)| part(kind) && part(sub))
}

/// Whether a type is one of an image manifest or an index, OCI's or Docker's.
pub fn is_manifest(media_type: &str) -> bool {
    [IMAGE_MANIFEST, IMAGE_INDEX, DOCKER_MANIFEST, DOCKER_LIST].iter().any(|known| same(known, media_type))
}

/// Whether layers of this type stay where their owner offers them and are not pushed.
pub fn is_non_distributable(media_type: &str) -> bool {
    let begins =
        |prefix: &str| media_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    NON_DISTRIBUTABLE.into_iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_matter() {
        assert_eq!(essence(" a/b ; charset=utf-8"), "a/b");
        assert_eq!(essence(""), "");
        assert_eq!(essence(";x"), "");
        assert!(same("Application/JSON; a=b", "application/json"));
        assert!(!same("application/json", "application/jso"));
    }

    #[test]
    fn only_what_fits_in_a_header_is_a_media_type() {
        for text in [IMAGE_MANIFEST, RAW_DISK_ZSTD, ISO, "a/b"] {
            assert!(is_valid(text), "{text}");
        }
        for text in [
            "",
            "a",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "a/b\r\nX: y",
            "a/b; c=d",
            "a/ä",
            &format!("a/{}", "b".repeat(254)),
        ] {
            assert!(!is_valid(text), "{text:?}");
        }
    }

    #[test]
    fn layers_that_are_not_pushed_are_known_by_their_type() {
        assert!(is_non_distributable("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"));
        assert!(is_non_distributable("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
        assert!(!is_non_distributable(LAYER_TAR));
        assert!(!is_non_distributable("ä"));
    }

    #[test]
    fn both_families_of_manifests_are_manifests() {
        assert!([IMAGE_MANIFEST, IMAGE_INDEX, DOCKER_MANIFEST, DOCKER_LIST].into_iter().all(is_manifest));
        assert!(![IMAGE_CONFIG, EMPTY_JSON, "application/json"].into_iter().any(is_manifest));
    }
}

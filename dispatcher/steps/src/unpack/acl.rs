// SPDX-License-Identifier: AGPL-3.0-or-later
//! ACLs as tar writes them (text) into ACLs as the kernel keeps them (an extended attribute).
//!
//! The text is that of acl(5), one entry a line or behind a comma, with numbers or, as star writes it, a name and the
//! number behind the permissions. The attribute is a version and one entry of eight bytes each
//! (`include/uapi/linux/posix_acl_xattr.h`).

/// The number of an entry that has none.
const UNDEFINED: u32 = u32::MAX;

/// The attribute's value.
pub(crate) fn from_text(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "its ACL cannot be read";
    let text = std::str::from_utf8(text).map_err(|_| BROKEN)?;
    let mut entries = Vec::new();
    for line in text.split(['\n', ',']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let mut fields = line.split(':');
        let (Some(kind), Some(who), Some(permissions)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(BROKEN);
        };
        let number = || match (who.parse::<u32>(), fields.clone().next().map(str::parse::<u32>)) {
            (Ok(number), _) | (_, Some(Ok(number))) => Ok(number),
            _ => Err("its ACL names somebody without a number: pack with --numeric-owner"),
        };
        // ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER.
        let (tag, id): (u16, u32) = match (kind, who.is_empty()) {
            ("user" | "u", true) => (0x01, UNDEFINED),
            ("user" | "u", false) => (0x02, number()?),
            ("group" | "g", true) => (0x04, UNDEFINED),
            ("group" | "g", false) => (0x08, number()?),
            ("mask" | "m", _) => (0x10, UNDEFINED),
            ("other" | "o", _) => (0x20, UNDEFINED),
            _ => return Err(BROKEN),
        };
        let mut bits = 0u16;
        for character in permissions.chars() {
            bits |= match character {
                'r' => 4,
                'w' => 2,
                'x' => 1,
                '-' => 0,
                _ => return Err(BROKEN),
            };
        }
        entries.push((tag, id, bits));
    }
    // The kernel wants them in the order of their tags, then of their numbers.
    entries.sort_unstable();
    let mut value = 2u32.to_le_bytes().to_vec();
    for (tag, id, bits) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(bits.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_in_text_is_what_the_kernel_keeps() {
        let value =
            from_text(b"user::rwx\nuser:lisa:r-x:1001\ngroup::r-x\ngroup:20:-w-\nmask::r-x\nother::---\n");
        let value = value.expect("an acl");
        assert_eq!(value[..4], [2, 0, 0, 0]);
        let entries: Vec<&[u8]> = value[4..].chunks_exact(8).collect();
        assert_eq!(entries[0], [1, 0, 7, 0, 255, 255, 255, 255]);
        assert_eq!(entries[1], [2, 0, 5, 0, 0xe9, 3, 0, 0]);
        assert_eq!(entries[3], [8, 0, 2, 0, 20, 0, 0, 0]);
        assert_eq!(entries.len(), 6);
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        for text in ["user", "user:lisa:rwx", "nobody::rwx", "user::rwq", "\u{fe}"] {
            assert!(from_text(text.as_bytes()).is_err(), "{text}");
        }
    }
}

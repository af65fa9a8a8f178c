// SPDX-License-Identifier: AGPL-3.0-or-later
//! pax extended headers: records of `LENGTH KEY=VALUE\n` (POSIX.1-2017, pax Extended Header).

use super::entry::Segment;
use super::sparse;

/// The most bytes of extended attributes of one entry.
const MOST_XATTRS: usize = 1 << 20;

/// What an extended header says.
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// ACLs as text: of the entry, and what new entries in a directory get.
    pub(super) acls: Vec<(&'static [u8], Vec<u8>)>,
    pub(super) sparse: Sparse,
}

/// What it says of a sparse file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// 1.0: the map stands in front of the content.
    pub(super) map_in_content: bool,
    /// 0.0 and 0.1: the map itself.
    pub(super) map: Option<Vec<Segment>>,
    offset: Option<u64>,
}

impl Pax {
    /// Adds the records of a header.
    pub(super) fn add(&mut self, mut rest: &[u8]) -> Result<(), &'static str> {
        const BROKEN: &str = "its extended header is broken";
        while !rest.is_empty() {
            let space = rest.iter().take(20).position(|byte| *byte == b' ').ok_or(BROKEN)?;
            let len =
                sparse::number(&rest[..space]).and_then(|len| usize::try_from(len).ok()).ok_or(BROKEN)?;
            if len > rest.len() || len < space + 3 || rest[len - 1] != b'\n' {
                return Err(BROKEN);
            }
            let record = &rest[space + 1..len - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(BROKEN)?;
            self.record(&record[..equals], &record[equals + 1..])?;
            rest = &rest[len..];
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const NUMBER: &str = "its extended header has a number that is none";
        let number = || sparse::number(value).ok_or(NUMBER);
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.linkpath = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(time(value).ok_or(NUMBER)?),
            b"SCHILY.acl.access" => self.acls.push((b"system.posix_acl_access", value.to_vec())),
            b"SCHILY.acl.default" => self.acls.push((b"system.posix_acl_default", value.to_vec())),
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = Some(number()?),
            b"GNU.sparse.major" => self.sparse.map_in_content = number()? == 1,
            b"GNU.sparse.map" => self.sparse.map = Some(sparse::pax_map(value)?),
            b"GNU.sparse.offset" => self.sparse.offset = Some(number()?),
            b"GNU.sparse.numbytes" => {
                let offset =
                    self.sparse.offset.take().ok_or("its sparse map has a length without a place")?;
                let map = self.sparse.map.get_or_insert_default();
                if map.len() == sparse::MOST_SEGMENTS {
                    return Err("its sparse map is too long");
                }
                map.push(Segment { offset, len: number()? });
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    let known: usize = self.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
                    if known + name.len() + value.len() > MOST_XATTRS {
                        return Err("it has too many extended attributes");
                    }
                    self.xattrs.retain(|(known, _)| known != name);
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// `SECONDS[.FRACTION]`, also before 1970.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().take(9).collect();
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{digits:0<9}").parse().ok()?;
    match (negative, nanos) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos)),
        _ => Some((seconds, nanos)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_with_whatever_bytes_they_hold() {
        let mut pax = Pax::default();
        pax.add(b"18 path=a\nb=c/d\xff\xfe\n22 mtime=-1.250000000\n9 uid=70\n").expect("whole");
        assert_eq!(pax.path.as_deref(), Some(b"a\nb=c/d\xff\xfe".as_slice()));
        assert_eq!((pax.mtime, pax.uid), (Some((-2, 750_000_000)), Some(70)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"12.x"), None);
    }

    #[test]
    fn a_broken_record_is_refused() {
        for text in ["5", "99 path=a\n", "9 path=ab", "3 a\n", "0 \n", "x path=a\n", "10 pathab\n\n"] {
            assert!(Pax::default().add(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}

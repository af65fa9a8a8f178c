// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where an entry belongs: its name made clean, and the directory that it goes into.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::root::{Root, split};

/// The longest path and the longest name that the kernel takes, in bytes.
const LONGEST_PATH: usize = 4095;
const LONGEST_NAME: usize = 255;

/// A name without empty parts, without `.`, without slashes at its ends. Empty: the root itself.
pub(super) fn clean(path: &[u8]) -> Result<Vec<u8>, &'static str> {
    if path.contains(&0) {
        return Err("its name has a NUL");
    }
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("its name leads upwards (..)"),
            part if part.len() > LONGEST_NAME => return Err("its name is too long"),
            part => {
                if !clean.is_empty() {
                    clean.push(b'/');
                }
                clean.extend_from_slice(part);
            }
        }
    }
    if clean.len() > LONGEST_PATH { Err("its name is too long") } else { Ok(clean) }
}

/// The directory of the entry before is at hand: archives are in order mostly.
pub(super) struct Parents<'a> {
    root: &'a Root,
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self { root, last: None }
    }

    /// The directory that a path stands in, made where it is missing, and the last part of the path.
    pub(super) fn of<'p>(&mut self, path: &'p [u8]) -> io::Result<(Rc<OwnedFd>, &'p [u8])> {
        let (parent, name) = split(path);
        if let Some((known, fd)) = &self.last
            && known == parent
        {
            return Ok((Rc::clone(fd), name));
        }
        let fd = Rc::new(self.root.make_directories(parent)?);
        self.last = Some((parent.to_vec(), Rc::clone(&fd)));
        Ok((fd, name))
    }

    /// The directory may have been replaced.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Forgets a directory that stood at a path, or below it.
    pub(super) fn forget_if(&mut self, path: &[u8]) {
        let gone = self.last.as_ref().is_some_and(|(known, _)| known.starts_with(path));
        if gone {
            self.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_made_clean_and_those_that_lead_upwards_refused() {
        for (given, wanted) in [
            ("./a//b/", "a/b"),
            ("/etc/x", "etc/x"),
            (".", ""),
            ("/", ""),
            ("a/./b", "a/b"),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(clean(given.as_bytes()).expect(given), wanted.as_bytes());
        }
        for given in ["..", "a/../b", "../x", "/..", "a/..", "a\0b"] {
            assert!(clean(given.as_bytes()).is_err(), "{given:?}");
        }
        assert!(clean(&[b'x'; 256]).is_err());
        assert!(clean(&b"abcdefg/".repeat(513)).is_err());
    }

    proptest! {
        #[test]
        fn a_clean_name_stays_clean(path in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(once) = clean(&path) {
                prop_assert_eq!(clean(&once), Ok(once.clone()));
                prop_assert!(!once.starts_with(b"/") && !once.ends_with(b"/"));
            }
        }
    }
}

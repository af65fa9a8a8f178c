// SPDX-License-Identifier: AGPL-3.0-or-later
//! One entry of an archive, with everything that extensions said about it.

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as it stands there.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// And nanoseconds.
    pub mtime_nanos: u32,
    /// Extended attributes, ACLs among them.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file. Its content follows: the segments, one behind the other; holes between them.
    File {
        /// Its size with the holes.
        size: u64,
        /// What is no hole, in order and apart.
        segments: Vec<Segment>,
    },
    /// A directory.
    Directory,
    /// A symbolic link, to this text.
    Symlink(Vec<u8>),
    /// Another name of this entry.
    HardLink(Vec<u8>),
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// A piece of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it belongs.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

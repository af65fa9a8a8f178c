// SPDX-License-Identifier: AGPL-3.0-or-later
//! Entry by entry through an archive.

use std::io::{BufRead, ErrorKind};

use tar::Header;

use super::entry::{Entry, Kind, Segment};
use super::error::ArchiveError;
use super::pax::Pax;
use super::sparse;
use crate::root::shown;
use crate::unpack::acl;

const BLOCK: u64 = 512;

/// The longest name, in bytes: what the kernel takes as a path.
const LONGEST_NAME: u64 = 4096;

/// The longest extended header, in bytes.
const LONGEST_EXTENSION: u64 = 8 << 20;

/// Reads an archive.
pub struct Reader<R> {
    source: R,
    /// Bytes read so far.
    at: u64,
    /// Bytes of the current content that were not read.
    left: u64,
    /// And what fills its last block.
    padding: u64,
    /// pax headers that hold for all that follows.
    global: Pax,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// An archive from its beginning.
    pub fn new(source: R) -> Self {
        Self { source, at: 0, left: 0, padding: 0, global: Pax::default(), ended: false }
    }

    /// The stream, with whatever stands behind the archive.
    pub fn into_inner(self) -> R {
        self.source
    }

    /// The next entry; nothing at the end. What is left of the content before is passed over.
    pub fn entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut pax = self.global.clone();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.skip_content()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = header.entry_size().map_err(|_| self.broken("its size is no number"))?;
            match header.as_bytes()[156] {
                b'x' => {
                    let text = self.extension(size, LONGEST_EXTENSION)?;
                    pax.add(&text).map_err(|problem| self.broken(problem))?;
                }
                b'g' => {
                    let text = self.extension(size, LONGEST_EXTENSION)?;
                    let mut global = std::mem::take(&mut self.global);
                    global.add(&text).map_err(|problem| self.broken(problem))?;
                    pax = global.clone();
                    self.global = global;
                }
                b'L' => long_name = Some(until_nul(self.extension(size, LONGEST_NAME + 1)?)),
                b'K' => long_link = Some(until_nul(self.extension(size, LONGEST_NAME + 1)?)),
                // A volume's label.
                b'V' => self.begin(size),
                _ => return self.build(&header, size, pax, long_name, long_link).map(Some),
            }
        }
    }

    /// The next piece of the current content, at most up to its end; empty at the end.
    pub fn content(&mut self) -> Result<&[u8], ArchiveError> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let at = self.at;
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = fill(&mut self.source, at)?;
        let len = piece.len().min(left);
        Ok(&piece[..len])
    }

    /// That many bytes of the piece were taken.
    pub fn consume(&mut self, len: usize) {
        self.source.consume(len);
        self.at += len as u64;
        self.left -= len as u64;
    }

    fn build(
        &mut self,
        header: &Header,
        size: u64,
        pax: Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Entry, ArchiveError> {
        let path = pax.sparse.name.or(pax.path).or(long_name);
        let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = pax.linkpath.or(long_link).or_else(|| header.link_name_bytes().map(Into::into));
        let refuse = |problem| ArchiveError::Entry { name: shown(&path), problem };
        let number = |value: Result<u64, _>, wide: Option<u64>| {
            let value = wide.map_or_else(|| value.map_err(|_: std::io::Error| ()), Ok);
            value
                .ok()
                .and_then(|value| u32::try_from(value).ok())
                .ok_or_else(|| refuse("its owner is no number"))
        };
        let (uid, gid) = (number(header.uid(), pax.uid)?, number(header.gid(), pax.gid)?);
        let mode = header.mode().map_err(|_| refuse("its mode is no number"))? & 0o7777;
        let seconds = header.mtime().ok().and_then(|time| i64::try_from(time).ok());
        let (mtime, mtime_nanos) = pax.mtime.or(seconds.map(|seconds| (seconds, 0))).unwrap_or_default();
        let size = pax.size.unwrap_or(size);
        let target =
            || link.clone().filter(|link| !link.is_empty()).ok_or_else(|| refuse("it leads nowhere"));
        let device = || match (header.device_major(), header.device_minor()) {
            (Ok(Some(major)), Ok(Some(minor))) => Ok((major, minor)),
            _ => Err(refuse("it has no device number")),
        };
        let mut stored = size;
        let kind = match header.as_bytes()[156] {
            // Old archives know directories by their last character only.
            b'0' | 0 | b'7' if !path.ends_with(b"/") => {
                let real = pax.sparse.real_size.unwrap_or(size);
                let segments = if pax.sparse.map_in_content {
                    self.begin(size);
                    let numbers = self.map_in_content(&path)?;
                    stored = self.left;
                    numbers
                } else if let Some(map) = pax.sparse.map {
                    map
                } else {
                    vec![Segment { offset: 0, len: size }]
                };
                let segments = sparse::checked(segments, real, stored).map_err(refuse)?;
                if !pax.sparse.map_in_content {
                    self.begin(size);
                }
                Kind::File { size: real, segments }
            }
            b'S' => {
                let (real, segments) =
                    self.gnu_sparse(header).map_err(|error| error.unwrap_or_else(refuse))?;
                let segments = sparse::checked(segments, real, size).map_err(refuse)?;
                self.begin(size);
                Kind::File { size: real, segments }
            }
            b'0' | 0 | b'5' | b'7' => {
                self.begin(size);
                Kind::Directory
            }
            b'1' => Kind::HardLink(target()?),
            b'2' => Kind::Symlink(target()?),
            b'3' => device().map(|(major, minor)| Kind::CharDevice(major, minor))?,
            b'4' => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
            b'6' => Kind::Fifo,
            _ => return Err(refuse("it is of a kind that is not known")),
        };
        let mut xattrs = pax.xattrs;
        for (name, text) in pax.acls {
            let value = acl::from_text(&text).map_err(refuse)?;
            xattrs.retain(|(known, _)| known != name);
            xattrs.push((name.to_vec(), value));
        }
        Ok(Entry { path, kind, mode, uid, gid, mtime, mtime_nanos, xattrs })
    }

    /// pax 1.0: the number of segments, then offsets and lengths, one number a line, padded to a block.
    fn map_in_content(&mut self, path: &[u8]) -> Result<Vec<Segment>, ArchiveError> {
        let refuse = |problem| ArchiveError::Entry { name: shown(path), problem };
        let mut numbers: Vec<u64> = Vec::new();
        let mut line = Vec::new();
        let mut wanted = None;
        while wanted.is_none_or(|wanted| numbers.len() < wanted) {
            if self.left < BLOCK {
                return Err(refuse("its sparse map ends too early"));
            }
            let block = self.block()?;
            self.left -= BLOCK;
            for byte in block {
                if byte != b'\n' {
                    line.push(byte);
                    if line.len() > 20 {
                        return Err(refuse("its sparse map has something else than numbers"));
                    }
                    continue;
                }
                let number = sparse::number(&line).ok_or_else(|| refuse("its sparse map has no number"))?;
                line.clear();
                if wanted.is_some() {
                    numbers.push(number);
                } else if number > sparse::MOST_SEGMENTS as u64 {
                    return Err(refuse("its sparse map is too long"));
                } else {
                    wanted = Some(number as usize * 2);
                }
                if wanted == Some(numbers.len()) {
                    break;
                }
            }
        }
        sparse::pairs(&numbers).map_err(refuse)
    }

    /// GNU's own: four segments in the header, and 21 in each block behind it.
    fn gnu_sparse(
        &mut self,
        header: &Header,
    ) -> Result<(u64, Vec<Segment>), Result<ArchiveError, &'static str>> {
        const BROKEN: &str = "its sparse map has no number";
        let gnu = header.as_gnu().ok_or(Err("it is sparse in a way that is not known"))?;
        let real = gnu.real_size().map_err(|_| Err(BROKEN))?;
        let mut segments = Vec::new();
        let mut add = |headers: &[tar::GnuSparseHeader]| {
            for sparse in headers.iter().filter(|sparse| !sparse.is_empty()) {
                let (offset, len) = (sparse.offset(), sparse.length());
                let (Ok(offset), Ok(len)) = (offset, len) else { return Err(Err(BROKEN)) };
                if segments.len() == sparse::MOST_SEGMENTS {
                    return Err(Err("its sparse map is too long"));
                }
                segments.push(Segment { offset, len });
            }
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = tar::GnuExtSparseHeader::new();
            extension.as_mut_bytes().copy_from_slice(&self.block().map_err(Ok)?);
            add(extension.sparse())?;
            more = extension.is_extended();
        }
        Ok((real, segments))
    }

    /// The next header; nothing at the end mark.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let at = self.at;
        let block = self.block()?;
        if block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The sum of all bytes, with spaces in place of the sum itself.
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(i, b)| u32::from(if (148..156).contains(&i) { b' ' } else { *b }))
            .sum();
        match header.cksum() {
            Ok(wanted) if wanted == sum => Ok(Some(header)),
            _ => Err(ArchiveError::Header { at, problem: "its checksum is wrong" }),
        }
    }

    /// An extension's whole content.
    fn extension(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        if size > limit {
            return Err(self.broken("an extension is too long"));
        }
        self.begin(size);
        let mut content = Vec::new();
        while self.left > 0 {
            let piece = self.content()?;
            content.extend_from_slice(piece);
            let len = piece.len();
            self.consume(len);
        }
        Ok(content)
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
    }

    fn skip_content(&mut self) -> Result<(), ArchiveError> {
        self.left = self.left.saturating_add(std::mem::take(&mut self.padding));
        while self.left > 0 {
            let len = self.content()?.len();
            self.consume(len);
        }
        Ok(())
    }

    fn block(&mut self) -> Result<[u8; BLOCK as usize], ArchiveError> {
        let mut block = [0; BLOCK as usize];
        let mut done = 0;
        while done < block.len() {
            let piece = fill(&mut self.source, self.at)?;
            let len = piece.len().min(block.len() - done);
            block[done..done + len].copy_from_slice(&piece[..len]);
            self.source.consume(len);
            self.at += len as u64;
            done += len;
        }
        Ok(block)
    }

    fn broken(&self, problem: &'static str) -> ArchiveError {
        ArchiveError::Header { at: self.at, problem }
    }
}

/// Some bytes; none left is an error.
fn fill<R: BufRead>(source: &mut R, at: u64) -> Result<&[u8], ArchiveError> {
    // A borrow that is returned from a loop is not understood yet (polonius), hence the two calls.
    loop {
        match source.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(ArchiveError::Truncated { at });
            }
            Err(error) => return Err(ArchiveError::Read(error)),
        }
    }
    match source.fill_buf() {
        Ok([]) => Err(ArchiveError::Truncated { at }),
        Ok(piece) => Ok(piece),
        Err(error) => Err(ArchiveError::Read(error)),
    }
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    name
}

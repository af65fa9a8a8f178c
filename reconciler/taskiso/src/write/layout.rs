// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where everything stands on the volume, and the volume itself.
//!
//! | sectors | content |
//! |---|---|
//! | 0–15 | system area, zero |
//! | 16, 17, 18 | primary descriptor, Joliet descriptor, terminator |
//! | then | path tables: plain little and big endian, Joliet little and big endian |
//! | then | directories: plain, Joliet |
//! | one | continuation area of the root's Rock Ridge entries |
//! | then | files, in the order of their paths, each from a sector's start |
//! | then | pad |

use crate::SECTOR;
use crate::files::TaskFiles;

use super::descriptor::{self, Descriptor};
use super::fields::fill_sector;
use super::hierarchy::{Directory, Hierarchy, Namespace, Target};
use super::path_table::{self, Order};
use super::record::Record;
use super::stamp::Stamp;
use super::susp;
use super::tree::Tree;

/// Sectors of the system area.
const SYSTEM_AREA: u32 = 16;

/// Sectors of the descriptors.
const DESCRIPTORS: u32 = 3;

/// A directory tree with its place and that of its path tables.
struct Placed<'a> {
    hierarchy: Hierarchy<'a>,
    path_table_len: u32,
    path_table_little: u32,
    path_table_big: u32,
}

/// A volume of which every sector is known and none is written.
pub(crate) struct Layout<'a> {
    tree: Tree<'a>,
    primary: Placed<'a>,
    joliet: Placed<'a>,
    continuation: u32,
    /// First sector of each file of the tree; zero for an empty one, as mkisofs writes it.
    file_sectors: Vec<u32>,
    sectors: u32,
}

impl<'a> Layout<'a> {
    /// Gives every structure its sector. Content and pad together are below 4 GiB (the caller has
    /// checked it).
    pub(crate) fn plan(files: &'a TaskFiles, pad: u64) -> Self {
        let tree = Tree::new(files);
        let mut next = SYSTEM_AREA + DESCRIPTORS;
        let mut primary = Placed::new(Hierarchy::new(&tree, Namespace::Primary), &mut next);
        let mut joliet = Placed::new(Hierarchy::new(&tree, Namespace::Joliet), &mut next);
        for placed in [&mut primary, &mut joliet] {
            for directory in &mut placed.hierarchy.directories {
                directory.sector = take(&mut next, u64::from(directory.len));
            }
        }
        let continuation = take(&mut next, 1);
        let file_sectors = tree
            .files
            .iter()
            .map(|file| match file.content.len() {
                0 => 0,
                len => take(&mut next, len as u64),
            })
            .collect();
        take(&mut next, pad);
        Self { tree, primary, joliet, continuation, file_sectors, sectors: next }
    }

    /// Bytes of the volume.
    pub(crate) fn len(&self) -> u64 {
        u64::from(self.sectors) * SECTOR as u64
    }

    /// The volume.
    pub(crate) fn render(&self, volume_id: &str, stamp: &Stamp) -> Vec<u8> {
        let len = self.len() as usize;
        let mut out = Vec::with_capacity(len);
        out.resize(SYSTEM_AREA as usize * SECTOR, 0);
        for placed in [&self.primary, &self.joliet] {
            placed.descriptor(volume_id, self.sectors).push(&mut out, stamp);
        }
        descriptor::terminator(&mut out);
        for placed in [&self.primary, &self.joliet] {
            for order in [Order::Little, Order::Big] {
                path_table::push(&mut out, &placed.hierarchy, order);
                fill_sector(&mut out);
            }
        }
        for placed in [&self.primary, &self.joliet] {
            for index in 0..placed.hierarchy.directories.len() {
                self.push_directory(&mut out, &placed.hierarchy, index, stamp);
            }
        }
        susp::extensions(&mut out);
        fill_sector(&mut out);
        for file in &self.tree.files {
            out.extend_from_slice(file.content);
            fill_sector(&mut out);
        }
        debug_assert!(out.len() <= len, "the plan is smaller than the volume");
        out.resize(len, 0);
        out
    }

    fn push_directory(&self, out: &mut Vec<u8>, hierarchy: &Hierarchy<'_>, at: usize, stamp: &Stamp) {
        let directories = &hierarchy.directories;
        let rock_ridge = hierarchy.namespace == Namespace::Primary;
        let directory = &directories[at];
        let parent = &directories[directory.parent];
        debug_assert_eq!(out.len(), directory.sector as usize * SECTOR);
        let mut entries = Vec::new();
        let mut push = |identifier: &[u8], sector, len, is_directory, susp: &[u8]| {
            Record { identifier, sector, len, is_directory, susp }.push(out, stamp);
        };

        if rock_ridge && at == 0 {
            susp::root(&mut entries, directory.links(), stamp, self.continuation);
        } else if rock_ridge {
            susp::directory(&mut entries, None, directory.links(), stamp);
        }
        push(&[0], directory.sector, directory.len, true, &entries);
        entries.clear();
        if rock_ridge {
            susp::directory(&mut entries, None, parent.links(), stamp);
        }
        push(&[1], parent.sector, parent.len, true, &entries);

        for node in &directory.nodes {
            entries.clear();
            match node.target {
                Target::Directory(index) => {
                    let child: &Directory<'_> = &directories[index];
                    if rock_ridge {
                        susp::directory(&mut entries, Some(node.name), child.links(), stamp);
                    }
                    push(&node.identifier, child.sector, child.len, true, &entries);
                }
                Target::File(index) => {
                    if rock_ridge {
                        susp::file(&mut entries, node.name, stamp);
                    }
                    let len = self.tree.files[index].content.len() as u32;
                    push(&node.identifier, self.file_sectors[index], len, false, &entries);
                }
            }
        }
        fill_sector(out);
    }
}

impl<'a> Placed<'a> {
    fn new(hierarchy: Hierarchy<'a>, next: &mut u32) -> Self {
        let path_table_len = path_table::len(&hierarchy);
        Self {
            hierarchy,
            path_table_len,
            path_table_little: take(next, u64::from(path_table_len)),
            path_table_big: take(next, u64::from(path_table_len)),
        }
    }

    fn descriptor<'v>(&self, volume_id: &'v str, sectors: u32) -> Descriptor<'v> {
        let root = &self.hierarchy.directories[0];
        Descriptor {
            namespace: self.hierarchy.namespace,
            volume_id,
            sectors,
            path_table_len: self.path_table_len,
            path_table_little: self.path_table_little,
            path_table_big: self.path_table_big,
            root_sector: root.sector,
            root_len: root.len,
        }
    }
}

/// Takes the sectors that `bytes` need and says where they begin.
fn take(next: &mut u32, bytes: u64) -> u32 {
    let sector = *next;
    *next += bytes.div_ceil(SECTOR as u64) as u32;
    sector
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! One of the two directory trees of a volume: identifiers, order and size of every directory.

use crate::SECTOR;

use super::names::{Kind, PlainNames, joliet, joliet_order, plain_order};
use super::tree::Tree;
use super::{record, susp};

/// Which names and attributes a tree carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// Plain names with Rock Ridge entries behind them, under the primary descriptor.
    Primary,
    /// UCS-2 names without entries, under the supplementary descriptor.
    Joliet,
}

/// What a record points at.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// An index into [`Hierarchy::directories`].
    Directory(usize),
    /// An index into [`Tree::files`].
    File(usize),
}

/// A record of a directory.
pub(super) struct Node<'a> {
    pub(super) identifier: Vec<u8>,
    pub(super) name: &'a str,
    pub(super) target: Target,
}

/// A directory with its records in order, `.` and `..` left out.
pub(super) struct Directory<'a> {
    /// Empty for the root.
    pub(super) identifier: Vec<u8>,
    /// Index of the parent; the root is its own.
    pub(super) parent: usize,
    pub(super) nodes: Vec<Node<'a>>,
    /// Bytes of the extent: whole sectors.
    pub(super) len: u32,
    /// First sector of the extent; given by the layout.
    pub(super) sector: u32,
}

impl Directory<'_> {
    /// Links as a Unix file system counts them: itself, its name, and `..` of each child.
    pub(super) fn links(&self) -> u32 {
        let is_directory = |node: &&Node<'_>| matches!(node.target, Target::Directory(_));
        2 + self.nodes.iter().filter(is_directory).count() as u32
    }
}

/// A directory tree in the order of its path table: by level, then parent, then identifier.
pub(super) struct Hierarchy<'a> {
    pub(super) namespace: Namespace,
    pub(super) directories: Vec<Directory<'a>>,
}

impl<'a> Hierarchy<'a> {
    pub(super) fn new(tree: &Tree<'a>, namespace: Namespace) -> Self {
        // Breadth first over directories whose children are sorted: just the order wanted.
        let mut directories =
            vec![Directory { identifier: Vec::new(), parent: 0, nodes: Vec::new(), len: 0, sector: 0 }];
        let mut origins = vec![0];
        let mut at = 0;
        while at < directories.len() {
            let mut nodes = children(tree, origins[at], namespace);
            for node in &mut nodes {
                if let Target::Directory(origin) = &mut node.target {
                    origins.push(*origin);
                    *origin = directories.len();
                    directories.push(Directory {
                        identifier: node.identifier.clone(),
                        parent: at,
                        nodes: Vec::new(),
                        len: 0,
                        sector: 0,
                    });
                }
            }
            directories[at].len = extent_len(&nodes, namespace, at == 0);
            directories[at].nodes = nodes;
            at += 1;
        }
        Self { namespace, directories }
    }
}

/// The sorted records of a directory of the tree; targets that are directories hold an index into
/// the tree as yet.
fn children<'a>(tree: &Tree<'a>, origin: usize, namespace: Namespace) -> Vec<Node<'a>> {
    let directory = &tree.directories[origin];
    let directories = directory.directories.iter().map(|&index| {
        let name = tree.directories[index].name;
        (name, Kind::Directory, Target::Directory(index))
    });
    let files =
        directory.files.iter().map(|&index| (tree.files[index].name, Kind::File, Target::File(index)));
    let mut plain = PlainNames::default();
    let mut nodes: Vec<_> = directories
        .chain(files)
        .map(|(name, kind, target)| Node {
            identifier: match namespace {
                Namespace::Primary => plain.identifier(name, kind),
                Namespace::Joliet => joliet(name, kind),
            },
            name,
            target,
        })
        .collect();
    let order = match namespace {
        Namespace::Primary => plain_order,
        Namespace::Joliet => joliet_order,
    };
    nodes.sort_unstable_by(|a, b| order(&a.identifier, &b.identifier));
    nodes
}

/// Bytes of a directory: records do not cross sectors (ECMA-119 6.8.1.1).
fn extent_len(nodes: &[Node<'_>], namespace: Namespace, root: bool) -> u32 {
    let susp_len = |len: usize| if namespace == Namespace::Primary { len } else { 0 };
    let own = if root { susp::ROOT_LEN } else { susp::UNNAMED_LEN };
    let mut end = record::len(1, susp_len(own));
    let mut add = |len: usize| end = record::place(end, len) + len;
    add(record::len(1, susp_len(susp::UNNAMED_LEN)));
    for node in nodes {
        let susp_len = susp_len(susp::named_len(node.name));
        add(record::len(node.identifier.len(), susp_len));
    }
    end.next_multiple_of(SECTOR) as u32
}

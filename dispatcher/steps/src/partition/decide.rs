// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is to be done with a disk: nothing, a file system here and there, or everything. Pure.

use std::fmt;

use uuid::Uuid;

use super::table::Table;
use super::wanted::{UNFINISHED, Wanted};
use crate::disk::FileSystem;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Everything is as it should be.
    LeaveAlone,
    /// The table is, these file systems are not: by index.
    Format(Vec<usize>),
    /// Table and file systems are made anew.
    Recreate(Reason),
}

/// Why everything is made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no table, or it is not whole.
    NoTable,
    /// An earlier run was cut short.
    Unfinished,
    /// Another layout, or nobody's.
    OtherMark,
    /// The mark is right, and the table is not.
    Differs(u32),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable => f.write_str("there is no whole partition table"),
            Self::Unfinished => f.write_str("an earlier run was cut short"),
            Self::OtherMark => f.write_str("the disk was not laid out for this layout"),
            Self::Differs(number) => write!(f, "partition {number} is not as the layout says"),
        }
    }
}

/// Whether the table is the wanted one, file systems aside.
pub fn compare_table(wanted: &[Wanted], mark: Uuid, table: Option<&Table>) -> Result<(), Reason> {
    let table = table.ok_or(Reason::NoTable)?;
    match table.guid {
        guid if guid == mark => {}
        UNFINISHED => return Err(Reason::Unfinished),
        _ => return Err(Reason::OtherMark),
    }
    same_places(wanted, table)
}

/// Whether every partition stands where it should, with type and name.
pub fn same_places(wanted: &[Wanted], table: &Table) -> Result<(), Reason> {
    for one in wanted {
        let same = table.entries.iter().any(|entry| {
            entry.number == one.number
                && entry.offset == one.offset
                && entry.len == one.len
                && entry.type_guid == one.type_guid
                && entry.name == one.label.as_deref().unwrap_or_default()
        });
        if !same {
            return Err(Reason::Differs(one.number));
        }
    }
    match table.entries.iter().find(|entry| wanted.iter().all(|one| one.number != entry.number)) {
        Some(entry) => Err(Reason::Differs(entry.number)),
        None => Ok(()),
    }
}

/// Whether a partition holds what it should. One without a format may hold anything.
pub fn is_formatted(wanted: &Wanted, found: Option<&FileSystem>) -> bool {
    let Some(kind) = wanted.kind() else { return true };
    let Some(found) = found else { return false };
    let label = match (wanted.fs_label(), &found.label) {
        (None, _) => true,
        // FAT keeps labels in upper case, or as they are, as its maker likes.
        (Some(wanted), Some(found)) if kind == "vfat" => wanted.eq_ignore_ascii_case(found),
        (Some(wanted), found) => found.as_deref() == Some(wanted),
    };
    found.kind == kind && label
}

/// What is to be done; `found` are the file systems in the wanted places, looked at when the table is right.
pub fn decide(table: Result<(), Reason>, wanted: &[Wanted], found: &[Option<FileSystem>]) -> Decision {
    if let Err(reason) = table {
        return Decision::Recreate(reason);
    }
    let of = |index: usize| found.get(index).and_then(Option::as_ref);
    let wrong: Vec<usize> =
        (0..wanted.len()).filter(|index| !is_formatted(&wanted[*index], of(*index))).collect();
    if wrong.is_empty() { Decision::LeaveAlone } else { Decision::Format(wrong) }
}

#[cfg(test)]
mod tests {
    use shoal_dispatcher::disk::GptEntry;

    use super::super::wanted::tests::{facts, layout};
    use super::super::wanted::{mark, wanted};
    use super::*;

    fn table(guid: Uuid, wanted: &[Wanted]) -> Table {
        let entries = wanted.iter().map(|one| GptEntry {
            number: one.number,
            type_guid: one.type_guid,
            guid: Uuid::nil(),
            offset: one.offset,
            len: one.len,
            name: one.label.clone().unwrap_or_default(),
        });
        Table { guid, entries: entries.collect() }
    }

    fn found(wanted: &[Wanted]) -> Vec<Option<FileSystem>> {
        let of = |one: &Wanted| {
            let label = one.fs_label().map(str::to_ascii_uppercase);
            let label = if one.kind() == Some("vfat") { label } else { one.fs_label().map(str::to_owned) };
            one.kind().map(|kind| FileSystem { kind: kind.into(), label, uuid: Some("u".into()) })
        };
        wanted.iter().map(of).collect()
    }

    #[test]
    fn a_disk_as_it_should_be_is_left_alone() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        let mark = mark(&facts("S1", 256 << 20), &wanted);
        let same = compare_table(&wanted, mark, Some(&table(mark, &wanted)));
        assert_eq!(decide(same, &wanted, &found(&wanted)), Decision::LeaveAlone);
    }

    #[test]
    fn a_file_system_that_is_missing_or_wrong_is_made_and_the_others_are_not() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        let mut found = found(&wanted);
        found[2] = None;
        found[1].as_mut().expect("there").label = Some("other".into());
        assert_eq!(decide(Ok(()), &wanted, &found), Decision::Format(vec![1, 2]));
        found[3].as_mut().expect("there").kind = "ext4".into();
        assert_eq!(decide(Ok(()), &wanted, &found), Decision::Format(vec![1, 2, 3]));
    }

    #[test]
    fn a_table_without_the_mark_is_never_taken_as_matching() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        let mark = mark(&facts("S1", 256 << 20), &wanted);
        let of = |guid| compare_table(&wanted, mark, Some(&table(guid, &wanted)));
        assert_eq!(of(UNFINISHED), Err(Reason::Unfinished));
        assert_eq!(of(Uuid::nil()), Err(Reason::OtherMark));
        assert_eq!(compare_table(&wanted, mark, None), Err(Reason::NoTable));
    }

    #[test]
    fn any_difference_of_a_table_with_the_mark_is_found() {
        let wanted = wanted(&layout(), 256 << 20).expect("room");
        let changes: [fn(&mut Vec<GptEntry>); 6] = [
            |entries| entries[1].offset += 512,
            |entries| entries[1].len -= 512,
            |entries| entries[1].type_guid = Uuid::nil(),
            |entries| entries[1].name = "Root".into(),
            |entries| drop(entries.remove(1)),
            |entries| {
                let more = GptEntry { number: 2, ..entries[0].clone() };
                entries[1].number = 9;
                entries.push(more);
            },
        ];
        for change in changes {
            let mut table = table(Uuid::nil(), &wanted);
            change(&mut table.entries);
            assert_eq!(compare_table(&wanted, Uuid::nil(), Some(&table)), Err(Reason::Differs(2)));
        }
        let mut more = table(Uuid::nil(), &wanted);
        let fifth = GptEntry { number: 5, ..more.entries[0].clone() };
        more.entries.push(fifth);
        assert_eq!(compare_table(&wanted, Uuid::nil(), Some(&more)), Err(Reason::Differs(5)));
    }
}

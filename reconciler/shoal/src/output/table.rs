// SPDX-License-Identifier: AGPL-3.0-or-later
//! Columns for people: two spaces between them, no borders, so that `awk` can read them too.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement};

use super::clean;

/// A table.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// With a line of headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !headings.is_empty() {
            table.set_header(headings);
        }
        Self(table)
    }

    /// One line more.
    pub(crate) fn row<I, T>(&mut self, cells: I)
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        // A line break within a cell would look like a line of its own.
        self.0.add_row(cells.into_iter().map(|cell| clean(&cell.into()).replace('\n', " ")));
    }

    /// The text, with a line feed at the end; nothing where there is no row.
    pub(crate) fn render(mut self) -> String {
        let count = self.0.column_count();
        for (index, column) in self.0.column_iter_mut().enumerate() {
            column.set_padding((0, if index + 1 == count { 0 } else { 2 }));
            column.set_cell_alignment(CellAlignment::Left);
        }
        let mut out = String::new();
        for line in self.0.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_space_at_their_end() {
        let mut table = Table::new(&["server", "state"]);
        table.row(["web-01", "ready"]);
        table.row(["a", "two\nlines\u{1b}[2J"]);
        assert_eq!(table.render(), "server  state\nweb-01  ready\na       two lines\\u{1b}[2J\n");
    }
}

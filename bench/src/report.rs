// SPDX-License-Identifier: AGPL-3.0-or-later
//! Medians as a table in Markdown.

use std::io::Write as _;

/// One load's results: for each peer the seconds (or another number) of every round.
pub(super) struct Row {
    /// What was measured.
    pub(super) what: String,
    /// What the numbers are.
    pub(super) unit: &'static str,
    /// By peer, in the order of the columns; empty where it takes no part.
    pub(super) rounds: Vec<Vec<f64>>,
}

/// Progress and errors.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Data.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The table. The last columns are the first peer's figure over each other's.
pub(super) fn table(peers: &[&str], rows: &[Row]) -> String {
    let mut out = String::from("| load |");
    for peer in peers {
        out.push_str(&format!(" {peer} |"));
    }
    for peer in &peers[1..] {
        out.push_str(&format!(" {} / {peer} |", peers[0]));
    }
    out.push_str("\n|---|");
    out.push_str(&"---:|".repeat(2 * peers.len() - 1));
    out.push('\n');
    for row in rows {
        let medians: Vec<Option<f64>> = row.rounds.iter().map(|rounds| median(rounds)).collect();
        out.push_str(&format!("| {} |", row.what));
        for median in &medians {
            match median {
                Some(value) => out.push_str(&format!(" {} |", amount(*value, row.unit))),
                None => out.push_str(" |"),
            }
        }
        for other in &medians[1..] {
            match (medians[0], other) {
                (Some(own), Some(other)) if *other > 0.0 => {
                    let ratio = own / other;
                    let digits = if ratio < 0.01 { 4 } else { 2 };
                    out.push_str(&format!(" {ratio:.digits$} |"));
                }
                _ => out.push_str(" |"),
            }
        }
        out.push('\n');
    }
    out
}

/// Three digits or more, with the unit.
fn amount(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        large if large >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}

pub(super) fn median(rounds: &[f64]) -> Option<f64> {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_and_ratios_and_blanks_where_a_peer_takes_no_part() {
        let row = Row {
            what: "pull".to_owned(),
            unit: "MB/s",
            rounds: vec![vec![30.0, 10.0, 20.0], vec![], vec![40.0]],
        };
        let text = table(&["a", "b", "c"], &[row]);
        assert!(text.ends_with("| pull | 20.0 MB/s | | 40.0 MB/s | | 0.50 |\n"), "{text}");
    }
}

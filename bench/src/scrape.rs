// SPDX-License-Identifier: AGPL-3.0-or-later
//! A controller's own metrics.

use anyhow::Result;
use shoal_testbed_site::{Peer, Place};

/// Metrics at one moment.
pub(super) struct Scrape(String);

impl Scrape {
    /// As they are now.
    pub(super) async fn of(place: &Place) -> Result<Self> {
        let (_, body) = Peer::Socket(place.socket()).get("/metrics").await?;
        Ok(Self(String::from_utf8(body.to_vec())?))
    }

    /// The sum of every series of a name whose labels hold a text.
    pub(super) fn sum(&self, name: &str, label: &str) -> f64 {
        let of = |line: &str| {
            let rest = line.strip_prefix("shoal_provisioner_")?.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && labels.contains(label)).then(|| value.parse::<f64>().ok()).flatten()
        };
        self.0.lines().filter_map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Scrape;

    #[test]
    fn series_of_a_name_are_added_up_and_others_are_not() {
        let text = "# HELP x\nshoal_provisioner_a_sum{stage=\"read\"} 1.5\nshoal_provisioner_a_sum{stage=\"keep\"} 2\n\
                    shoal_provisioner_a_sum_more 9\nshoal_provisioner_b 4\n";
        let scrape = Scrape(text.to_owned());
        assert!((scrape.sum("a_sum", "") - 3.5).abs() < 1e-9);
        assert!((scrape.sum("a_sum", "read") - 1.5).abs() < 1e-9);
        assert!((scrape.sum("b", "") - 4.0).abs() < 1e-9);
    }
}

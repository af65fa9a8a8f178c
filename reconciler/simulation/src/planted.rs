// SPDX-License-Identifier: AGPL-3.0-or-later
//! Planted mistakes: each has to be found.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use shoal_core::mistake::Mistake;

use crate::many::seeds;

/// Which mistakes are planted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// Each in turn.
    All,
    /// One.
    One(Mistake),
}

/// `all`, or the name of a mistake.
pub(crate) fn parse(text: &str) -> Result<Which, String> {
    if text == "all" {
        return Ok(Which::All);
    }
    let known = || Mistake::ALL.map(|mistake| format!("{mistake:?}")).join(", ");
    let found = Mistake::ALL.into_iter().find(|mistake| format!("{mistake:?}").eq_ignore_ascii_case(text));
    found.map(Which::One).ok_or_else(|| format!("no such mistake; there are {}", known()))
}

/// Plants mistakes one after another; whether each was found within the seeds.
#[expect(clippy::print_stdout, reason = "this is what it is for")]
pub(crate) fn find(which: Which, first: u64, count: u64) -> bool {
    if !cfg!(debug_assertions) {
        println!("error: nothing can be planted in a release; run it without --release");
        return false;
    }
    let all: Vec<Mistake> = match which {
        Which::All => Mistake::ALL.to_vec(),
        Which::One(mistake) => vec![mistake],
    };
    let mut missed = 0;
    for mistake in all {
        mistake.plant();
        let began = Instant::now();
        let found: Mutex<Option<(u64, String)>> = Mutex::default();
        seeds(first, count, |scenario, outcome| {
            let Some(why) = outcome.violation else { return true };
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.as_ref().is_none_or(|(seed, _)| *seed > scenario.seed) {
                *found = Some((scenario.seed, why));
            }
            false
        });
        let seconds = began.elapsed().as_secs_f64();
        match found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((seed, why)) => {
                let why: String = why.chars().take(200).collect();
                println!("{mistake:?}: found by seed {seed} after {seconds:.1} s: {why}");
            }
            None => {
                missed += 1;
                println!("{mistake:?}: NOT FOUND in {count} seeds");
            }
        }
    }
    missed == 0
}

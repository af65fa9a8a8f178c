// SPDX-License-Identifier: AGPL-3.0-or-later
//! What is wrong around the controller for a while, and is met by everybody again and again: a disk that is full, a
//! branch that cannot be pushed. It is said once, again now and then, and when it is over.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What lasts is said again so often.
const AGAIN: Duration = Duration::from_secs(600);

/// One kind of trouble.
#[derive(Default)]
pub(crate) struct Trouble(Mutex<Option<(String, Instant)>>);

impl Trouble {
    /// Somebody met it. Whether it is to be said: it is news, or was said long ago.
    pub(crate) fn met(&self, what: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = told.as_ref().is_some_and(|(told, at)| told == what && at.elapsed() < AGAIN);
        if !is_known {
            *told = Some((what.to_owned(), Instant::now()));
        }
        !is_known
    }

    /// Somebody met none. Whether that is to be said: there was some.
    pub(crate) fn over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_is_said_once_and_when_it_is_over() {
        let trouble = Trouble::default();
        assert!(!trouble.over());
        assert!(trouble.met("full") && !trouble.met("full"));
        assert!(trouble.met("something else"), "that is news");
        tokio::time::advance(AGAIN).await;
        assert!(trouble.met("something else"), "that was long ago");
        assert!(trouble.over() && !trouble.over());
        assert!(trouble.met("full"));
    }
}

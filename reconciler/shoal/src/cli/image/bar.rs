// SPDX-License-Identifier: AGPL-3.0-or-later
//! What moves between here and a registry, as a bar on a terminal.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shoal_oci::Digest;
use shoal_registry_client::{Progress, ProgressUpdate, SharedProgress, Stage};

use crate::host::Context;

/// One bar at a time: the transfer that moved last.
struct Bar {
    bar: ProgressBar,
    shown: Mutex<Option<(Stage, Option<Digest>)>>,
}

/// A watcher for a transfer; it says nothing where standard error is no terminal.
pub(super) fn watch(context: &Context) -> (SharedProgress, ProgressBar) {
    let bar = if context.terminals().errors {
        ProgressBar::new(0)
    } else {
        ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden())
    };
    if let Ok(style) = ProgressStyle::with_template(
        "{msg:<28} {wide_bar} {bytes:>10} of {total_bytes} {bytes_per_sec} {eta}",
    ) {
        bar.set_style(style.progress_chars("=> "));
    }
    (Arc::new(Bar { bar: bar.clone(), shown: Mutex::default() }), bar)
}

impl Progress for Bar {
    fn update(&self, update: ProgressUpdate<'_>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (update.stage, update.digest.cloned());
        if shown.as_ref() != Some(&now) {
            let word = match update.stage {
                Stage::Reading => "reading",
                Stage::Uploading => "uploading",
                Stage::Downloading => "downloading",
                Stage::Waiting => "waiting before trying again",
                Stage::Committing => "being checked",
                Stage::Present => "there already",
                Stage::Mounted => "there already, elsewhere",
                Stage::Done => "done",
            };
            let short = update.digest.map(|digest| format!(" {}", &digest.hex()[..12])).unwrap_or_default();
            self.bar.set_message(format!("{word}{short}"));
            self.bar.reset_eta();
            *shown = Some(now);
        }
        if let Some(total) = update.total {
            self.bar.set_length(total);
        }
        self.bar.set_position(update.done);
    }
}

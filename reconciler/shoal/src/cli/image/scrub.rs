// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal image scrub`: everything is read and compared with its digest.

use std::collections::BTreeSet;

use super::keeper::KeeperArgs;
use crate::error::Outcome;
use crate::host::Context;

/// Read everything and compare it with its digests
///
/// The registry does this by itself every day, slowly; this asks for it now. What is damaged goes into
/// quarantine and is answered with an error from then on; pushing the same content again mends it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal image scrub
  shoal image scrub --storage /var/lib/shoal/oci

Exit codes: 0 all is well, 1 something was damaged or could not be checked.")]
pub(crate) struct Args {
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    keeper: KeeperArgs,
}

impl Args {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let keeper = self.keeper.keeper(context, None, BTreeSet::new())?;
        let task = keeper.task(context, "/api/v1/registry/scrub", "comparing everything with its digests")?;
        let scrubbed = task.scrubbed.unwrap_or_default();
        let damaged = !scrubbed.corrupt.is_empty();
        let unknown = !scrubbed.unchecked.is_empty();
        if self.json {
            context.json(&scrubbed)?;
        } else {
            for digest in &scrubbed.corrupt {
                context.data(&format!("damaged  {digest}\n"))?;
            }
            for content in &scrubbed.unchecked {
                context.data(&format!("not checked  {}  {}\n", content.digest, content.why))?;
            }
            let bytes = indicatif::HumanBytes(scrubbed.bytes);
            context.say(&format!(
                "{} contents with {bytes} read, {} damaged, {} could not be checked",
                scrubbed.checked,
                scrubbed.corrupt.len(),
                scrubbed.unchecked.len()
            ));
            if unknown {
                context
                    .say("look at the disk below the registry: the kernel's log names what it cannot read");
            }
            if damaged {
                context.say("push the images that name them again: the same bytes mend what is damaged");
            }
        }
        Ok(u8::from(damaged || unknown))
    }
}

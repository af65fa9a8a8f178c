// SPDX-License-Identifier: AGPL-3.0-or-later
//! Mistakes that simulations plant, to show that they would find each of them.
//!
//! Guarantees: in a release none can be planted, and [`Mistake::is_made`] is `false` at compile time.
//! Nothing in this crate, nor in the controller, ever plants one.

use std::sync::atomic::{AtomicU8, Ordering};

/// A mistake that somebody might make when changing the code, named after what would then be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mistake {
    /// What destroys data starts without anybody's approval.
    ApprovalIsNotAskedFor,
    /// An approval that a job used is good for another one.
    ApprovalIsNotUsedUp,
    /// Every boot of a machine gets the permit of the attempt.
    PermitIsGivenAgain,
    /// A medium of an earlier attempt, or of an earlier incarnation, gets a permit.
    StaleAttemptIsTaken,
    /// Whoever has the token may write, whichever machine it is.
    MachineIsNotCompared,
    /// A first install onto blank disks only takes any disk.
    BlankIsNotChecked,
    /// A job starts beside another one of the same server.
    ActiveJobIsNotSeen,
    /// Media are left in the slots.
    MediaAreForgotten,
    /// The boot override is left in force.
    OverrideIsForgotten,
    /// A controller that comes back begins anew with a machine that may be writing.
    ResetAfterACrash,
    /// A suspended server is treated as any other.
    SuspensionIsNotSeen,
    /// A failed install counts as done.
    FailureIsTakenForSuccess,
    /// A controller that comes back leaves its jobs as they are.
    JobsAreNotTakenUp,
    /// A permit is given by whatever was last fetched from Git, however long ago.
    OldGitIsTrusted,
    /// A status branch of another controller stops nothing.
    FenceIsIgnored,
    /// What a job of a lost database, or of another controller, may be writing is not waited for.
    FormerJobIsNotWaitedFor,
}

/// The one that is planted: its number, from 1.
static PLANTED: AtomicU8 = AtomicU8::new(0);

impl Mistake {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::ApprovalIsNotAskedFor,
        Self::ApprovalIsNotUsedUp,
        Self::PermitIsGivenAgain,
        Self::StaleAttemptIsTaken,
        Self::MachineIsNotCompared,
        Self::BlankIsNotChecked,
        Self::ActiveJobIsNotSeen,
        Self::MediaAreForgotten,
        Self::OverrideIsForgotten,
        Self::ResetAfterACrash,
        Self::SuspensionIsNotSeen,
        Self::FailureIsTakenForSuccess,
        Self::JobsAreNotTakenUp,
        Self::OldGitIsTrusted,
        Self::FenceIsIgnored,
        Self::FormerJobIsNotWaitedFor,
    ];

    /// Plants this mistake in the whole process, in place of any other. Without effect in a release.
    pub fn plant(self) {
        PLANTED.store(self as u8 + 1, Ordering::SeqCst);
    }

    /// Whether this one is planted.
    #[inline]
    pub fn is_made(self) -> bool {
        cfg!(debug_assertions) && PLANTED.load(Ordering::Relaxed) == self as u8 + 1
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power: reset actions, the transitions that they start, and what the machine itself can do to its power.
//!
//! # Expected flow
//!
//! `On` → PoweringOn → On, in POST → firmware hands over ([`super::boot`]). `ForceOff` → PoweringOff → Off. A reset
//! keeps the power and goes back to POST. A graceful request only presses the button: what then happens is the
//! machine's affair.
//!
//! # Guarantees
//!
//! Every change of course raises the generation; a timer that was set before it does nothing when it fires.

use std::sync::Arc;
use std::time::Duration;

use super::errors::Refusal;
use super::instance::{Bmc, Locked, Notice};
use super::log::Event;
use super::machine::{AfterShutdown, BootProgress, StopCause};
use super::state::Power;
use crate::faults::Effects;

/// What a timer does when it fires.
#[derive(Clone, Copy, Debug)]
enum Step {
    PowerIsOn,
    PostIsOver,
    PowerIsOff { then_on: bool },
    PressButton(AfterShutdown),
}

/// How much slower than the profile a chain of transitions runs.
type Slowness = f64;

impl Bmc {
    /// ComputerSystem.Reset. `kind` must be one of the profile's reset types.
    pub(crate) fn reset(self: &Arc<Self>, kind: &str, effects: &Effects) -> Result<(), Refusal> {
        let slow = effects.slow_power.unwrap_or(1.0);
        let result = {
            let mut locked = self.lock();
            let result = self.reset_locked(&mut locked, kind, slow);
            if result.is_ok() {
                locked.event(Event::Reset { kind: kind.to_owned() });
            }
            result
        };
        self.deliver();
        result
    }

    fn reset_locked(
        self: &Arc<Self>,
        locked: &mut Locked<'_>,
        kind: &str,
        slow: Slowness,
    ) -> Result<(), Refusal> {
        let model = &self.config.profile.system;
        let power = locked.state.power;
        let conflict = || Refusal::PowerConflict {
            requested: kind.to_owned(),
            power: power.shown(model.shows_transitions),
        };
        let no_op = || if model.refuses_no_op { Err(conflict()) } else { Ok(()) };
        match (kind, power) {
            ("On" | "ForceOn" | "PushPowerButton", Power::Off) => self.begin_power_on(locked, slow),
            ("On" | "ForceOn", Power::On | Power::PoweringOn) => return no_op(),
            ("ForceOff", Power::On | Power::PoweringOn) => self.begin_power_off(locked, slow, false),
            ("ForceOff" | "GracefulShutdown", Power::Off | Power::PoweringOff) => return no_op(),
            ("ForceRestart", Power::On) => self.begin_reset(locked, slow),
            ("PowerCycle", Power::On) => self.begin_power_off(locked, slow, true),
            ("GracefulShutdown" | "PushPowerButton", Power::On) => {
                self.ask(locked, AfterShutdown::PowerOff, slow);
            }
            ("GracefulRestart", Power::On) => self.ask(locked, AfterShutdown::Reboot, slow),
            ("Nmi", Power::On) => {}
            _ => return Err(conflict()),
        }
        Ok(())
    }

    fn begin_power_on(self: &Arc<Self>, locked: &mut Locked<'_>, slow: Slowness) {
        locked.state.power = Power::PoweringOn;
        change_course(locked);
        self.after(locked, self.config.profile.timing.power_on, slow, Step::PowerIsOn);
    }

    fn begin_power_off(self: &Arc<Self>, locked: &mut Locked<'_>, slow: Slowness, then_on: bool) {
        locked.state.power = Power::PoweringOff;
        change_course(locked);
        self.stop(locked, StopCause::PowerOff);
        self.after(locked, self.config.profile.timing.power_off, slow, Step::PowerIsOff { then_on });
    }

    fn begin_reset(self: &Arc<Self>, locked: &mut Locked<'_>, slow: Slowness) {
        locked.state.counters.resets += 1;
        change_course(locked);
        self.stop(locked, StopCause::Reset);
        self.begin_post(locked, slow);
    }

    fn begin_post(self: &Arc<Self>, locked: &mut Locked<'_>, slow: Slowness) {
        locked.state.in_post = true;
        locked.state.progress = BootProgress::SystemHardwareInitializationComplete;
        self.after(locked, self.config.profile.timing.post, slow, Step::PostIsOver);
    }

    /// Presses the button in a while. The course stays: a system that does not listen changes nothing.
    fn ask(self: &Arc<Self>, locked: &Locked<'_>, then: AfterShutdown, slow: Slowness) {
        self.after(locked, self.config.profile.timing.graceful, slow, Step::PressButton(then));
    }

    fn stop(&self, locked: &mut Locked<'_>, cause: StopCause) {
        locked.state.running_boot = 0;
        locked.state.progress = BootProgress::None;
        locked.event(Event::Stopped { cause });
        self.tell(Notice::Stop(cause));
    }

    fn after(self: &Arc<Self>, locked: &Locked<'_>, duration: Duration, slow: Slowness, step: Step) {
        let generation = locked.state.generation;
        let sleep = self.shared.clock.sleep(self.scaled(duration).mul_f64(slow));
        let bmc = self.clone();
        self.spawn(async move {
            sleep.await;
            bmc.take(step, generation, slow);
        });
    }

    fn take(self: &Arc<Self>, step: Step, generation: u64, slow: Slowness) {
        {
            let mut locked = self.lock();
            if locked.state.generation != generation {
                return;
            }
            match step {
                Step::PowerIsOn => {
                    locked.state.power = Power::On;
                    locked.state.counters.power_ons += 1;
                    locked.event(Event::PoweredOn);
                    self.begin_post(&mut locked, slow);
                }
                Step::PostIsOver => self.hand_over_to_boot_device(&mut locked),
                Step::PowerIsOff { then_on } => {
                    locked.state.power = Power::Off;
                    locked.state.counters.power_offs += 1;
                    locked.event(Event::PoweredOff);
                    if then_on {
                        self.begin_power_on(&mut locked, slow);
                    }
                }
                Step::PressButton(then) => {
                    // In POST nobody listens to the button. Before the first boot here (`running_boot` 0) the
                    // system that was on at the start does.
                    if locked.state.power == Power::On && !locked.state.in_post {
                        let boot = locked.state.running_boot;
                        self.tell(Notice::ShutdownRequested { boot, then });
                    }
                }
            }
        }
        self.deliver();
    }

    /// Whether `boot` still runs.
    pub(crate) fn runs_boot(&self, boot: u64) -> bool {
        let locked = self.lock();
        runs(&locked, boot)
    }

    /// The system switches itself off.
    pub(crate) fn host_power_off(self: &Arc<Self>, boot: u64) -> bool {
        self.as_host(boot, |bmc, locked| bmc.begin_power_off(locked, 1.0, false))
    }

    /// The system reboots.
    pub(crate) fn host_reboot(self: &Arc<Self>, boot: u64) -> bool {
        self.as_host(boot, |bmc, locked| bmc.begin_reset(locked, 1.0))
    }

    /// The system reports progress.
    pub(crate) fn host_progress(self: &Arc<Self>, boot: u64, progress: BootProgress) -> bool {
        self.as_host(boot, |_, locked| {
            locked.state.progress = progress;
            locked.event(Event::Progress { state: progress });
        })
    }

    fn as_host(self: &Arc<Self>, boot: u64, act: impl FnOnce(&Arc<Self>, &mut Locked<'_>)) -> bool {
        let current = {
            let mut locked = self.lock();
            let current = runs(&locked, boot);
            if current {
                act(self, &mut locked);
            }
            current
        };
        self.deliver();
        current
    }
}

/// Timers that were set before this do nothing when they fire.
fn change_course(locked: &mut Locked<'_>) {
    locked.state.generation += 1;
    locked.state.in_post = false;
}

fn runs(locked: &Locked<'_>, boot: u64) -> bool {
    locked.state.power == Power::On && !locked.state.in_post && locked.state.running_boot == boot
}

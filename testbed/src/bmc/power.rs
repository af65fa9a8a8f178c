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
use super::profiles::SystemModel;
use super::state::Power;
use crate::faults::Effects;

/// What a timer does when it fires.
#[derive(Clone, Copy, Debug)]
enum Step {
    PowerIsOn,
    PostIsOver,
    PowerIsOff { had_power: bool, then_on: bool },
    PressButton(AfterShutdown),
}

/// What a reset action starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    PowerOn,
    PowerOff { then_on: bool },
    Restart,
    Ask(AfterShutdown),
    Stay,
}

/// How much slower than the profile a chain of transitions runs.
type Slowness = f64;

impl Bmc {
    /// ComputerSystem.Reset. `kind` must be one of the profile's reset types.
    pub(crate) fn reset(self: &Arc<Self>, kind: &str, effects: &Effects) -> Result<(), Refusal> {
        let slow = effects.slow_power.unwrap_or(1.0);
        {
            let mut locked = self.lock();
            let course = course(&self.config.profile.system, kind, locked.state.power)?;
            if course == Course::PowerOn && self.is_settling(&locked) {
                return Err(Refusal::PowerSettling);
            }
            locked.state.next_boot_fails |= effects.boot_fails;
            locked.event(Event::Reset { kind: kind.to_owned() });
            match course {
                Course::PowerOn => self.begin_power_on(&mut locked, slow),
                Course::PowerOff { then_on } => self.begin_power_off(&mut locked, slow, then_on),
                Course::Restart => self.begin_reset(&mut locked, slow),
                Course::Ask(then) => self.ask(&locked, then, slow),
                Course::Stay => {}
            }
        }
        self.deliver();
        Ok(())
    }

    /// Whether the machine went off a moment ago, on a BMC that takes no `On` then.
    fn is_settling(&self, locked: &Locked<'_>) -> bool {
        let settle = self.scaled(self.config.profile.timing.settle_after_off);
        locked.state.off_since.is_some_and(|since| self.shared.clock.elapsed() < since + settle)
    }

    fn begin_power_on(self: &Arc<Self>, locked: &mut Locked<'_>, slow: Slowness) {
        locked.state.power = Power::PoweringOn;
        change_course(locked);
        self.after(locked, self.config.profile.timing.power_on, slow, Step::PowerIsOn);
    }

    fn begin_power_off(self: &Arc<Self>, locked: &mut Locked<'_>, slow: Slowness, then_on: bool) {
        // A power-on that is called off never gave the machine power: nothing to stop, nothing to count.
        let had_power = locked.state.power == Power::On;
        locked.state.power = Power::PoweringOff;
        change_course(locked);
        if had_power {
            self.stop(locked, StopCause::PowerOff);
        }
        self.after(
            locked,
            self.config.profile.timing.power_off,
            slow,
            Step::PowerIsOff { had_power, then_on },
        );
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
                Step::PowerIsOff { had_power, then_on } => {
                    locked.state.power = Power::Off;
                    locked.state.off_since = Some(self.shared.clock.elapsed());
                    if had_power {
                        locked.state.counters.power_offs += 1;
                        locked.event(Event::PoweredOff);
                    }
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

/// What the reset type `kind` starts in the present state, or why it is refused.
fn course(model: &SystemModel, kind: &str, power: Power) -> Result<Course, Refusal> {
    let conflict = || {
        let power = power.shown(model.shows_transitions);
        Err(Refusal::PowerConflict { requested: kind.to_owned(), power })
    };
    let no_op = || if model.refuses_no_op { conflict() } else { Ok(Course::Stay) };
    match (kind, power) {
        ("On" | "ForceOn" | "PushPowerButton", Power::Off) => Ok(Course::PowerOn),
        ("On" | "ForceOn", Power::On | Power::PoweringOn) => no_op(),
        ("ForceOff", Power::On | Power::PoweringOn) => Ok(Course::PowerOff { then_on: false }),
        ("ForceOff" | "GracefulShutdown", Power::Off | Power::PoweringOff) => no_op(),
        ("ForceRestart", Power::On) => Ok(Course::Restart),
        ("PowerCycle" | "ForcePowerCycle", Power::On) => Ok(Course::PowerOff { then_on: true }),
        ("GracefulShutdown" | "PushPowerButton", Power::On) => Ok(Course::Ask(AfterShutdown::PowerOff)),
        ("GracefulRestart", Power::On) => Ok(Course::Ask(AfterShutdown::Reboot)),
        ("Nmi", Power::On) => Ok(Course::Stay),
        _ => conflict(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmc::profiles::{ALL, SMC_X13_SINGLE};

    #[test]
    fn every_listed_type_leads_somewhere_from_on_or_off() {
        for profile in ALL {
            for kind in profile.system.reset_types {
                let model = &profile.system;
                let taken =
                    [Power::On, Power::Off].into_iter().any(|power| course(model, kind, power).is_ok());
                assert!(taken, "{}: {kind} is listed and never taken", profile.name);
            }
        }
    }

    #[test]
    fn a_repeated_on_is_harmless_everywhere() {
        for profile in ALL {
            for power in [Power::On, Power::PoweringOn, Power::PoweringOff] {
                let next = course(&profile.system, "On", power);
                assert!(matches!(next, Err(_) | Ok(Course::Stay)), "{}: {power:?}: {next:?}", profile.name);
            }
        }
        assert_eq!(course(&SMC_X13_SINGLE.system, "On", Power::On), Ok(Course::Stay));
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an event or a line of the console means, by what the guest was doing. Pure.

use shoal_testbed::bmc::AfterShutdown;

use crate::qmp::Event;

/// Linux says so on its console before it stops.
const PANIC: &str = "Kernel panic - not syncing";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The guest asked for a reset: the BMC decides what it boots.
    Reboot,
    /// The guest is off, by itself.
    PowerOff,
    /// The guest is off after the button was pressed for a restart.
    RestartAfterButton,
    /// QEMU gave up.
    Broken,
    /// A system runs: tell the BMC.
    SystemRuns,
    /// Start the same boot again.
    StartAgain,
    /// A panic that stays.
    Panic,
}

/// What the guest is doing.
#[derive(Debug)]
pub(crate) struct Guest {
    running: bool,
    told_running: bool,
    panicked: bool,
    restarts_left: u32,
    button: Option<AfterShutdown>,
    restarts: u32,
    running_when: Vec<String>,
}

impl Guest {
    pub(crate) fn new(restarts: u32, running_when: Vec<String>) -> Self {
        Self {
            running: false,
            told_running: false,
            panicked: false,
            restarts_left: restarts,
            button: None,
            restarts,
            running_when,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// A boot that the BMC ordered.
    pub(crate) fn boots(&mut self) {
        self.restarts_left = self.restarts;
        self.starts_again();
    }

    /// The same boot once more.
    pub(crate) fn starts_again(&mut self) {
        self.running = true;
        self.told_running = false;
        self.panicked = false;
        self.button = None;
    }

    /// It was made to stand still.
    pub(crate) fn stops(&mut self) {
        self.running = false;
    }

    /// The button was pressed.
    pub(crate) fn button(&mut self, then: AfterShutdown) {
        self.button = Some(then);
    }

    /// Something happened in QEMU.
    pub(crate) fn heard(&mut self, event: &Event) -> Option<Due> {
        if !self.running {
            return None;
        }
        match event.name.as_str() {
            "SHUTDOWN" if event.by_guest() => {
                self.running = false;
                Some(match (event.text("reason"), self.button) {
                    ("guest-reset", _) => Due::Reboot,
                    (_, Some(AfterShutdown::Reboot)) => Due::RestartAfterButton,
                    _ => Due::PowerOff,
                })
            }
            // A shutdown says so before it stops. Nothing else stops a guest that runs.
            "STOP" => {
                self.running = false;
                Some(Due::Broken)
            }
            _ => None,
        }
    }

    /// A line of the console, perhaps without its end yet.
    pub(crate) fn says(&mut self, line: &str) -> Option<Due> {
        if !self.running || self.panicked {
            return None;
        }
        if line.contains(PANIC) {
            self.panicked = true;
            return Some(if self.restarts_left > 0 {
                self.restarts_left -= 1;
                Due::StartAgain
            } else {
                Due::Panic
            });
        }
        if !self.told_running && self.running_when.iter().any(|text| line.contains(text)) {
            self.told_running = true;
            return Some(Due::SystemRuns);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, data: serde_json::Value) -> Event {
        serde_json::from_value(json!({"event": name, "data": data})).expect("an event")
    }

    fn guest_shutdown(reason: &str) -> Event {
        event("SHUTDOWN", json!({"guest": true, "reason": reason}))
    }

    fn running() -> Guest {
        let mut guest = Guest::new(1, vec![" login:".to_owned()]);
        guest.boots();
        guest
    }

    #[test]
    fn a_guest_resets_and_switches_itself_off() {
        let mut guest = running();
        assert_eq!(guest.heard(&guest_shutdown("guest-reset")), Some(Due::Reboot));
        assert_eq!(guest.heard(&event("STOP", json!({}))), None, "the stop that follows is the same thing");
        guest.boots();
        assert_eq!(guest.heard(&guest_shutdown("guest-shutdown")), Some(Due::PowerOff));
        assert!(!guest.is_running());
    }

    #[test]
    fn what_was_not_the_guest_is_no_news() {
        let mut guest = running();
        let ours = event("SHUTDOWN", json!({"guest": false, "reason": "host-qmp-system-reset"}));
        assert_eq!(guest.heard(&ours), None);
        assert_eq!(guest.heard(&event("RESUME", json!({}))), None);
        guest.stops();
        assert_eq!(guest.heard(&guest_shutdown("guest-reset")), None, "the BMC stopped it before");
    }

    #[test]
    fn a_button_pressed_for_a_restart_ends_in_one_and_is_forgotten_at_the_next_boot() {
        let mut guest = running();
        guest.button(AfterShutdown::Reboot);
        assert_eq!(guest.heard(&guest_shutdown("guest-shutdown")), Some(Due::RestartAfterButton));
        guest.boots();
        assert_eq!(guest.heard(&guest_shutdown("guest-shutdown")), Some(Due::PowerOff));
    }

    #[test]
    fn an_emulator_that_stops_by_itself_is_broken() {
        let mut guest = running();
        assert_eq!(guest.heard(&event("STOP", json!({}))), Some(Due::Broken));
        assert_eq!(guest.heard(&event("STOP", json!({}))), None);
    }

    #[test]
    fn a_panic_starts_the_boot_again_as_often_as_allowed_and_once_a_boot() {
        let line = "[    1.2] Kernel panic - not syncing: Attempted to kill init!";
        let mut guest = running();
        assert_eq!(guest.says(line), Some(Due::StartAgain));
        assert_eq!(guest.says(line), None, "the same panic, its line growing");
        guest.starts_again();
        assert_eq!(guest.says(line), Some(Due::Panic));
        guest.boots();
        assert_eq!(guest.says(line), Some(Due::StartAgain), "another boot");
    }

    #[test]
    fn a_login_prompt_is_told_once_a_boot() {
        let mut guest = running();
        assert_eq!(guest.says("host logi"), None);
        assert_eq!(guest.says("host login:"), Some(Due::SystemRuns));
        assert_eq!(guest.says("host login: "), None);
        guest.boots();
        assert_eq!(guest.says("host login:"), Some(Due::SystemRuns));
    }
}

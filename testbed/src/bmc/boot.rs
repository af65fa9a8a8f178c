// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override: how it is set, and what firmware makes of it at the end of POST.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::errors::Refusal;
use super::instance::{Bmc, Locked, Notice};
use super::log::Event;
use super::machine::{BootDevice, BootMode, BootPlan, BootProgress};
use super::profiles::{BootModel, Profile};
use super::state::{Enabled, Override, SlotState, State};

impl Bmc {
    /// PATCH of `Boot` in the system.
    pub(crate) fn set_boot(&self, patch: &Map<String, Value>) -> Result<(), Refusal> {
        let model = &self.config.profile.boot;
        let mut locked = self.lock();
        if model.refused_in_post && locked.state.in_post {
            return Err(Refusal::SystemInPost { property: "BootSourceOverrideTarget" });
        }
        let changed = patched(model, &locked.state.boot_override, patch)?;
        let event = Event::OverrideSet {
            enabled: changed.enabled.name().to_owned(),
            target: changed.target.to_owned(),
            mode: changed.mode,
        };
        locked.state.boot_override = changed;
        locked.event(event);
        Ok(())
    }

    /// POST is over: decides the boot device, uses up what is for one boot only, tells the machine.
    pub(crate) fn hand_over_to_boot_device(self: &Arc<Self>, locked: &mut Locked<'_>) {
        let profile = self.config.profile;
        self.eject_what_was_for_one_boot(locked);

        let state = &mut *locked.state;
        let (device, overridden) = if std::mem::take(&mut state.next_boot_fails) {
            (BootDevice::Disk, false)
        } else {
            boot_device(profile, state)
        };
        state.in_post = false;
        state.progress = match &device {
            BootDevice::Other { .. } => BootProgress::SetupEntered,
            _ => BootProgress::OSBootStarted,
        };
        state.counters.boots += 1;
        state.running_boot = state.counters.boots;
        let plan = BootPlan {
            boot: state.running_boot,
            device,
            mode: state.boot_override.mode,
            overridden,
            media: state.attached(profile),
        };
        state.last_boot = Some(plan.clone());

        state.virtual_cd_once = false;
        let consumed = state.boot_override.enabled == Enabled::Once;
        let target = state.boot_override.target;
        if consumed {
            state.boot_override.enabled = Enabled::Disabled;
            state.boot_override.target = profile.boot.idle_target;
            state.boot_override.http_uri = None;
        }
        for slot in &mut state.slots {
            if slot.boot_next {
                slot.boot_next = false;
                slot.eject_at_boot = slot.medium.is_some();
            }
        }
        if consumed {
            locked.event(Event::OverrideConsumed { target: target.to_owned() });
        }
        let image = match &plan.device {
            BootDevice::Cd { slot } | BootDevice::Usb { slot } => {
                plan.media.iter().find(|medium| medium.slot == *slot).map(|medium| medium.url.clone())
            }
            _ => None,
        };
        locked.event(Event::Boot {
            boot: plan.boot,
            device: plan.device.clone(),
            image,
            mode: plan.mode,
            overridden: plan.overridden,
        });
        self.tell(Notice::Boot(plan));
    }
}

/// The override after `patch`, or why not.
fn patched(model: &BootModel, current: &Override, patch: &Map<String, Value>) -> Result<Override, Refusal> {
    let mut next = current.clone();
    if model.needs_enabled
        && patch.contains_key("BootSourceOverrideTarget")
        && !patch.contains_key("BootSourceOverrideEnabled")
    {
        return Err(Refusal::PropertyMissing { name: "BootSourceOverrideEnabled" });
    }
    if model.mode_falls_to_legacy && !patch.contains_key("BootSourceOverrideMode") {
        next.mode = BootMode::Legacy;
    }
    for (name, value) in patch {
        let text = || {
            value
                .as_str()
                .ok_or_else(|| Refusal::PropertyValueType { value: value.to_string(), name: name.clone() })
        };
        let not_in_list =
            |text: &str| Refusal::PropertyValueNotInList { value: text.to_owned(), name: name.clone() };
        match name.as_str() {
            "BootSourceOverrideEnabled" => {
                let text = text()?;
                let known = Enabled::by_name(text).filter(|_| model.enabled.0.contains(&text));
                next.enabled = known.ok_or_else(|| not_in_list(text))?;
            }
            "BootSourceOverrideTarget" => {
                let text = text()?;
                let known = model.targets.iter().find(|target| **target == text);
                next.target = known.copied().ok_or_else(|| not_in_list(text))?;
            }
            "BootSourceOverrideMode" => {
                next.mode = match text()? {
                    other if !model.modes.contains(&other) => return Err(not_in_list(other)),
                    "Legacy" => BootMode::Legacy,
                    _ => BootMode::Uefi,
                };
            }
            "HttpBootUri" if value.is_null() => next.http_uri = None,
            "HttpBootUri" => next.http_uri = Some(text()?.to_owned()).filter(|uri| !uri.is_empty()),
            "UefiTargetBootSourceOverride" if value.is_null() => next.uefi_target = None,
            "UefiTargetBootSourceOverride" => next.uefi_target = Some(text()?.to_owned()),
            "BootOptions" | "BootOrder" | "BootSourceOverrideTarget@Redfish.AllowableValues" => {
                return Err(Refusal::PropertyNotWritable { name: name.clone() });
            }
            _ => return Err(Refusal::PropertyUnknown { name: name.clone() }),
        }
    }
    // No target is no override, and the other way round.
    if next.target == "None" && next.enabled != Enabled::Disabled {
        next.enabled = Enabled::Disabled;
    }
    if next.enabled == Enabled::Disabled && patch.contains_key("BootSourceOverrideEnabled") {
        next.target = model.idle_target;
    }
    Ok(next)
}

/// Where firmware boots from, and whether an override says so.
fn boot_device(profile: &Profile, state: &State) -> (BootDevice, bool) {
    if let Some(slot) = state.slots.iter().position(|slot| slot.boot_next && slot.medium.is_some()) {
        return (BootDevice::Cd { slot }, true);
    }
    let chosen = &state.boot_override;
    if chosen.enabled == Enabled::Disabled && !state.virtual_cd_once {
        return (BootDevice::Disk, false);
    }
    let first = |kind| {
        let holds = |slot: &SlotState| slot.medium.as_ref().is_some_and(|medium| medium.kind == kind);
        let mut slots = state.slots.iter().zip(profile.slots);
        slots.position(|(slot, model)| model.boots && holds(slot))
    };
    use super::machine::MediumKind::{Cd, Usb};
    // An override that finds no medium falls through to the normal order.
    let device = match chosen.target {
        _ if state.virtual_cd_once => first(Cd).map(|slot| BootDevice::Cd { slot }),
        target if Some(target) == profile.boot.cd_target => first(Cd).map(|slot| BootDevice::Cd { slot }),
        target if Some(target) == profile.boot.usb_target => first(Usb).map(|slot| BootDevice::Usb { slot }),
        "Pxe" => Some(BootDevice::Pxe),
        "UefiHttp" => Some(BootDevice::UefiHttp { uri: chosen.http_uri.clone() }),
        "BiosSetup" | "Utilities" | "Diags" | "UefiShell" => {
            Some(BootDevice::Other { target: chosen.target.to_owned() })
        }
        _ => None,
    };
    device.map_or((BootDevice::Disk, false), |device| (device, true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bmc::profiles::{IDRAC9_6, SMC_X13_SINGLE};

    fn none() -> Override {
        Override {
            enabled: Enabled::Disabled,
            target: "None",
            mode: BootMode::Uefi,
            http_uri: None,
            uefi_target: None,
        }
    }

    fn apply(profile: &Profile, patch: Value) -> Result<Override, Refusal> {
        let Value::Object(map) = patch else { panic!("the test's own patch") };
        patched(&profile.boot, &none(), &map)
    }

    #[test]
    fn a_full_triple_is_taken_as_it_is() {
        let patch = json!({
            "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd", "BootSourceOverrideMode": "UEFI",
        });
        let next = apply(&IDRAC9_6, patch).expect("allowed");
        assert_eq!((next.enabled, next.target, next.mode), (Enabled::Once, "Cd", BootMode::Uefi));
    }

    #[test]
    fn values_outside_the_lists_are_refused_by_name() {
        for (patch, property) in [
            (json!({"BootSourceOverrideTarget": "Tape"}), "BootSourceOverrideTarget"),
            (json!({"BootSourceOverrideEnabled": "Twice"}), "BootSourceOverrideEnabled"),
            (json!({"BootSourceOverrideMode": "uefi"}), "BootSourceOverrideMode"),
        ] {
            match apply(&IDRAC9_6, patch) {
                Err(Refusal::PropertyValueNotInList { name, .. }) => assert_eq!(name, property),
                other => panic!("{property}: {other:?}"),
            }
        }
        assert!(matches!(apply(&IDRAC9_6, json!({"Bogus": 1})), Err(Refusal::PropertyUnknown { .. })));
        let number = json!({"BootSourceOverrideTarget": 7});
        assert!(matches!(apply(&IDRAC9_6, number), Err(Refusal::PropertyValueType { .. })));
    }

    #[test]
    fn supermicro_wants_enabled_and_forgets_the_mode() {
        let without = json!({"BootSourceOverrideTarget": "UsbCd"});
        assert!(matches!(apply(&SMC_X13_SINGLE, without), Err(Refusal::PropertyMissing { .. })));
        let no_mode = json!({"BootSourceOverrideTarget": "UsbCd", "BootSourceOverrideEnabled": "Once"});
        assert_eq!(apply(&SMC_X13_SINGLE, no_mode).expect("allowed").mode, BootMode::Legacy);
    }

    #[test]
    fn target_none_ends_the_override() {
        let patch = json!({"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "None"});
        assert_eq!(apply(&IDRAC9_6, patch).expect("allowed").enabled, Enabled::Disabled);
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! The way to simulated BMCs. Like the real client, an operation reads first, and a BMC that does not answer is an
//! error, with or without the effect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shoal_controller::outside::BmcDoor;
use shoal_redfish::{
    Bmc, BmcEndpoint, BmcState, BootFacts, BootOverride, Discovered, Effect, Error, ErrorKind, Facts,
    ImageRef, InsertVia, MediaFacts, MediaUrl, Op, PowerOff, PowerState, Rung, SlotState, Wiring,
};

use crate::hardware::{self, Lie};
use crate::machine;
use crate::world::{State, World};

const SLOTS: [&str; 2] = ["/slots/1", "/slots/2"];

/// Opens connections to simulated BMCs.
pub(crate) struct SimDoor {
    world: Arc<World>,
    incarnation: usize,
}

impl SimDoor {
    /// For one incarnation of a controller.
    pub(crate) fn new(world: Arc<World>, incarnation: usize) -> Self {
        Self { world, incarnation }
    }
}

#[async_trait]
impl BmcDoor for SimDoor {
    async fn discover(&self, server: &str, endpoint: &BmcEndpoint, _: Wiring) -> Result<Box<dyn Bmc>, Error> {
        let address = endpoint.url.as_str().trim_end_matches('/').to_owned();
        let number = hardware::Bmc::at(&address).expect("people write addresses that exist");
        let line = Line { world: Arc::clone(&self.world), incarnation: self.incarnation, number, address };
        let found = line.call(Op::Discover, server, |state| Ok(discovered(state, number))).await?;
        Ok(Box::new(Session { line, found }))
    }

    async fn refresh(
        &self,
        server: &str,
        endpoint: &BmcEndpoint,
        wiring: Wiring,
    ) -> Result<Box<dyn Bmc>, Error> {
        self.discover(server, endpoint, wiring).await
    }

    fn resume(&self, _: &str, _: &BmcEndpoint, _: Wiring) -> Result<Option<Box<dyn Bmc>>, Error> {
        Ok(None)
    }

    fn forget(&self, _: &str) {}
}

fn discovered(state: &State, number: usize) -> Discovered {
    let bmc = &state.bmcs[number];
    let machine = &state.machines[bmc.machine];
    let two = bmc.slots_there == 2;
    let media = SLOTS[..bmc.slots_there].iter().map(|uri| MediaFacts {
        uri: (*uri).to_owned(),
        kind: "cd".to_owned(),
        insert: InsertVia::Action,
        inserted: false,
        image: None,
    });
    Discovered {
        vendor: "HPE".to_owned(),
        model: None,
        firmware: None,
        serial: Some(machine.serial.clone()),
        sku: None,
        uuid: None,
        system: "/systems/1".to_owned(),
        managers: vec!["/managers/1".to_owned()],
        power: power(machine.on).to_string(),
        boot: BootFacts::default(),
        media: media.collect(),
        rung: if two { Rung::TwoCd } else { Rung::Single },
        boot_slot: Some(SLOTS[0].to_owned()),
        task_slot: two.then(|| SLOTS[1].to_owned()),
        warnings: Vec::new(),
        facts: Facts::default(),
    }
}

fn power(on: bool) -> PowerState {
    if on { PowerState::On } else { PowerState::Off }
}

/// The way to one BMC.
struct Line {
    world: Arc<World>,
    incarnation: usize,
    number: usize,
    address: String,
}

impl Line {
    /// One operation: it may not get through, may take effect without an answer, and its caller may lose its power
    /// before or after it.
    async fn call<T>(
        &self,
        op: Op,
        what: &str,
        effect: impl FnOnce(&mut State) -> Result<T, ErrorKind>,
    ) -> Result<T, Error> {
        let failed = |kind| Error::new(op, self.address.clone(), None, kind);
        if self.world.loses_power(self.incarnation, "before a call of a BMC") {
            std::future::pending::<()>().await;
        }
        let (down, lost, pause) = self.world.with(|state| {
            let down = state.bmcs[self.number].is_down();
            let lost = state.dice.percent(state.faults.bmc).then(|| state.dice.percent(50));
            (down, lost, state.dice.ms(20, 800))
        });
        tokio::time::sleep(pause).await;
        if down || lost == Some(false) {
            self.world.say("bmc unreachable", || format!("{} {op}: {what}", self.address));
            tokio::time::sleep(Duration::from_secs(5)).await;
            return Err(failed(ErrorKind::Unreachable { source: "no route to host".into() }));
        }
        let result = self.world.with(effect);
        self.world.say("bmc", || format!("{} {op}: {what}, ok {}", self.address, result.is_ok()));
        if self.world.loses_power(self.incarnation, "after a call of a BMC") {
            std::future::pending::<()>().await;
        }
        if lost == Some(true) {
            return Err(failed(ErrorKind::Timeout { after: Duration::from_secs(30) }));
        }
        result.map_err(failed)
    }

    fn touch(&self, state: &mut State, what: &'static str) {
        state.oracle.touched(self.number, what, self.world.elapsed());
    }
}

struct Session {
    line: Line,
    found: Discovered,
}

fn slot_of(uri: &str) -> Result<usize, ErrorKind> {
    SLOTS.iter().position(|slot| *slot == uri).ok_or(ErrorKind::UnknownSlot)
}

#[async_trait]
impl Bmc for Session {
    fn discovered(&self) -> &Discovered {
        &self.found
    }

    async fn read_state(&self) -> Result<BmcState, Error> {
        let number = self.line.number;
        self.line
            .call(Op::Read, "", |state| {
                let bmc = &state.bmcs[number];
                let machine = &state.machines[bmc.machine];
                let slots = SLOTS[..bmc.slots_there].iter().enumerate().map(|(index, uri)| SlotState {
                    uri: (*uri).to_owned(),
                    inserted: bmc.slots[index].is_some(),
                    image: bmc.slots[index].clone().map(MediaUrl::new),
                    connected_via: None,
                });
                Ok(BmcState {
                    power: power(machine.on),
                    boot: BootOverride {
                        enabled: Some(if bmc.boot_once.is_some() { "Once" } else { "Disabled" }.to_owned()),
                        target: Some(if bmc.boot_once.is_some() { "Cd" } else { "None" }.to_owned()),
                        mode: Some("UEFI".to_owned()),
                        http_image: None,
                    },
                    slots: slots.collect(),
                    boot_progress: machine.runs_system.then(|| "OSRunning".to_owned()),
                })
            })
            .await
    }

    async fn ensure_power_off(&self, graceful: Duration) -> Result<PowerOff, Error> {
        let number = self.line.number;
        let listens = self.line.world.with(|state| {
            let machine = &state.machines[state.bmcs[number].machine];
            machine.on.then_some(machine.runs_system)
        });
        let (pause, how) = match listens {
            None => (Duration::ZERO, PowerOff::AlreadyOff),
            Some(true) if !graceful.is_zero() => (Duration::from_secs(20).min(graceful), PowerOff::Graceful),
            Some(_) => (graceful, PowerOff::Forced),
        };
        tokio::time::sleep(pause).await;
        self.line
            .call(Op::PowerOff, "off", |state| {
                if how != PowerOff::AlreadyOff {
                    self.line.touch(state, "power off");
                }
                let machine = state.bmcs[number].machine;
                let side = state.incarnations[self.line.incarnation].side;
                state.switched_off(machine, side);
                state.machines[machine].switch_off();
                Ok(how)
            })
            .await
    }

    async fn ensure_power_on(&self) -> Result<Effect, Error> {
        let number = self.line.number;
        let world = Arc::clone(&self.line.world);
        self.line
            .call(Op::PowerOn, "on", |state| {
                let machine = state.bmcs[number].machine;
                if state.machines[machine].on {
                    return Ok(Effect::AlreadySo);
                }
                self.line.touch(state, "power on");
                if state.bmcs[number].lies != Some(Lie::PowerOn) {
                    machine::switch_on(&world, state, machine);
                }
                Ok(Effect::Changed)
            })
            .await
    }

    async fn eject(&self, slot: &str) -> Result<Effect, Error> {
        let number = self.line.number;
        self.line
            .call(Op::Eject, slot, |state| {
                let slot = slot_of(slot)?;
                if state.bmcs[number].slots[slot].is_none() {
                    return Ok(Effect::AlreadySo);
                }
                self.line.touch(state, "eject");
                if state.bmcs[number].lies != Some(Lie::Eject) {
                    state.bmcs[number].slots[slot] = None;
                }
                Ok(Effect::Changed)
            })
            .await
    }

    async fn insert(&self, slot: &str, image: &ImageRef) -> Result<Effect, Error> {
        let number = self.line.number;
        let url = image.url.expose().to_owned();
        self.line
            .call(Op::InsertBoot, slot, |state| {
                let slot = slot_of(slot)?;
                match &state.bmcs[number].slots[slot] {
                    Some(there) if *there == url => return Ok(Effect::AlreadySo),
                    Some(_) => return Err(ErrorKind::SlotOccupied { image: None }),
                    None => {}
                }
                self.line.touch(state, "insert");
                if state.bmcs[number].lies != Some(Lie::Insert) {
                    state.bmcs[number].slots[slot] = Some(url);
                }
                Ok(Effect::Changed)
            })
            .await
    }

    async fn set_boot_once_cd_by(&self, way: usize) -> Result<Effect, Error> {
        let number = self.line.number;
        self.line
            .call(Op::BootOverride, "cd", |state| {
                self.line.touch(state, "boot override");
                if state.bmcs[number].lies != Some(Lie::Override) {
                    state.bmcs[number].boot_once = Some(way % hardware::BOOT_TARGETS);
                    state.bmcs[number].boot_once_by = state.incarnations[self.line.incarnation].side;
                }
                Ok(Effect::Changed)
            })
            .await
    }

    async fn set_boot_once_http(&self, _: &MediaUrl) -> Result<Effect, Error> {
        self.line
            .call(Op::BootOverride, "http", |_| Err(ErrorKind::NoBootTarget { allowed: Vec::new() }))
            .await
    }

    async fn clear_boot_override(&self) -> Result<Effect, Error> {
        let number = self.line.number;
        self.line
            .call(Op::BootClear, "", |state| {
                if state.bmcs[number].boot_once.take().is_none() {
                    return Ok(Effect::AlreadySo);
                }
                self.line.touch(state, "clear the boot override");
                Ok(Effect::Changed)
            })
            .await
    }

    async fn boot_progress(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! Power.

macro_rules! power {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// Reset types stand in the `ActionInfo` only.
    ///
    /// Supermicro, Lenovo, OpenBMC, NVIDIA (recordings).
    ResetTypesMayStandInTheActionInfo "reset_types_may_stand_in_the_action_info", every, "discovery/mod.rs", Scenario;
    /// A missing list of reset types does not mean that there are none.
    ///
    /// Recordings; gofish.
    MissingResetTypesAreNoRefusal "missing_reset_types_are_no_refusal", every, "discovery/mod.rs", Scenario;
    /// A shutdown is listed and refused: the machine is cut off.
    ///
    /// Huawei 2288H V5 (public field notes); HPE iLO (libredfish `hpe.rs`).
    RefusedShutdownsAreForced "refused_shutdowns_are_forced", every, "operate/power.rs", Scenario;
    /// `PoweringOff` is not off, and needs no second shutdown.
    ///
    /// OpenBMC (bmcweb `systems.hpp`); Ironic.
    PoweringOffIsWaitedFor "powering_off_is_waited_for", every, "operate/power.rs", Scenario;
    /// Restarts hang, are refused, or mean something else. Off and then on works everywhere.
    ///
    /// Lenovo SR675 V3 (libredfish `lenovo.rs`); HPE iLO (libredfish `hpe.rs`); Huawei.
    RestartsAreNeverSent "restarts_are_never_sent", every, "operate/power.rs", Scenario;

    } $($more)* } };
}

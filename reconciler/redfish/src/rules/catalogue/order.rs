// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the caller sees to: the order of a job.

macro_rules! order {
    ({ $($before:tt)* } $($more:ident)*) => { gather! { { $($before)*

    /// Ejecting below a running system breaks its file systems: the machine is off before.
    ///
    /// Dell iDRAC (Ironic release note poweroff-before-redfish-vmedia-eject, bug 2160374).
    OffBeforeMediaAreEjected "off_before_media_are_ejected", every, "contract/bmc.rs",
        test("reconciler/core/tests/it/job_life.rs", "a_machine_is_never_switched_on_with_media_or_an_override_left", "the order of a job is the caller's");
    /// Firmware reads the medium late in POST and installers at their very end: media stay until
    /// the machine says that it is done.
    ///
    /// Huawei (public field notes).
    MediaStayUntilTheMachineIsDone "media_stay_until_the_machine_is_done", every, "contract/bmc.rs",
        test("reconciler/core/tests/it/job_life.rs", "each_phase_asks_for_its_own_effect_and_for_nothing_else", "the order of a job is the caller's");

    } $($more)* } };
}

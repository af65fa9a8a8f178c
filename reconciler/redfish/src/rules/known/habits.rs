// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds for BMCs of every make, G1 to G29.

use super::Carrier::{Choice, Rule as By};
use super::{Carrier, Habit, test};
use crate::rules::Rule;

const LIFE: &str = "reconciler/core/tests/it/job_life.rs";
const ROUTES: &str = "reconciler/core/tests/it/job_routes.rs";
const PERMITS: &str = "reconciler/core/tests/it/permit.rs";
const HTTP: &str = "reconciler/redfish/tests/it/http.rs";
const INSERT: &str = "reconciler/redfish/tests/it/insert.rs";
const POWER: &str = "reconciler/redfish/tests/it/power.rs";
const ADDRESSES: &str = "reconciler/shoal/src/cli/bmc/check/media_address.rs";

const fn habit(number: u8, about: &'static str, carried_by: &'static [Carrier]) -> Habit {
    Habit { number, about, carried_by }
}

/// All of them, by their numbers.
pub const HABITS: &[Habit] = &[
    habit(
        1,
        "No path is built: everything is reached by links from the service root. Where several machines stand behind \
         one BMC, Git says which is meant, or none is touched. The walk has an end, wherever links lead.",
        &[
            By(Rule::LinksAreFollowed),
            By(Rule::SystemsAreNotGuessedBetween),
            By(Rule::BaseboardsAreNoMachines),
            By(Rule::CirclesOfLinksEnd),
            By(Rule::ResourcesWithoutEndAreNotWalked),
        ],
    ),
    habit(
        2,
        "Slots are looked for below the system and below each of its managers; what is one device under two addresses \
         counts once, and the system's own view comes first.",
        &[By(Rule::SlotsOfTheSystemComeFirst), By(Rule::OneDeviceInTwoViewsCountsOnce)],
    ),
    habit(
        3,
        "A slot is used where an image can get in: by an action, a maker's action, or a PATCH. DVD is CD, and a slot \
         that names no kind is known by its id.",
        &[
            By(Rule::SlotsWithoutARouteAreSkipped),
            By(Rule::ActionsMayStandAmongTheMakersOwn),
            By(Rule::SlotsMayTakePatchOnly),
            By(Rule::ConsoleSlotsAreNotPatched),
            By(Rule::DvdIsACd),
            By(Rule::KindsFallBackToTheId),
        ],
    ),
    habit(
        4,
        "A slot that refuses an image is followed by the next one; a failure of the BMC is followed by another try at \
         the same.",
        &[
            By(Rule::RefusingSlotsAreFollowedByTheNext),
            By(Rule::FailedInsertsAreSentAgain),
            test(ROUTES, "a_slot_that_refuses_the_image_is_followed_by_the_next_one_which_is_emptied_first"),
        ],
    ),
    habit(
        5,
        "An insert begins with the image alone and what the BMC lists as required, and learns from each refusal what \
         to add and what to leave out.",
        &[By(Rule::InsertBodiesLearn), By(Rule::ActionInfoSaysWhatInsertTakes)],
    ),
    habit(
        6,
        "Slots are emptied before an insert, those too that look empty, and those that show an address of ours.",
        &[
            By(Rule::EmptySlotsAreEjectedAllTheSame),
            By(Rule::EjectedImagesMayShowForAWhile),
            By(Rule::StaleImagesDoNotCount),
        ],
    ),
    habit(
        7,
        "An eject is sent without a body, then with an empty one, and whatever it is answered the slot decides; one \
         that vanished is empty.",
        &[By(Rule::EjectsMayWantABody), By(Rule::EjectsAreJudgedByTheSlot), By(Rule::VanishedSlotsAreEmpty)],
    ),
    habit(
        8,
        "A 2xx proves nothing. What was written is read until it shows, whatever form the BMC shows it in, and written \
         again where it does not.",
        &[
            By(Rule::WritesAreReadBack),
            By(Rule::AcceptedWritesAreSentAgain),
            By(Rule::EchoesMayLackThePort),
            By(Rule::OldImagesMayShowForAWhile),
            By(Rule::HiddenOverridesAreBelieved),
        ],
    ),
    habit(
        9,
        "A 202 is the beginning: its task is followed under whichever name it has, and one that is gone or cannot be \
         read is neither success nor failure.",
        &[
            By(Rule::TasksAreFollowed),
            By(Rule::TaskMonitorsHaveManySpellings),
            By(Rule::VanishedTasksAreUnknown),
            By(Rule::FailingTasksAreStillRunning),
            test(INSERT, "a_202_that_names_no_task_is_judged_by_the_slot"),
        ],
    ),
    habit(
        10,
        "Messages of errors and tasks are a list or an object, at the top or below `error`, with or without a code.",
        &[By(Rule::MessagesComeInAnyShape)],
    ),
    habit(
        11,
        "A PATCH carries the ETag that the same resource showed just before, in the forms that BMCs take one after the \
         other; empty ones do not count and odd ones are sent back as they came.",
        &[
            By(Rule::EtagsMayStandInTheBody),
            By(Rule::EtagsAreTriedInSeveralForms),
            By(Rule::EtagsMustProveThemselves),
            By(Rule::AnswersAreAskedForUncompressed),
            By(Rule::CompressedWhereNothingElseIsSent),
        ],
    ),
    habit(
        12,
        "Connections are kept for a burst of requests only, reads that break off are repeated, and a server that ends \
         each answer with its connection is understood.",
        &[
            By(Rule::BrokenReadsAreRepeated),
            By(Rule::LoginsTakeAFreshConnection),
            By(Rule::SlowAnswersAreGivenUp),
            By(Rule::EndlessAnswersAreCutOff),
            By(Rule::RedirectsMustEnd),
            By(Rule::RedirectsToOtherHostsAreRefused),
            test(HTTP, "a_server_of_the_time_before_connections_were_kept_is_understood"),
        ],
    ),
    habit(
        13,
        "One session, one request at a time, and the session is ended on every path. It is opened once more where it \
         ended early; full sessions are named; Basic is used where there are none.",
        &[
            By(Rule::SessionsAreAlwaysEnded),
            By(Rule::OneRequestAtATime),
            By(Rule::EndedSessionsAreOpenedOnceMore),
            By(Rule::SessionMayBeNamedInTheBody),
            By(Rule::FullSessionsAreNamed),
            By(Rule::BasicWhereThereAreNoSessions),
            By(Rule::RejectedCredentialsAreNotTriedAgain),
            By(Rule::RefusedImagesAreNotOurLogin),
        ],
    ),
    habit(
        14,
        "What passes by itself is asked for again, after growing pauses or when the BMC says: a busy BMC, a machine in \
         POST, an `On` that comes too early.",
        &[
            By(Rule::BusyAnswersAreRepeated),
            By(Rule::RetryAfterIsHonoured),
            By(Rule::IdracMaySayDataSourcesUnavailable),
            By(Rule::IloRefusesWhileInPost),
            By(Rule::EarlyOnConflicts),
        ],
    ),
    habit(
        15,
        "Reset types are those that the action or its ActionInfo lists, and a missing list forbids none. A machine is \
         shut down, cut off and switched on, and never restarted.",
        &[
            By(Rule::ResetTypesMayStandInTheActionInfo),
            By(Rule::MissingResetTypesAreNoRefusal),
            By(Rule::RefusedShutdownsAreForced),
            By(Rule::RestartsAreNeverSent),
        ],
    ),
    habit(
        16,
        "The machine is off before its media are ejected.",
        &[
            By(Rule::OffBeforeMediaAreEjected),
            test(LIFE, "a_machine_is_never_switched_on_with_media_or_an_override_left"),
        ],
    ),
    habit(
        17,
        "Media stay in until the machine has said that it is done.",
        &[
            By(Rule::MediaStayUntilTheMachineIsDone),
            test(LIFE, "each_phase_asks_for_its_own_effect_and_for_nothing_else"),
        ],
    ),
    habit(
        18,
        "No override to the disk is written, least of all while the machine starts: it would take the place of ours.",
        &[
            By(Rule::NoOverrideNamesADisk),
            test(LIFE, "each_phase_asks_for_its_own_effect_and_for_nothing_else"),
        ],
    ),
    habit(
        19,
        "`PoweringOn` and `PoweringOff` are not settled, and are waited for.",
        &[By(Rule::PoweringOffIsWaitedFor), test(POWER, "powering_on_is_on_enough")],
    ),
    habit(
        20,
        "The whole override is sent where a maker wants it, and only what differs elsewhere; it is set anew before \
         every start.",
        &[
            By(Rule::AmiWantsTheWholeOverride),
            By(Rule::SupermicroForgetsTheMode),
            By(Rule::OnlyWhatDiffersIsSent),
            By(Rule::OverridesAreSetForEveryStart),
        ],
    ),
    habit(
        21,
        "The override stands in the system, in the settings it links, or in settings that nobody links; the system is \
         tried first.",
        &[
            By(Rule::OverridesMayStandInTheSettings),
            By(Rule::SettingsMayNotBeLinked),
            By(Rule::RefusedOverridesGoToTheSettings),
            By(Rule::MissingTargetsAreNoRefusal),
        ],
    ),
    habit(
        22,
        "Overrides are for one start; one for good is never asked for.",
        &[By(Rule::OverridesAreSetForEveryStart)],
    ),
    habit(
        23,
        "Image addresses have no query, carry their capability as a part of the path, end in `.iso` or `.img`, and are \
         short; the check of a BMC warns of names instead of numbers.",
        &[
            By(Rule::SupermicroTakesNoQuery),
            test(ADDRESSES, "an_address_with_an_account_or_a_query_is_refused_without_being_repeated"),
            test(ADDRESSES, "names_long_addresses_and_those_that_no_bmc_reaches_are_told"),
        ],
    ),
    habit(
        24,
        "Media are served with their length, to HEAD and to ranges, by the hundred and in any order, and are whole \
         before a BMC hears of them.",
        &[
            test("transport/http/src/range.rs", "every_form_of_a_range_is_read_as_the_standard_says"),
            test(
                "reconciler/controller/tests/it/api.rs",
                "a_medium_that_is_over_is_gone_and_a_wrong_capability_looks_the_same",
            ),
        ],
    ),
    habit(
        25,
        "Media are offered over HTTP and HTTPS, and each BMC is given what it takes. Whether it checks our certificate \
         is told, and left as the operator set it.",
        &[
            By(Rule::SlotsMayVerifyCertificates),
            By(Rule::RefusedSchemesAreNamed),
            By(Rule::UnreadableImagesAreNamed),
            By(Rule::DisabledMediaAreNamed),
            Choice("`VerifyCertificate` is never written: a weaker check is the operator's to choose"),
        ],
    ),
    habit(26, "No proxy of the environment is used for BMCs.", &[By(Rule::NoProxyOfTheEnvironment)]),
    habit(
        27,
        "Values of another type than the schema's, nulls for lists, empty UUIDs and missing properties are endured.",
        &[By(Rule::OddJsonIsEndured), By(Rule::MissingListsAreAskedForAgain)],
    ),
    habit(
        28,
        "A Dell is known by its service tag, which Redfish shows as the SKU.",
        &[By(Rule::ServiceTagIsTheSkuOnDell)],
    ),
    habit(
        29,
        "A machine proves who it is before anything is erased: its BMC by serial number or UUID, the machine itself by \
         these and its network cards. What is not known is no proof.",
        &[By(Rule::MachinesAreProvenBeforeAnErase), test(PERMITS, "the_first_question_of_an_attempt")],
    ),
];

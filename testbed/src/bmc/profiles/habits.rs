// SPDX-License-Identifier: AGPL-3.0-or-later
//! How a model behaves: entity tags, virtual media, sessions, errors, times.

use std::time::Duration;

use super::{Listing, SlotView};

/// How entity tags look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtagStyle {
    /// `"118005423341"`, in the header only.
    Decimal,
    /// `W/"9B9F7D67"`, in header and body.
    WeakHex8,
    /// `"a0a7128477b3552049bdbf0d3286de78"`, in header and body.
    StrongHex32,
    /// `"4ad76310d5e92ae95a1"`, in header and body.
    StrongHex19,
    /// `"1720574208"`, in header and body.
    Seconds,
    /// `"1F32B5A4"`, in the header only.
    StrongHex8,
    /// `W/'gen-7'`, in header and body: against the grammar of HTTP.
    MalformedGeneration,
}

impl EtagStyle {
    /// Whether the body carries the tag as `@odata.etag`.
    pub(crate) fn in_body(self) -> bool {
        !matches!(self, Self::Decimal | Self::StrongHex8)
    }
}

/// What is asked of `If-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preconditions {
    /// A PATCH without it is refused.
    pub patch_needs_if_match: bool,
    /// A POST to an action with it is refused, whatever the tag.
    pub action_refuses_if_match: bool,
}

impl Preconditions {
    /// Nothing is asked.
    pub(super) const NONE: Self = Self { patch_needs_if_match: false, action_refuses_if_match: false };
}

/// How a BMC looks at an image when it is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// HEAD, then one Range GET of so many bytes.
    HeadThenRange(u64),
    /// Range GETs of `block` bytes, one after the other, up to `limit` bytes or the end.
    RangeLoop {
        /// Bytes of one request.
        block: u64,
        /// Bytes in all.
        limit: u64,
    },
    /// One Range GET of so many bytes.
    Range(u64),
}

/// Virtual media habits.
pub struct MediaModel {
    /// Last segment of the collection's path.
    pub segment: &'static str,
    /// Whether a slot is there only while something is in it.
    pub hides_empty: bool,
    /// Order of the members of a collection, where it is not the order of [`super::Profile::slots`].
    pub order: Option<(SlotView, &'static [&'static str])>,
    /// How an image is inserted.
    pub route: InsertRoute,
    /// What a PATCH of a slot does.
    pub slot_patch: SlotPatch,
    /// Parameters that InsertMedia knows.
    pub insert_parameters: &'static [&'static str],
    /// Those of them that must be there.
    pub required_parameters: &'static [&'static str],
    /// Where InsertMedia lists them.
    pub insert_listing: Listing,
    /// Schemes that an image may have. Only `http` and `https` are ever fetched here.
    pub schemes: &'static [&'static str],
    /// What `TransferProtocolType` takes.
    pub protocols: &'static [&'static str],
    /// Whether `Inserted: false` is refused.
    pub inserted_must_be_true: bool,
    /// Endings that an image must have.
    pub extensions: Option<&'static [&'static str]>,
    /// Whether `?` and `=` in the URL are refused.
    pub plain_urls_only: bool,
    /// How an image is looked at.
    pub probe: Probe,
    /// Bytes of a Range request while the machine reads.
    pub read_block: u64,
    /// How many media may be connected at once.
    pub max_connected: usize,
    /// Whether ejecting an empty slot is refused.
    pub refuses_empty_eject: bool,
    /// Whether EjectMedia needs a JSON body.
    pub eject_needs_body: bool,
    /// Whether the EjectMedia action is hidden while the slot is empty.
    pub eject_hidden_when_empty: bool,
    /// `Image` while empty: an empty string instead of null.
    pub empty_image_is_string: bool,
    /// Whether `Image` is shown without the port of the address.
    pub hides_port: bool,
    /// Whether `Image` and `ImageName` stay after an eject.
    pub keeps_image_name: bool,
    /// Insertions and ejections that answer 202 and a task.
    pub tasks: Option<TaskModel>,
    /// OEM actions that do the same: name, and the segments between `Actions` and the name.
    pub oem_actions: Option<OemMediaActions>,
}

impl MediaModel {
    /// The polite one, for a model to differ from.
    pub(super) const PLAIN: Self = Self {
        segment: "VirtualMedia",
        hides_empty: false,
        order: None,
        route: InsertRoute::Action,
        slot_patch: SlotPatch::None,
        insert_parameters: &[],
        required_parameters: &["Image"],
        insert_listing: Listing::Inline,
        schemes: &["http", "https"],
        protocols: &["HTTP", "HTTPS"],
        inserted_must_be_true: false,
        extensions: None,
        plain_urls_only: false,
        probe: Probe::HeadThenRange(64 * 1024),
        read_block: 64 * 1024,
        max_connected: 2,
        refuses_empty_eject: false,
        eject_needs_body: false,
        eject_hidden_when_empty: false,
        empty_image_is_string: false,
        hides_port: false,
        keeps_image_name: false,
        tasks: None,
        oem_actions: None,
    };
}

/// How an image is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertRoute {
    /// By InsertMedia and EjectMedia.
    Action,
    /// By a PATCH of the slot; there are no actions.
    Patch,
    /// By the maker's own pair of actions alone ([`MediaModel::oem_actions`]).
    OemPair,
    /// By one action of the maker's that connects and disconnects (`VmmControl`).
    Control {
        /// Key under `Oem`.
        vendor: &'static str,
    },
    /// An address is configured in a resource beside the slots, and then mounted (`IsoConfig`).
    Configured,
    /// An image is put on a list of the manager's, and the list is mounted (`RemoteMap`).
    Listed,
}

/// What a PATCH of a slot does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPatch {
    /// The method is not allowed.
    None,
    /// The method is allowed, and nothing can be changed by it.
    NotImplemented,
    /// Changes `BootOnNextServerReset`.
    BootOnNextReset,
    /// Inserts and ejects by `Image` alone, and changes `BootOnNextServerReset`.
    Image,
    /// Inserts and ejects, with `Inserted`.
    Media,
}

/// Insertions and ejections that answer 202 and a task.
pub struct TaskModel {
    /// How long a task that has ended can be read.
    pub kept: Duration,
    /// Whether `Messages` is one object instead of a list.
    pub messages_is_object: bool,
}

/// OEM twins of InsertMedia and EjectMedia.
pub struct OemMediaActions {
    /// Key under `Oem`.
    pub vendor: &'static str,
    /// Name of the insert action, without `#`.
    pub insert: &'static str,
    /// Name of the eject action, without `#`.
    pub eject: &'static str,
}

/// How session ids look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionIds {
    /// Counted from here.
    Counter(u64),
    /// User name and hex digits.
    UserHex,
    /// So many hex digits.
    Random(usize),
}

/// Sessions.
pub struct SessionModel {
    /// How many at once.
    pub max: usize,
    /// When an idle one ends.
    pub timeout: Duration,
    /// What `SessionTimeout` claims.
    pub shown_timeout: u64,
    /// Ids.
    pub ids: SessionIds,
    /// Whether `Location` is a full URL.
    pub absolute_location: bool,
    /// Whether the collection lists the newest first.
    pub newest_first: bool,
    /// What a login names below `Oem` beside user and password: the vendor's key and the `Domain`. One without it is
    /// refused like one with a wrong password.
    pub domain: Option<(&'static str, &'static str)>,
}

/// Error bodies.
pub struct ErrorModel {
    /// Prefix of standard message ids.
    pub base: &'static str,
    /// Prefix of the vendor's message ids.
    pub oem: &'static str,
    /// `error.code`.
    pub code: &'static str,
    /// `error.message`.
    pub message: &'static str,
    /// Whether messages carry their text, or only id and arguments.
    pub with_text: bool,
}

/// What a successful PATCH answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patched {
    /// 200 with a Success message.
    Message,
    /// 200 with the changed resource.
    Resource,
    /// 204.
    NoContent,
}

/// What a successful write without a resource of its own answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// 204.
    NoContent,
    /// 200 with a Success message.
    Message,
}

/// How long things take on a real one; a farm scales all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From `On` to PowerState On.
    pub power_on: Duration,
    /// From PowerState On to the boot device.
    pub post: Duration,
    /// From `ForceOff` to PowerState Off.
    pub power_off: Duration,
    /// From a graceful request to the button press that the system sees.
    pub graceful: Duration,
    /// Mounting an image, beside the fetching.
    pub insert: Duration,
    /// How long an ejection takes where it is a task.
    pub eject: Duration,
    /// For how long after PowerState Off an `On` is refused.
    pub settle_after_off: Duration,
    /// How long an ejected image is still reported.
    pub stale_after_eject: Duration,
    /// How long the BMC is away when it restarts.
    pub manager_restart: Duration,
}

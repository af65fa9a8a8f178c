// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a BMC refuses: the facts, without words.

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// No resource there.
    NotFound {
        /// The path.
        uri: String,
    },
    /// No credentials, wrong ones, or a session that is no more.
    Unauthenticated,
    /// A session for a user or password that is wrong.
    LoginFailed,
    /// The resource knows no such method; what it knows goes into `Allow`.
    MethodNotAllowed,
    /// The body is not a JSON object.
    MalformedJson,
    /// The body is not declared as JSON, or not there where it has to be.
    UnsupportedMediaType,
    /// The body is too large.
    TooLarge,
    /// No such property.
    PropertyUnknown {
        /// Its name.
        name: String,
    },
    /// A property that cannot be written.
    PropertyNotWritable {
        /// Its name.
        name: String,
    },
    /// A required property is missing.
    PropertyMissing {
        /// Its name.
        name: &'static str,
    },
    /// A value of the wrong type.
    PropertyValueType {
        /// The value.
        value: String,
        /// The property.
        name: String,
    },
    /// A value that is not allowed.
    PropertyValueNotInList {
        /// The value.
        value: String,
        /// The property.
        name: String,
    },
    /// No such parameter.
    ParameterUnknown {
        /// Action.
        action: &'static str,
        /// Parameter.
        name: String,
    },
    /// A required parameter is missing.
    ParameterMissing {
        /// Action.
        action: &'static str,
        /// Parameter.
        name: &'static str,
    },
    /// A parameter of the wrong type.
    ParameterType {
        /// Action.
        action: &'static str,
        /// Parameter.
        name: String,
        /// Value.
        value: String,
    },
    /// A parameter's value is not allowed.
    ParameterNotInList {
        /// Action.
        action: &'static str,
        /// Parameter.
        name: &'static str,
        /// Value.
        value: String,
    },
    /// `If-Match` does not match.
    PreconditionFailed,
    /// An OData version that is not spoken.
    ODataVersion {
        /// What was asked for.
        version: String,
    },
    /// A query option that is not supported.
    QueryUnsupported {
        /// The option.
        name: String,
    },
    /// A query option whose value makes no sense here.
    QueryInvalid {
        /// The option.
        name: String,
    },
    /// Too many sessions.
    SessionLimit,
    /// A power action that makes no sense in the present state.
    PowerConflict {
        /// `ResetType`.
        requested: String,
        /// PowerState.
        power: &'static str,
    },
    /// Not while the machine is in POST.
    SystemInPost {
        /// The property that was to be changed.
        property: &'static str,
    },
    /// The image server cannot be reached.
    MediumUnreachable {
        /// Image URL.
        url: String,
    },
    /// The image server has no such image.
    MediumNotFound {
        /// Image URL.
        url: String,
    },
    /// The URL's form, scheme or ending is not accepted.
    MediumFormat {
        /// Image URL.
        url: String,
    },
    /// There is a medium in the slot already.
    SlotOccupied {
        /// Slot id.
        id: &'static str,
    },
    /// All connections are in use.
    NoMoreConnections,
    /// Nothing to eject.
    NothingInserted {
        /// Slot id.
        id: &'static str,
    },
    /// `If-Match` is missing.
    PreconditionRequired,
    /// The slot takes no image by address.
    NoAddressHere {
        /// Slot id.
        id: &'static str,
    },
    /// The resource knows PATCH and can change nothing by it.
    PatchNotImplemented {
        /// The property.
        name: String,
    },
    /// `On` came too soon after the machine went off.
    PowerSettling,
    /// There is no licence for this.
    Unlicensed,
    /// Virtual media is switched off in the BMC.
    MediaDisabled,
    /// Changes of configuration wait for a restart, or a job makes some.
    ConfigurationPending,
    /// The BMC is not ready, or busy with itself.
    NotReady,
    /// Too many requests.
    TooManyRequests,
    /// A fault was injected.
    Injected {
        /// HTTP status.
        status: u16,
    },
}

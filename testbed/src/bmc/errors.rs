// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a BMC refuses, and how it says so.
//!
//! A [`Refusal`] is the fact. [`Said`] is its wording: HTTP status, message id, text, arguments, resolution. The shared
//! wording follows DMTF's Base registry; a profile may word a refusal in its own way (`Profile::refuse`).

use serde_json::{Value, json};

use super::profiles::Profile;

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

/// How a refusal is worded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// HTTP status.
    pub(crate) status: u16,
    /// Whether the message id is the vendor's.
    pub(crate) oem: bool,
    /// Message key without registry prefix.
    pub(crate) id: &'static str,
    /// Text; `%1` and so on stand for the arguments.
    pub(crate) text: String,
    /// Arguments.
    pub(crate) args: Vec<String>,
    /// Resolution.
    pub(crate) resolution: &'static str,
}

impl Said {
    /// A message of the vendor's own registry.
    pub(crate) fn oem(status: u16, id: &'static str, text: &str, resolution: &'static str) -> Self {
        Self { status, oem: true, id, text: text.to_owned(), args: Vec::new(), resolution }
    }

    /// A message of the Base registry.
    pub(crate) fn base(status: u16, id: &'static str, text: &str, resolution: &'static str) -> Self {
        Self { oem: false, ..Self::oem(status, id, text, resolution) }
    }

    /// With arguments for the message.
    #[must_use]
    pub(crate) fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }
}

impl Refusal {
    /// The wording of `profile`.
    pub(crate) fn said_by(&self, profile: &Profile) -> Said {
        (profile.refuse)(self).unwrap_or_else(|| self.said())
    }

    fn said(&self) -> Said {
        const RETRY: &str = "Correct the request and resubmit it.";
        match self {
            Self::NotFound { uri } => {
                Said::base(404, "ResourceMissingAtURI", "The resource at the URI '%1' was not found.", RETRY)
                    .with_args([uri])
            }
            Self::Unauthenticated => Said::base(
                401,
                "NoValidSession",
                "There is no valid session established with the implementation.",
                "Establish a session before attempting any operations.",
            ),
            Self::LoginFailed => Said::base(
                401,
                "ResourceAtUriUnauthorized",
                "While accessing the resource at '%1', the service received an authorization error '%2'.",
                "Ensure that the user name and password are right.",
            )
            .with_args(["/redfish/v1/SessionService/Sessions", "the credentials are not valid"]),
            Self::MethodNotAllowed => Said::base(
                405,
                "OperationNotAllowed",
                "The HTTP method is not allowed on this resource.",
                "Use a method that the Allow header lists.",
            ),
            Self::MalformedJson => Said::base(
                400,
                "MalformedJSON",
                "The request body submitted was malformed JSON and could not be parsed by the receiving service.",
                RETRY,
            ),
            Self::UnsupportedMediaType => Said::base(
                415,
                "UnsupportedMediaType",
                "The request specifies a Content-Type for the body that is not supported.",
                "Send a JSON body with Content-Type application/json.",
            ),
            Self::TooLarge => Said::base(413, "PayloadTooLarge", "The supplied payload is too large.", RETRY),
            Self::PropertyUnknown { name } => Said::base(
                400,
                "PropertyUnknown",
                "The property %1 is not in the list of valid properties for the resource.",
                RETRY,
            )
            .with_args([name]),
            Self::PropertyNotWritable { name } => Said::base(
                400,
                "PropertyNotWritable",
                "The property %1 is a read only property and cannot be assigned a value.",
                RETRY,
            )
            .with_args([name]),
            Self::PropertyMissing { name } => Said::base(
                400,
                "PropertyMissing",
                "The property %1 is a required property and must be included in the request.",
                RETRY,
            )
            .with_args([*name]),
            Self::PropertyValueType { value, name } => Said::base(
                400,
                "PropertyValueTypeError",
                "The value %1 for the property %2 is of a different type than the property can accept.",
                RETRY,
            )
            .with_args([value, name]),
            Self::PropertyValueNotInList { value, name } => Said::base(
                400,
                "PropertyValueNotInList",
                "The value %1 for the property %2 is not in the list of acceptable values.",
                RETRY,
            )
            .with_args([value, name]),
            Self::ParameterUnknown { action, name } => Said::base(
                400,
                "ActionParameterUnknown",
                "The action %1 was submitted with the invalid parameter %2.",
                RETRY,
            )
            .with_args([*action, name.as_str()]),
            Self::ParameterMissing { action, name } => Said::base(
                400,
                "ActionParameterMissing",
                "The action %1 requires the parameter %2 to be present in the request body.",
                RETRY,
            )
            .with_args([*action, *name]),
            Self::ParameterType { action, name, value } => Said::base(
                400,
                "ActionParameterValueTypeError",
                "The value %1 for the parameter %2 in the action %3 is of a different type than the parameter can \
                 accept.",
                RETRY,
            )
            .with_args([value.as_str(), name.as_str(), *action]),
            Self::ParameterNotInList { action, name, value } => Said::base(
                400,
                "ActionParameterValueNotInList",
                "The value %1 for the parameter %2 in the action %3 is not in the list of acceptable values.",
                RETRY,
            )
            .with_args([value.as_str(), *name, *action]),
            Self::PreconditionFailed => Said::base(
                412,
                "PreconditionFailed",
                "The ETag supplied did not match the ETag required to change this resource.",
                "Read the resource again and resubmit the request with its ETag.",
            ),
            Self::ODataVersion { version } => Said::base(
                412,
                "HeaderInvalid",
                "The OData version %1 is not supported.",
                "Send OData-Version 4.0 or none.",
            )
            .with_args([version]),
            Self::QueryUnsupported { name } => Said::base(
                501,
                "QueryNotSupported",
                "The query parameter %1 is not supported by the implementation.",
                "Remove the query parameter and resubmit the request.",
            )
            .with_args([name]),
            Self::QueryInvalid { name } => Said::base(
                400,
                "QueryNotSupportedOnResource",
                "The query parameter %1 is not supported on this resource.",
                "Remove the query parameter and resubmit the request.",
            )
            .with_args([name]),
            Self::SessionLimit => Said::base(
                503,
                "SessionLimitExceeded",
                "The session establishment failed due to the number of simultaneous sessions exceeding the limit of \
                 the implementation.",
                "Close a session and retry the operation.",
            ),
            Self::PowerConflict { requested, power } => Said::base(
                409,
                "ActionParameterValueConflict",
                "The action %1 could not be carried out: the system's power state is %2.",
                "Wait for the power state to settle and resubmit the request.",
            )
            .with_args([requested.as_str(), *power]),
            Self::SystemInPost { property } => Said::base(
                400,
                "ResourceInUse",
                "The property %1 cannot be changed while the system is in POST.",
                "Wait for POST to end and resubmit the request.",
            )
            .with_args([*property]),
            Self::MediumUnreachable { url } => Said::base(
                400,
                "CouldNotEstablishConnection",
                "The service failed to establish a connection with the URI '%1'.",
                "Ensure that the URI names a host that the BMC can reach and a port that is open.",
            )
            .with_args([url]),
            Self::MediumNotFound { url } => Said::base(
                400,
                "ResourceMissingAtURI",
                "The resource at the URI '%1' was not found.",
                "Ensure that the URI names an image that the BMC may read.",
            )
            .with_args([url]),
            Self::MediumFormat { url } => Said::base(
                400,
                "ResourceAtUriInUnknownFormat",
                "The resource at '%1' is in a format not recognized by the service.",
                "Use a URI and an image of a form that the service supports.",
            )
            .with_args([url]),
            Self::SlotOccupied { id } => Said::base(
                400,
                "ResourceInUse",
                "The virtual media slot %1 already has an image.",
                "Eject the image and retry the operation.",
            )
            .with_args([*id]),
            Self::NoMoreConnections => Said::base(
                400,
                "ResourceInUse",
                "No more virtual media connections are available.",
                "Eject an image and retry the operation.",
            ),
            Self::NothingInserted { id } => Said::base(
                400,
                "ResourceNotFound",
                "There is no image in the virtual media slot %1.",
                "No response action is required.",
            )
            .with_args([*id]),
            Self::PreconditionRequired => Said::base(
                428,
                "PreconditionRequired",
                "A precondition header or annotation is required to change this resource.",
                "Read the resource and resubmit the request with its ETag.",
            ),
            Self::NoAddressHere { id } => Said::base(
                400,
                "PropertyNotWritable",
                "The property %1 is a read only property and cannot be assigned a value: %2 takes no address.",
                RETRY,
            )
            .with_args(["Image", *id]),
            Self::PatchNotImplemented { name } => Said::base(
                501,
                "PropertyModificationNotSupported",
                "The property %1 cannot be changed.",
                "No response action is required.",
            )
            .with_args([name]),
            Self::PowerSettling => Said::base(
                409,
                "ActionParameterValueConflict",
                "The parameter %1 with the requested value of %2 does not meet the constraints of the implementation.",
                "Wait for the power state to settle and resubmit the request.",
            )
            .with_args(["ResetType", "On"]),
            Self::Unlicensed => Said::base(
                403,
                "InsufficientPrivilege",
                "A licence is missing for this operation.",
                "Install the licence and retry the operation.",
            ),
            Self::MediaDisabled => Said::base(
                403,
                "ServiceDisabled",
                "The operation failed because the service at %1 is disabled.",
                "Enable virtual media and retry the operation.",
            )
            .with_args(["VirtualMedia"]),
            Self::NotReady => Said::base(
                503,
                "ServiceTemporarilyUnavailable",
                "The service is temporarily unavailable. Retry in %1 seconds.",
                "Wait for the indicated retry duration and retry the operation.",
            )
            .with_args(["30"]),
            Self::TooManyRequests => Said::base(
                429,
                "RateLimitExceeded",
                "Too many requests were received.",
                "Wait and retry the operation.",
            ),
            Self::Injected { status } => Said::base(
                *status,
                "GeneralError",
                "A general error has occurred.",
                "Retry the operation.",
            ),
        }
    }
}

/// The body of an error.
pub(crate) fn error_body(profile: &Profile, said: &Said) -> Value {
    extended(profile, said.oem, said.id, &said.text, &said.args, said.resolution, severity(said.status))
}

/// The body of a success that has no resource to show.
pub(crate) fn success_body(profile: &Profile) -> Value {
    let text = "The request completed successfully.";
    let mut body = extended(profile, false, "Success", text, &[], "None.", "OK");
    if profile.errors.with_text {
        body["error"]["code"] = json!(format!("{}.Success", profile.errors.base));
        body["error"]["message"] = json!(text);
    }
    body
}

fn severity(status: u16) -> &'static str {
    if status >= 500 { "Critical" } else { "Warning" }
}

/// One extended message.
pub(crate) fn message(profile: &Profile, said: &Said) -> Value {
    error_body(profile, said)["error"]["@Message.ExtendedInfo"][0].take()
}

fn extended(
    profile: &Profile,
    oem: bool,
    id: &str,
    text: &str,
    args: &[String],
    resolution: &str,
    severity: &str,
) -> Value {
    let errors = &profile.errors;
    let registry = if oem { errors.oem } else { errors.base };
    let mut message = json!({"MessageId": format!("{registry}.{id}")});
    if !args.is_empty() || errors.with_text {
        message["MessageArgs"] = json!(args);
    }
    if errors.with_text {
        let text = args
            .iter()
            .enumerate()
            .fold(text.to_owned(), |text, (index, arg)| text.replace(&format!("%{}", index + 1), arg));
        message["Message"] = json!(text);
        message["Resolution"] = json!(resolution);
        message["Severity"] = json!(severity);
    }
    json!({"error": {
        "code": errors.code,
        "message": errors.message,
        "@Message.ExtendedInfo": [message],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bmc::profiles::{IDRAC9_6, ILO5};

    #[test]
    fn a_message_carries_its_arguments_in_text_and_list() {
        let refusal = Refusal::PropertyUnknown { name: "Bogus".to_owned() };
        let body = error_body(&IDRAC9_6, &refusal.said_by(&IDRAC9_6));
        let message = &body["error"]["@Message.ExtendedInfo"][0];
        assert_eq!(message["MessageId"], "Base.1.12.PropertyUnknown");
        assert!(message["Message"].as_str().is_some_and(|text| text.contains("Bogus")), "{message}");
    }

    #[test]
    fn a_vendor_words_its_own_refusals() {
        let refusal = Refusal::PowerConflict { requested: "On".to_owned(), power: "On" };
        assert_eq!(refusal.said_by(&IDRAC9_6).status, 409);
        assert_eq!(refusal.said_by(&ILO5).status, 400);
        let body = error_body(&ILO5, &refusal.said_by(&ILO5));
        let message = &body["error"]["@Message.ExtendedInfo"][0];
        assert_eq!(message["MessageId"], "iLO.2.18.InvalidOperationForSystemState");
        assert_eq!(message.get("Message"), None, "iLO sends ids and arguments only");
    }
}

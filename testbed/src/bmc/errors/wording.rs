// SPDX-License-Identifier: AGPL-3.0-or-later
//! The shared wording of refusals, after DMTF's Base registry.

use super::{Refusal, Said};
use crate::bmc::profiles::Profile;

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
            Self::ConfigurationPending => Said::base(
                409,
                "OperationFailed",
                "The operation failed because changes of configuration are pending.",
                "Apply or cancel the pending changes and retry the operation.",
            ),
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

// SPDX-License-Identifier: AGPL-3.0-or-later
//! The stable words by which diagnostics are known, and what each stands for.
//!
//! Scripts, SARIF viewers and documentation rely on them: a word is never given another meaning.

macro_rules! codes {
    ($($name:ident $code:literal $about:literal)*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $about)]
            pub const $name: &str = $code;
        )*

        /// Every code with what it stands for.
        pub const ALL: &[(&str, &str)] = &[$(($code, $about)),*];
    };
}

codes! {
    APPROVAL_EXPIRED "approval.expired" "An approval's time is over; it can be removed."
    APPROVAL_SERVER "approval.unknown-server" "An approval is for a server that is not there."
    BMC_ADDRESS "bmc.address" "A BMC's address cannot be read as one."
    BMC_DUPLICATE "bmc.duplicate-address" "Two servers have the same BMC: one of them would be installed in place of the other."
    BMC_INSECURE "bmc.insecure-tls" "A BMC's certificate is not verified."
    BMC_NO_CREDENTIALS "bmc.no-credentials" "Nothing says how to log in to a BMC."
    BMC_PLAIN "bmc.plain-http" "A BMC is spoken to without TLS."
    DISK_RANGE "disk.size-range" "No disk can be as small and as large as asked."
    DISK_TOO_SMALL "disk.too-small" "The disk that is chosen cannot hold the image."
    DISK_UNSTABLE "disk.unstable-path" "A disk is chosen by its kernel name, which moves between boots."
    API_VERSION "document.api-version" "The apiVersion is missing or unknown."
    DIRECTORY "document.directory" "A document stands in a directory for another kind."
    KIND "document.kind" "The kind is missing or unknown."
    NAME_FORM "document.name" "A name cannot be used as part of a path."
    NOT_A_MAPPING "document.not-a-mapping" "A document is no mapping with apiVersion, kind, metadata and spec."
    STATUS "document.status" "A desired document has a status; that is written elsewhere."
    EMPTY "file.empty" "A file has no document in it."
    ENCODING "file.encoding" "A file is not UTF-8."
    MISPLACED "file.misplaced" "A document of ours stands where it is not read."
    FILE_REFUSED "file.refused" "A file is of a sort that is not read: a link, a submodule, a device."
    TOO_LARGE "file.too-large" "A file is over 1 MiB."
    UNREADABLE "file.unreadable" "A file could not be read."
    FLEET_MISSING "fleet.missing" "There is no Fleet."
    FLEET_STATUS_BRANCH "fleet.status-branch" "Status would be written to the branch that people write."
    FLEET_VAR_UNUSED "fleet.unused-var" "A default for a parameter that no recipe has."
    IMAGE_ABSENT "image.absent" "The registry does not have an image, or not all of it."
    IMAGE_DENIED "image.denied" "The registry does not let this account look at an image."
    IMAGE_UNKNOWN "image.unchecked" "Whether an image exists could not be found out."
    IMAGE_REFERENCE "image.reference-length" "An OCI reference is longer than a recipe may hold."
    LAYOUT_LABEL "layout.duplicate-label" "Two partitions have the same label."
    LAYOUT_PERCENT "layout.percent" "The shares of a layout are more than the whole disk."
    LAYOUT_ROLE "layout.role" "A layout lacks a partition that its workflow needs to boot."
    DUPLICATE_NAME "name.duplicate" "Two documents of a kind have the same name."
    NETWORK_ADDRESS "network.address" "An address cannot be read as one."
    NETWORK_BOND "network.bond" "A bond's members are not as they must be."
    NETWORK_DUPLICATE "network.duplicate" "Two interfaces have the same name, hardware address or address."
    NETWORK_GATEWAY "network.gateway" "A gateway is in no subnet of its interface."
    NETWORK_MAC "network.mac" "An interface has a hardware address that it should not have, or lacks one."
    NETWORK_SIZE "network.size" "More interfaces than any machine has."
    NETWORK_VLAN "network.vlan" "A VLAN and its parent do not fit."
    PARAMETER_NAME "parameter.name" "A parameter's name cannot be used in a template, or is taken."
    PARAMETER_UNUSED "parameter.unused" "A parameter that no template uses."
    RECIPE_FIELD "recipe.field" "A recipe lacks what its target needs, or has what its target does not use."
    RECIPE_KICKSTART_SECRET "recipe.kickstart-secret" "A kickstart stands on the medium with its secrets."
    RECIPE_KICKSTART_SIZE "recipe.kickstart-size" "A kickstart is over 64 KiB."
    RECIPE_TARGET "recipe.target" "A target that looks like a misspelt one."
    REFERENCE "reference.unknown" "A name leads nowhere."
    SCHEMA_CHOICE "schema.choice" "A value is none of those allowed."
    SCHEMA_FORM "schema.form" "A text is not of the form that is asked for."
    SCHEMA_OTHER "schema.other" "A value does not fit the schema."
    SCHEMA_RANGE "schema.range" "A value is too small, too large, too short or too long."
    SCHEMA_REQUIRED "schema.required" "A field is missing."
    SCHEMA_TYPE "schema.type" "A value is of the wrong type."
    SCHEMA_UNKNOWN "schema.unknown-field" "A field that is not known."
    SECRET_RECIPIENTS "secret.recipients" "A Secret is not encrypted to those whom the fleet lists."
    SERVER_DISK "server.no-disk" "Neither server nor recipe says which disk to install on."
    SERVER_DUPLICATE "server.duplicate-identity" "Two servers have the same serial, UUID or hardware address."
    SERVER_PLACEHOLDER "server.placeholder-identity" "A serial or UUID that mainboards carry when nobody set one."
    SERVER_RECIPE "server.no-recipe" "A server has an OS to install and no recipe."
    SUSPEND_REASON "server.suspend-reason" "A server is suspended without a reason."
    SUSPEND_OVER "server.suspend-over" "The time of a suspension is over."
    TEMPLATE_REFERENCE "template.reference" "A template refers to something that has no value."
    TEMPLATE_SECRET_UNUSED "template.unused-secret" "A template lists a secret that it does not use."
    TEMPLATE_SYNTAX "template.syntax" "A `${` in a template begins no reference."
    VAR_LINES "var.several-lines" "A value with line breaks stands where only one line may."
    VAR_MISSING "var.missing" "A required parameter has no value."
    VAR_UNKNOWN "var.unknown" "A value for a parameter that the recipe does not have."
    ALIAS "yaml.alias" "An alias leads nowhere, or into itself."
    ALIAS_BOMB "yaml.alias-bomb" "Aliases blow a document up."
    AMBIGUOUS "yaml.ambiguous" "A plain scalar that YAML 1.1 tools read otherwise."
    CHARACTER "yaml.character" "A control character, or one that hides or reorders text."
    DEPTH "yaml.depth" "A document is nested too deeply."
    DUPLICATE_KEY "yaml.duplicate-key" "A key stands twice in one mapping."
    KEY_NOT_TEXT "yaml.key" "A key that is not text."
    MERGE_KEY "yaml.merge-key" "A merge key, which YAML 1.2 does not have."
    NULL "yaml.null" "A field without a value."
    NUMBER "yaml.number" "A number that tools read differently, or that is none."
    SYNTAX "yaml.syntax" "A text that is not YAML."
    TAB "yaml.tab" "A tab in the indentation."
    TAG "yaml.tag" "A tag, which documents of ours never have."
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_code_is_there_once_and_says_what_it_stands_for() {
        let mut codes: Vec<&str> = ALL.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert!(ALL.iter().all(|(code, about)| code.contains('.') && about.ends_with('.')));
    }
}

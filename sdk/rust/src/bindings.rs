//! What `wit-bindgen` makes of the contract in `wit/`. The rest of the SDK gives it a friendlier face.

#![allow(missing_docs, reason = "generated: the contract's own comments are the documentation")]
#![allow(unsafe_code, reason = "generated: the component ABI passes pointers")]
#![allow(clippy::all, reason = "generated")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "adapter",
    generate_all,
    pub_export_macro: true,
    additional_derives: [Default, PartialEq, Eq, serde::Serialize, serde::Deserialize],
    // Those that have no default: a choice, or a record that holds one.
    additional_derives_ignore: [
        "create-account-outcome", "update-account-outcome", "delete-account-outcome",
        "create-user-outcome", "update-user-outcome", "delete-user-outcome", "change-seat-outcome",
        "create-resource-outcome", "update-resource-outcome", "act-on-resource-outcome",
        "delete-resource-outcome", "billing-scope", "level", "credential", "request",
    ],
});

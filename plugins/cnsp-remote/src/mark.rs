//! The mark of what this adapter has made at a remote that does not recognise a repeat: the operation's id, among
//! the attributes that CNSP leaves open. It is how a second run of an operation finds what the first has made.

use crate::settings::{About, Settings};
use cnsp_sdk::OpenMapExt;
use cnsp_sdk::types::OpenMap;

const KEY: &str = "cnspoperation";

/// Whose a thing is that was found where ours may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This operation has made it.
    Ours,
    /// Another has.
    Another,
    /// It has no mark: it is older, or the remote does not keep open attributes.
    Unmarked,
}

/// The open map with the mark, where this remote needs one.
pub(crate) fn put(settings: &Settings, about: About, map: &OpenMap, operation: &str) -> OpenMap {
    let mut map = map.clone();
    if !settings.does_once(about) {
        map.put(KEY, operation);
    }
    map
}

/// Takes the mark out, and says whose the thing is.
pub(crate) fn take(map: &mut OpenMap, operation: Option<&str>) -> Owner {
    let mark = map.text(KEY);
    map.retain(|(key, _)| key != KEY);
    match mark {
        None => Owner::Unmarked,
        Some(mark) if operation == Some(&*mark) => Owner::Ours,
        Some(_) => Owner::Another,
    }
}

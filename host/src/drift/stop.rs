//! Why a check comes to no report.

use crate::error::{Error, ErrorCode};
use crate::limits::fixed;
use crate::model::{Failure, OperationKind, shown};
use crate::store::StoreError;

/// The code of a plugin that has no list.
pub(super) const CANNOT_LIST: &str = "CANNOT_LIST";

/// Why a check has ended early.
pub(super) struct Stop {
    /// A code of the API, or one of this room.
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// For the log only.
    pub(super) cause: Option<anyhow::Error>,
}

impl Stop {
    fn new(code: &'static str, reason: String) -> Stop {
        Stop { code, reason, cause: None }
    }

    /// The plugin has no list of its provider's resources.
    pub(super) fn cannot_list(why: &str) -> Stop {
        let text = format!("This plugin cannot list its provider's resources: {why}");
        Stop::new(CANNOT_LIST, text)
    }

    pub(super) fn refused(kind: OperationKind, of: &str, failure: &Failure) -> Stop {
        let name = kind.texts().name;
        let (respcode, text) = (failure.respcode, shown(&failure.errormessage));
        let text = format!("The provider's adapter refused {name}{of} with {respcode}: {text}");
        Stop::new("REFUSED", text)
    }

    /// There is more than a check takes.
    pub(super) fn too_long(what: &str, count: usize) -> Stop {
        let (resources, bytes, pages) =
            (fixed::DRIFT_RESOURCES.max, fixed::DRIFT_LIST_BYTES.max, fixed::DRIFT_PAGES.max);
        let text = format!(
            "There are {count} {what}, or more: a check takes at most {resources} resources and accounts, {bytes} bytes and {pages} pages. Nothing was compared, since half a list would make the rest look missing."
        );
        Stop::new("LIST_TOO_LONG", text)
    }

    pub(super) fn lying(kind: OperationKind, what: &str) -> Stop {
        let name = kind.texts().name;
        let text = format!(
            "The provider's adapter answered {name} with something that cannot be: {what}. Its vendor has to mend it."
        );
        Stop::new(ErrorCode::PluginAnswerInvalid.as_str(), text)
    }

    pub(super) fn interrupted(why: &str) -> Stop {
        Stop::new("INTERRUPTED", why.to_owned())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop { code: error.code.as_str(), reason: error.message, cause: error.cause }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Error::from(error).into()
    }
}

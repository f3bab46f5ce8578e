//! Whether what the plugin answers to a read is about what was asked for.

use super::call::Call;
use crate::endpoints::Endpoint;
use crate::error::Result;
use crate::journal::is_id;
use crate::model::{OperationKind, nonsense, shown};
use crate::store::customer::IdRecord;

/// What a read was about, and what the plugin has answered.
pub(super) struct Subject<'a> {
    pub(super) what: &'static str,
    /// As the caller wrote it.
    pub(super) asked: &'a str,
    /// The provider's id of it, where the host knows that.
    pub(super) known: Option<&'a str>,
    pub(super) provider_id: &'a str,
    /// The marketplace's id, where the answer has one.
    pub(super) own_id: Option<&'a str>,
}

impl Subject<'_> {
    /// An answer is about what was asked for: else a caller would be shown one customer as another.
    pub(super) fn check(&self, kind: OperationKind) -> Result<()> {
        let Subject { what, asked, known, provider_id, own_id } = *self;
        let right = match known {
            // Asked by the marketplace's id, the answer has it too, or none.
            Some(known) => {
                provider_id == known && (asked == known || own_id.is_none_or(|own| own == asked))
            }
            None => provider_id == asked || own_id == Some(asked),
        };
        if right {
            return Ok(());
        }
        let shown = shown(provider_id);
        Err(nonsense(kind, &format!("the {what} of the answer, `{shown}`, was not asked for")))
    }
}

impl Call {
    /// An answer is about what was asked for, and does not say that somebody else's id stands for it, too.
    pub(super) async fn check_subject(
        &self,
        endpoint: &Endpoint,
        kind: OperationKind,
        subject: Subject<'_>,
        stands_for: impl Fn(IdRecord) -> Option<String>,
    ) -> Result<()> {
        subject.check(kind)?;
        let Subject { what, asked, provider_id, own_id, .. } = subject;
        let Some(own) = own_id.filter(|own| is_id(own) && *own != asked) else { return Ok(()) };
        match stands_for(self.known(endpoint, own).await?) {
            Some(other) if other != provider_id => {
                let shown = shown(own);
                Err(nonsense(kind, &format!("`{shown}` of the answer is the id of another {what}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_another_is_none() {
        let check = |known, asked, provider_id, own_id| {
            let subject = Subject { what: "account", asked, known, provider_id, own_id };
            subject.check(OperationKind::GetAccount).is_ok()
        };
        // What the host knows: "p" is the provider's id of the marketplace's "m".
        assert!(check(Some("p"), "p", "p", Some("m")) && check(Some("p"), "m", "p", Some("m")));
        assert!(check(Some("p"), "m", "p", None));
        assert!(!check(Some("p"), "p", "q", Some("p")) && !check(Some("p"), "m", "q", Some("m")));
        assert!(!check(Some("p"), "m", "p", Some("n")));
        // What it does not know.
        assert!(check(None, "p", "p", Some("m")) && check(None, "m", "p", Some("m")));
        assert!(!check(None, "p", "q", Some("m")) && !check(None, "p", "q", None));
    }
}

//! Ways to say why an operation did not succeed.

use crate::types::Failure;
use serde::Serialize;
use std::time::Duration;

impl Failure {
    /// The provider says no, and would say no again. `respcode` is CNSP's, 400 to 599; `text` is for
    /// the caller: what happened, why and what to do.
    pub fn refused(respcode: u16, text: impl Into<String>) -> Self {
        Self { respcode, errormessage: text.into(), ..Self::default() }
    }

    /// The provider cannot do this at all. `function` is `interface.function`.
    pub fn unsupported(function: &str) -> Self {
        Self::refused(501, format!("The provider of this endpoint cannot do {function}."))
    }

    /// The request is missing something, or has something wrong in it. `text` names the field.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::refused(400, text)
    }

    /// The same request may succeed later: the host tries again.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The same request may succeed after this wait: the host tries again then.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retryable = true;
        self.retry_after_ms = Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// The envelope's `message`, where it is not the operation's usual one.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// A stable code of the provider.
    #[must_use]
    pub fn code(mut self, errorcode: impl Into<String>) -> Self {
        self.errorcode = Some(errorcode.into());
        self
    }

    /// One more key of the answer's `providerresponse`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        crate::OpenMapExt::put(&mut self.other, key, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_it_was_given() {
        let failure = Failure::refused(404, "Resource not found")
            .message("Suspension of resource failed")
            .code("E1")
            .with("providerinstanceid", "i-1")
            .after(Duration::from_millis(1500));
        assert_eq!(failure.respcode, 404);
        assert_eq!(failure.message.as_deref(), Some("Suspension of resource failed"));
        assert_eq!(failure.errorcode.as_deref(), Some("E1"));
        assert_eq!(failure.other, [("providerinstanceid".to_owned(), r#""i-1""#.to_owned())]);
        assert!(failure.retryable);
        assert_eq!(failure.retry_after_ms, Some(1500));
    }

    #[test]
    fn unsupported_is_501_and_final() {
        let failure = Failure::unsupported("user.assign");
        assert_eq!(failure.respcode, 501);
        assert!(failure.errormessage.contains("user.assign"));
        assert!(!failure.retryable);
    }
}

//! CNSP's envelope, as remotes answer it: `result`, `providerresponse`, `success` and `message`.

use crate::object::{Object, Wrong};
use cnsp_sdk::Failure;

/// What is shown to a caller of a text that the remote wrote.
const TEXT_CHARS_MAX: usize = 2000;
const CODE_CHARS_MAX: usize = 200;

/// An answer that is CNSP's.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) respcode: u16,
    pub(crate) success: bool,
    pub(crate) message: Option<String>,
    /// `providerresponse`, without its `respcode`.
    pub(crate) response: Object,
}

impl Envelope {
    /// Reads the body of an answer with this HTTP status, which counts only where the body says nothing: there
    /// are remotes that answer 200 to everything.
    pub(crate) fn read(text: &str, status: u16) -> Result<Envelope, Wrong> {
        let mut result = Object::parse_body(text)?.required_object("result")?;
        let mut response = result.required_object("providerresponse")?;
        // The sample of "Get Resource" has these two inside of `providerresponse`.
        let success = result.flag("success").or_else(|| response.flag("success"));
        let message = result.text("message").or_else(|| response.text("message"));
        let said = response.whole("respcode").or_else(|| result.whole("respcode"));
        // Whatever else it is, the envelope's own key is not for `other`.
        response.take("respcode");
        let said = said.filter(|code| (100..=599).contains(code));
        let of_refusal = if status >= 400 { status } else { 500 };
        let (success, respcode) = match (success, said) {
            (None, None) => {
                return Err(Wrong("it has neither `success` nor `respcode`".to_owned()));
            }
            (Some(false), Some(code)) if code < 400 => (false, of_refusal),
            (Some(success), Some(code)) => (success && code < 400, code),
            (Some(true), None) => (true, 200),
            (Some(false), None) => (false, of_refusal),
            (None, Some(code)) => (code < 400, code),
        };
        Ok(Envelope { respcode, success, message, response })
    }

    /// The remote's refusal, in its own words.
    pub(crate) fn into_failure(mut self) -> Result<Failure, Wrong> {
        let texts = [self.response.text("errormessage"), self.response.text("errorMessage")];
        let text = texts.into_iter().flatten().find(|text| !text.trim().is_empty());
        let text = text.or_else(|| self.message.clone());
        let text = text.unwrap_or_else(|| "The provider refused, and did not say why.".to_owned());
        let mut failure = Failure::refused(self.respcode, clean(&text, TEXT_CHARS_MAX));
        failure.message = self.message.map(|message| clean(&message, TEXT_CHARS_MAX));
        failure.errorcode =
            self.response.text("errorcode").map(|code| clean(&code, CODE_CHARS_MAX));
        failure.other = self.response.rest()?;
        // Those that were no text: the host has these keys itself.
        failure.other.retain(|(key, _)| {
            !matches!(key.as_str(), "errormessage" | "errorMessage" | "errorcode")
        });
        Ok(failure)
    }
}

/// A text of the remote's, short and without control characters.
pub(crate) fn clean(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, status: u16) -> Envelope {
        Envelope::read(text, status).unwrap()
    }

    #[test]
    fn the_body_decides_and_the_status_only_where_it_is_silent() {
        let of = |rest: &str, status| {
            let envelope = read(&format!("{{\"result\":{{\"providerresponse\":{rest}}}}}"), status);
            (envelope.success, envelope.respcode)
        };
        assert_eq!(of(r#"{"respcode":201},"success":true"#, 200), (true, 201));
        assert_eq!(of(r#"{"respcode":204},"success":true"#, 500), (true, 204));
        assert_eq!(of(r#"{"respcode":404},"success":false"#, 200), (false, 404));
        assert_eq!(of(r#"{"respcode":"404"},"success":"false""#, 200), (false, 404));
        assert_eq!(of(r#"{"respcode":404},"success":true"#, 200), (false, 404));
        assert_eq!(of(r#"{"respcode":200},"success":false"#, 200), (false, 500));
        assert_eq!(of(r#"{"respcode":200},"success":false"#, 403), (false, 403));
        assert_eq!(of(r#"{},"success":false"#, 403), (false, 403));
        assert_eq!(of(r#"{},"success":true"#, 200), (true, 200));
        assert_eq!(of(r#"{"respcode":200}"#, 200), (true, 200));
        assert_eq!(of(r#"{},"respcode":403"#, 200), (false, 403));
        assert_eq!(of(r#"{"respcode":7000},"success":true"#, 200), (true, 200));
        assert_eq!(of(r#"{"respcode":200,"success":true,"message":"m"}"#, 200), (true, 200));
        for wrong in ["", "{}", r#"{"result":{}}"#, r#"{"result":{"providerresponse":{}}}"#] {
            assert!(Envelope::read(wrong, 200).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_remotes_words_in_either_spelling() {
        for key in ["errormessage", "errorMessage"] {
            let text = format!(
                r#"{{"result":{{"providerresponse":{{"{key}":"Resource not\u0000 found","respcode":404,"errorcode":"E1","providerinstanceid":"i-1"}},"success":false,"message":"Suspension of resource failed"}}}}"#
            );
            let failure = read(&text, 200).into_failure().unwrap();
            assert_eq!(failure.respcode, 404);
            assert_eq!(failure.errormessage, "Resource not  found");
            assert_eq!(failure.message.as_deref(), Some("Suspension of resource failed"));
            assert_eq!(failure.errorcode.as_deref(), Some("E1"));
            assert_eq!(failure.other, [("providerinstanceid".to_owned(), "\"i-1\"".to_owned())]);
        }
        let silent =
            r#"{"result":{"providerresponse":{"errormessage":{},"errorcode":7},"success":false}}"#;
        let failure = read(silent, 400).into_failure().unwrap();
        assert!(failure.errormessage.contains("did not say why"));
        assert!(failure.other.is_empty());
        let long = format!(
            r#"{{"result":{{"providerresponse":{{"errormessage":"{}"}},"success":false}}}}"#,
            "x".repeat(100_000)
        );
        assert_eq!(read(&long, 400).into_failure().unwrap().errormessage.len(), TEXT_CHARS_MAX);
    }
}

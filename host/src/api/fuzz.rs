//! Any body from a caller, and any answer of a plugin.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what does not hold has to be seen"
)]

use super::envelope;
use crate::error::ErrorCode;
use crate::model::json::OpenMap;
use crate::model::{
    Answer, Change, CreatedResource, Failure, OperationKind, RespParam, Tier, UsageFeed,
    UsageRecord, body,
};
use serde_json::Value;

/// In a value, and in no text of ours.
const CANARY: &str = "\u{a7}";
/// Numbers of so many digits are in no text of ours.
const TOLD_DIGITS_MIN: usize = 5;
/// Between the texts that a plugin answers.
const SEPARATOR: char = '\x1f';
/// What a character of an answer may become in JSON, and what the host puts around an answer.
const ESCAPED_BYTES_MAX: usize = 6;
const ENVELOPE_BYTES_MAX: usize = 1000;

/// A line that says whose body it is, then the body. `answer`: the texts of what a plugin answers.
pub fn bodies(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    match std::str::from_utf8(line) {
        Ok("answer") => answer(&String::from_utf8_lossy(rest)),
        Ok(name) => request(name, rest),
        Err(_) => {}
    }
}

/// A body is refused in words that hold none of its values, or is understood whole: each number digit for digit.
fn request(name: &str, bytes: &[u8]) {
    if body::check_strict(bytes).is_err() {
        return;
    }
    let text = std::str::from_utf8(bytes).expect("strict JSON is text");
    let value: Value = serde_json::from_str(text).expect("strict JSON is JSON");
    let written = value.to_string();
    assert_eq!(numbers(&written), numbers(text));
    body::check_strict(written.as_bytes()).expect("what we write is strict");
    let change = match Change::parse(name, written.as_bytes()) {
        Ok(change) => change,
        Err(error) if error.code == ErrorCode::Internal => {
            let cause = error.cause.expect("it says why");
            return assert!(cause.to_string().contains("is not a change"), "{cause:#}");
        }
        Err(error) => {
            assert_eq!(error.code, ErrorCode::InvalidRequest);
            let mut keys = String::new();
            gather_keys(&value, &mut keys);
            let told = &error.message;
            assert!(!told.contains(CANARY) || keys.contains(CANARY), "{told}");
            for number in numbers(text).iter().filter(|number| number.len() >= TOLD_DIGITS_MIN) {
                assert!(
                    !told.contains(number.as_str()) || keys.contains(number.as_str()),
                    "{told}"
                );
            }
            return;
        }
    };
    assert!(change.kind().texts().name == name || name.starts_with("resource."), "{name}");
    let _names_no_panic =
        (change.subject(), change.queue(), change.user(), change.instance(), change.sku());
    for (key, text) in other(&change) {
        assert_eq!(serde_json::from_str::<Value>(text).ok().as_ref(), value.get(key), "{key}");
    }
    // What no member of ours is called has to be there.
    for key in value.as_object().expect("a body is an object").keys() {
        let is_kept = other(&change).iter().any(|(kept, _)| kept == key);
        assert!(is_kept || key.bytes().all(|c| c.is_ascii_alphabetic()), "{key} is lost");
    }
    if let Change::CreateResource(request) = &change {
        for (key, option) in &request.parameters.custom_options {
            let sent = &value["parameters"][key];
            let kept = option.other.iter().map(|(key, text)| (key.as_str(), text));
            for (key, text) in kept.chain([("value", &option.value)]) {
                assert_eq!(serde_json::from_str::<Value>(text).ok().as_ref(), sent.get(key));
            }
        }
    }
    if let Some(requestor) = change.requestor() {
        let mut sent = value["requestor"].clone();
        let members = sent.as_object_mut().expect("it was taken");
        let own = ["accountid", "accountname", "provideraccountid", "userid", "provideruserid"];
        members.retain(|key, value| !value.is_null() || !own.contains(&key.as_str()));
        let back = serde_json::to_string(requestor).expect("it is JSON");
        assert_eq!(serde_json::from_str::<Value>(&back).ok(), Some(sent));
    }
}

fn other(change: &Change) -> &OpenMap {
    match change {
        Change::CreateAccount(request) => &request.other,
        Change::UpdateAccount(request) => &request.other,
        Change::DeleteAccount(request) => &request.other,
        Change::CreateUser(request) => &request.other,
        Change::UpdateUser(request) => &request.other,
        Change::DeleteUser(request) => &request.other,
        Change::AssignSeat(request) | Change::RevokeSeat(request) => &request.other,
        Change::CreateResource(request) => &request.other,
        Change::UpdateResource(request) => &request.other,
        Change::ActOnResource(request) => &request.other,
        Change::DeleteResource(request) => &request.other,
    }
}

fn gather_keys(value: &Value, keys: &mut String) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather_keys(item, keys)),
        Value::Object(members) => {
            for (key, member) in members {
                keys.push_str(key);
                keys.push('\n');
                gather_keys(member, keys);
            }
        }
        _ => {}
    }
}

/// The numbers of a JSON text as they are written there, sorted. The sign of a positive exponent may go.
fn numbers(json: &str) -> Vec<String> {
    let (mut found, mut current) = (Vec::new(), String::new());
    let (mut in_text, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '0'..='9' | '-' | '+' | '.' => current.push(c),
            'e' | 'E' if !current.is_empty() => current.push('e'),
            _ if !current.is_empty() => found.push(std::mem::take(&mut current)),
            _ => {}
        }
    }
    found.extend(Some(current).filter(|number| !number.is_empty()));
    found.iter_mut().for_each(|number| *number = number.replace("e+", "e"));
    found.sort();
    found
}

/// An answer is refused, or goes out as the envelope with all that the plugin has said, and no more.
fn answer(texts: &str) {
    let said: Vec<String> = texts.split(SEPARATOR).map(str::to_owned).collect();
    let text = |at: usize| said.get(at).cloned().unwrap_or_default();
    let pairs = said.get(3..).unwrap_or_default().as_chunks::<2>().0;
    let other: OpenMap = pairs.iter().cloned().map(|[key, value]| (key, value)).collect();
    let failure = Failure {
        respcode: text(0).parse().unwrap_or(400),
        message: said.get(1).cloned(),
        errormessage: text(2),
        errorcode: said.get(1).cloned(),
        retryable: said.len().is_multiple_of(2),
        retry_after_ms: text(0).parse().ok(),
        other: other.clone(),
    };
    let refused = Answer::refused(OperationKind::CreateResource, &failure);
    check(texts, refused.ok(), &other, |_| {});
    let param = |value: &String| RespParam { label: None, value: value.clone(), other: Vec::new() };
    let created = CreatedResource {
        providerinstanceid: text(0),
        subscriptionid: None,
        username: None,
        password: said.get(1).cloned(),
        status: text(2),
        respparams: said
            .get(1)
            .map(param)
            .map(|param| ("respparam1".to_owned(), param))
            .into_iter()
            .collect(),
        other: other.clone(),
    };
    check(texts, Answer::done(OperationKind::CreateResource, &created).ok(), &other, |body| {
        assert_eq!(body["providerinstanceid"], created.providerinstanceid);
    });
    let tier = Tier {
        sequencenumber: 1,
        startingvalue: text(0),
        endingvalue: said.get(1).cloned(),
        chargeamount: text(2),
        chargeamountunit: String::new(),
        currencycode: String::new(),
        isdefault: true,
        isenabled: false,
        other: other.clone(),
    };
    check(texts, Answer::done(OperationKind::ListCatalog, &tier).ok(), &other, |body| {
        check_decimal(&text(0), &body["startingvalue"].to_string());
        check_decimal(&text(2), body["chargeamount"].as_str().expect("it is a text"));
    });
    let record = UsageRecord {
        subscriptionid: None,
        instanceid: text(1),
        chargeid: text(2),
        usage_start_time: String::new(),
        usage_end_time: String::new(),
        object_type: String::new(),
        meter_name: String::new(),
        meter_region: None,
        meter_category: None,
        unit: String::new(),
        info_fields: other.clone(),
        quantity: text(0),
        other: Vec::new(),
    };
    let feed = UsageFeed {
        accountid: None,
        usage_start_time: String::new(),
        usage_end_time: String::new(),
        usagefeed: vec![record],
        partial: false,
        next: None,
        other: other.clone(),
    };
    check(texts, Answer::done(OperationKind::Usage, &feed).ok(), &other, |body| {
        check_decimal(&text(0), &body["usagefeed"][0]["quantity"].to_string());
    });
}

fn check(said: &str, answer: Option<Answer>, other: &OpenMap, body: impl Fn(&Value)) {
    let Some(answer) = answer else { return };
    let wire = envelope::wire(&answer, "");
    let wire = std::str::from_utf8(&wire).expect("an answer is text");
    let (_, json) = wire.split_once("\r\n\r\n").expect("a head and a body");
    body::check_strict(json.as_bytes()).expect("an answer is strict JSON");
    let blown_up = ESCAPED_BYTES_MAX * 3 * said.len() + ENVELOPE_BYTES_MAX;
    assert!(json.len() <= blown_up, "{} bytes became {}", said.len(), json.len());
    let value: Value = serde_json::from_str(json).expect("strict JSON is JSON");
    let result = &value["result"];
    assert_eq!(result["success"], answer.success);
    assert_eq!(result["message"], answer.message);
    let response = &result["providerresponse"];
    assert_eq!(response["respcode"], answer.respcode);
    for (key, text) in other {
        let kept: Value = serde_json::from_str(text).expect("it was taken for JSON");
        assert_eq!(response.get(key), Some(&kept), "{key}");
        assert_eq!(numbers(&kept.to_string()), numbers(text));
    }
    body(response);
    // What is stored for replays comes back the same.
    if answer.check_stored(OperationKind::CreateResource).is_ok() {
        let stored = serde_json::to_vec(&answer).expect("it can be stored");
        let read: Answer = serde_json::from_slice(&stored).expect("it can be read");
        assert_eq!(envelope::wire(&read, ""), envelope::wire(&answer, ""));
    }
}

/// A decimal is shown with every digit that the plugin has given, and no other.
fn check_decimal(said: &str, shown: &str) {
    let digits = |text: &str| {
        let text = text.trim_start_matches(['-', '+']).replace('_', "");
        let text = text.trim_start_matches('0').to_owned();
        match text.split_once('.') {
            Some((whole, part)) => (whole.to_owned(), part.to_owned()),
            None => (text, String::new()),
        }
    };
    let is_negative =
        |text: &str| text.starts_with('-') && text.contains(|c| matches!(c, '1'..='9'));
    assert_eq!((digits(said), is_negative(said)), (digits(shown), is_negative(shown)), "{said}");
}

//! Texts that must not show: looked for in everything that a host has logged and stored, in every form that one could
//! get into there.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use cnsp_tests::host::Host;
use std::path::Path;

/// A text as it is, in base64 wherever in it the text begins, in hexadecimal, and percent-encoded.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned()];
    for before in 0..3 {
        let padded = [vec![0; before], bytes.to_vec()].concat();
        for encoded in [BASE64_STANDARD.encode(&padded), BASE64_URL_SAFE.encode(&padded)] {
            // Only those characters that come of it alone.
            let (from, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
            forms.push(encoded[from..end].to_owned());
        }
    }
    let each = |form: fn(&u8) -> String| bytes.iter().map(form).collect::<String>();
    forms.push(each(|byte| format!("{byte:02x}")));
    forms.push(each(|byte| format!("{byte:02X}")));
    forms.push(each(|byte| format!("%{byte:02X}")));
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let escaped = |byte: &u8| match plain(byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let escaped: String = bytes.iter().map(escaped).collect();
    forms.extend([escaped.to_lowercase(), escaped]);
    forms
}

/// The first of these texts that is in there.
fn found<'a>(bytes: &[u8], texts: &'a [String]) -> Option<&'a String> {
    // Looked up at every byte, since this is for many texts and a lot of bytes.
    let begin = |pair: &[u8]| usize::from(pair[0]) << 8 | usize::from(pair[1]);
    let mut begins = vec![false; 1 << 16];
    for text in texts {
        begins[begin(text.as_bytes())] = true;
    }
    let places = bytes.windows(2).enumerate().filter(|(_, pair)| begins[begin(pair)]);
    places
        .into_iter()
        .find_map(|(at, _)| texts.iter().find(|text| bytes[at..].starts_with(text.as_bytes())))
}

/// None of these is in the host's log or in its data folder.
#[track_caller]
pub(crate) fn check_hidden(host: &Host, secrets: &[&str]) {
    let forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    let log = host.log();
    if let Some(form) = found(log.as_bytes(), &forms) {
        let line = log.lines().find(|line| line.contains(form));
        panic!("`{form}` is in the log: {line:?}");
    }
    check_files(&host.data(), &forms);
}

#[track_caller]
fn check_files(folder: &Path, forms: &[String]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_files(&path, forms);
        } else if let Ok(bytes) = std::fs::read(&path) {
            assert_eq!(found(&bytes, forms), None, "in {}", path.display());
        }
    }
}

#[test]
fn a_secret_is_recognised_in_each_form() {
    let secret = "päss/word-canary";
    let forms = forms(secret);
    for before in ["", "a", "ab", "abc"] {
        let encoded = BASE64_STANDARD.encode(format!("{before}{secret}and more"));
        assert!(found(encoded.as_bytes(), &forms).is_some(), "{encoded}");
    }
    for text in ["p%C3%A4ss%2Fword-canary", "70c3a473732f776f72642d63616e617279"] {
        assert!(found(text.as_bytes(), &forms).is_some(), "{text}");
    }
    assert_eq!(found(b"p%C3%A4ss%2Fword", &forms), None);
}

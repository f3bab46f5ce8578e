//! JSON as the specification's samples write it: with a comma too few, a comma too many, or a brace too many
//! at the end. What is meant is never in doubt there; anything else stays refused.

/// The text with those slips mended.
pub(crate) fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut depth: usize = 0;
    // Whether a value, or a key, has just ended: what follows without a comma lacks one.
    let mut after_value = false;
    // Where a comma is that nothing has followed yet.
    let mut comma: Option<usize> = None;
    while let Some(first) = rest.chars().next() {
        let length = token(rest);
        let (word, behind) = rest.split_at(length);
        rest = behind;
        match first {
            _ if first.is_whitespace() => {}
            '}' | ']' if depth == 0 => continue,
            '}' | ']' => {
                if let Some(at) = comma.take() {
                    mended.remove(at);
                }
                depth -= 1;
                after_value = true;
            }
            ',' => {
                comma = Some(mended.len());
                after_value = false;
            }
            ':' => after_value = false,
            _ => {
                if after_value && depth > 0 {
                    mended.push(',');
                }
                comma = None;
                let opens = matches!(first, '{' | '[');
                depth += usize::from(opens);
                after_value = !opens;
            }
        }
        mended.push_str(word);
    }
    mended
}

/// How many bytes the token has with which a text begins.
fn token(text: &str) -> usize {
    let mut chars = text.char_indices();
    match chars.next() {
        Some((_, '"')) => {
            let mut escaped = false;
            let end = chars.find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(text.len(), |(at, _)| at + 1)
        }
        Some((_, c)) if "{}[],:".contains(c) || c.is_whitespace() => c.len_utf8(),
        _ => {
            let ends = |c: char| "{}[],:\"".contains(c) || c.is_whitespace();
            text.find(ends).unwrap_or(text.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> serde_json::Value {
        serde_json::from_str(&mend(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_json_stays_as_it_is() {
        for text in [
            r#"{"a":[1,-2.50e3,"x, } ] \" \\",null,true,{}],"b":{"c":[]}}"#,
            " [ ] ",
            r#""text""#,
            "12.500",
        ] {
            assert_eq!(mend(text), text);
        }
    }

    #[test]
    fn commas_and_braces_are_mended() {
        let expected = serde_json::json!({"a": "1", "b": [1, {"c": 2}], "d": true});
        for text in [
            r#"{"a":"1" "b":[1,{"c":2}],"d":true}"#,
            r#"{"a":"1","b":[1 {"c":2}] "d":true}"#,
            r#"{"a":"1","b":[1,{"c":2,},],"d":true , }"#,
            r#"{"a":"1","b":[1,{"c":2}],"d":true}}}"#,
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_clear_stays_wrong() {
        for text in ["", "{", r#"{"a"}"#, r#"{"role":[role]}"#, "[1,,2]", "{]", "<html>", r#""a"#] {
            let mended = mend(text);
            assert!(serde_json::from_str::<serde_json::Value>(&mended).is_err(), "{text}");
        }
    }
}

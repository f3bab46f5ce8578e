use super::*;

fn object(text: &str) -> Object {
    Object::parse_body(text).unwrap()
}

#[test]
fn members_are_taken_once_and_the_rest_stays_in_order() {
    let mut object =
        object(r#"{"z":1.10,"name":"Ada","a":{"k":1E400,"k2":[ 1 ]},"phone":12,"no":null}"#);
    assert_eq!(object.text("name").as_deref(), Some("Ada"));
    assert_eq!(object.text("name"), None);
    assert_eq!(object.text("phone"), None, "a number is no text, and stays");
    assert_eq!(object.take("no"), None);
    let rest = object.rest().unwrap();
    let rest: Vec<(&str, &str)> = rest.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(rest, [("z", "1.10"), ("a", r#"{"k":1E400,"k2":[1]}"#), ("phone", "12")]);
}

#[test]
fn spellings_of_yes_and_of_numbers_are_understood() {
    let mut object = object(
        r#"{"a":true,"b":1,"c":"0","d":"TRUE","e":2,"n":"17","m":17,"f":1.5e1,"g":"x","id":17}"#,
    );
    for (key, flag) in [("a", true), ("b", true), ("c", false), ("d", true)] {
        assert_eq!(object.flag(key), Some(flag), "{key}");
    }
    assert_eq!(object.flag("e"), None);
    assert_eq!((object.whole::<u64>("n"), object.whole::<u64>("m")), (Some(17), Some(17)));
    assert_eq!(object.decimal("f").as_deref(), Some("15"));
    assert_eq!(object.decimal("g"), None);
    assert_eq!(object.required_text("id").unwrap(), "17");
    assert!(object.required_text("g").is_ok());
    assert!(object.required_text("g").unwrap_err().0.contains("`g` is missing"));
    assert!(object.required_text("none").is_err());
}

#[test]
fn the_last_of_two_equal_keys_counts_at_every_depth() {
    let mut object = object(r#"{"m":{"a":1,"b":{"c":1,"c":[{"d":1,"d":2}]},"a":3}}"#);
    let map = object.map("m").unwrap();
    assert_eq!(crate::body::render(&map), r#"{"a":3,"b":{"c":[{"d":2}]}}"#);
}

#[test]
fn an_empty_map_has_many_spellings_and_a_wrong_one_is_named() {
    let mut object = object(r#"{"a":[],"b":null,"c":{},"d":{"list":[{"x":"no"}]}}"#);
    for key in ["a", "b", "c", "none"] {
        assert!(object.map(key).unwrap().is_empty(), "{key}");
    }
    let mut inner = object.required_object("d").unwrap();
    let mut items = inner.required_list("list").unwrap();
    let wrong = items[0].map("x").unwrap_err();
    assert_eq!(wrong.0, "`d.list[0].x` is no object");
}

#[test]
fn slips_are_mended_and_nonsense_is_not() {
    let mended = object("\u{feff}{\"a\":{\"b\":1 \"c\":2,},}}");
    assert_eq!(mended.rest().unwrap(), [("a".to_owned(), r#"{"b":1,"c":2}"#.to_owned())]);
    assert_eq!(cnsp_sdk::testing::take_log().len(), 1);
    for text in ["", "[]", "null", "<html>", "{\"a\":[role]}"] {
        assert!(Object::parse_body(text).is_err(), "{text}");
    }
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1000), "]".repeat(1000));
    assert!(object(&deep).rest().is_err());
}

#[test]
fn a_librarys_private_names_are_names_like_others() {
    for json in [
        r#"{"$serde_json::private::Number":"12"}"#,
        r#"{"$serde_json::private::RawValue":"{broken"}"#,
    ] {
        let rest = object(&format!("{{\"a\":{json}}}")).rest().unwrap();
        assert_eq!(rest, [("a".to_owned(), json.to_owned())]);
    }
}

use crate::schema::{Options, Said, When};
use serde_json::{Value, json};

fn schemas(create: &Value) -> Value {
    json!({ "service_instance": { "create": { "parameters": create } } })
}

fn schema(properties: &Value) -> Value {
    json!({ "$schema": "http://json-schema.org/draft-06/schema#", "properties": properties })
}

fn said(key: &str, title: Option<&str>, value: Value) -> Vec<Said> {
    vec![Said { key: key.to_owned(), title: title.map(str::to_owned), value }]
}

#[test]
fn a_schema_that_breaks_the_rules_is_left_out_and_says_why() {
    for (create, why) in [
        (json!({ "properties": {} }), "$schema"),
        (json!(7), "$schema"),
        (json!({ "$schema": "x" }), "no properties"),
        (schema(&json!({ "a": { "enum": ["x".repeat(65_536)] } })), "65536"),
        (schema(&json!({ "a": { "items": [{ "$ref": "https://x.example" }] } })), "outside"),
    ] {
        let options = Options::read(Some(&schemas(&create)));
        assert!(options.list.is_empty());
        assert!(options.problem.unwrap().contains(why), "{why}");
    }
    let own = schema(&json!({ "a": { "$ref": "#/definitions/a" } }));
    assert!(Options::read(Some(&schemas(&own))).problem.is_none());
    assert!(Options::read(None).problem.is_none());
    assert!(Options::read(Some(&json!({ "service_instance": null }))).problem.is_none());
}

#[test]
fn more_parameters_than_a_form_shows_can_still_be_named() {
    let properties: serde_json::Map<String, Value> =
        (0..65).map(|number| (format!("p{number:02}"), json!({}))).collect();
    let options = Options::read(Some(&schemas(&schema(&Value::Object(properties)))));
    assert_eq!(options.shown().count(), 64);
    assert!(options.declared("p64", When::Create).is_some());
    assert!(options.problem.unwrap().contains("64"));
}

#[test]
fn options_are_named_by_title_or_number_and_checked() {
    let properties = json!({
        "b": { "title": "The second", "type": ["integer", "null"] },
        "a": { "enum": ["x", 1.50] },
        "c": {},
    });
    let options = Options::read(Some(&schemas(&schema(&properties))));
    let choose = |said| options.choose(said, When::Create).map(Value::Object);
    assert_eq!(choose(said("customoption1", None, json!("x"))).unwrap(), json!({ "a": "x" }));
    let second = said("customoption9", Some("The second"), json!(null));
    assert_eq!(choose(second).unwrap(), json!({ "b": null }));
    assert_eq!(choose(said("customoption3", None, json!([1]))).unwrap(), json!({ "c": [1] }));
    for wrong in [
        said("customoption1", None, json!("y")),
        said("customoption2", None, json!(1.5)),
        said("customoption0", None, json!(1)),
        said("customoption4", None, json!(1)),
        said("customoption99999999999999999999", None, json!(1)),
        said("customoption", None, json!(1)),
        said("customoption1", Some("another"), json!("x")),
    ] {
        assert_eq!(choose(wrong).unwrap_err().respcode, 400);
    }
    let update = options.choose(said("customparam1", None, json!("x")), When::Update);
    assert!(update.unwrap_err().errormessage.contains("cannot be changed"));
}

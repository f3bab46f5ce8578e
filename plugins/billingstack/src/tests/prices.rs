//! BillingStack's free-form pricing, row by row.

use crate::price::{decimal, read};
use cnsp_sdk::OpenMapExt;
use serde_json::{Number, Value};

/// Start, end and amount of each tier.
type Tiers = &'static [(&'static str, Option<&'static str>, &'static str)];

fn priced(pricing: &str) -> Result<crate::price::Priced, String> {
    let pricing: Value = serde_json::from_str(pricing).unwrap();
    read(&pricing, "gauge", "gb", "nok")
}

#[test]
fn prices_that_are_understood_are_tiers() {
    let rows: &[(&str, Tiers, usize)] = &[
        (r#"{"type":"fixed","price":15}"#, &[("0", None, "15")], 0),
        (r#"[{"type":"fixed","price":0.10}]"#, &[("0", None, "0.10")], 0),
        (r#"[{"type":"fixed","price":1e-3}]"#, &[("0", None, "0.001")], 0),
        (
            r#"[{"type":"volume-range","ranges":[{"to":9.99,"price":100},{"from":10,"to":19.99,"price":50},{"from":20,"price":50}]}]"#,
            &[("0", Some("10"), "100"), ("10", Some("20"), "50"), ("20", None, "50")],
            2,
        ),
        // Whole numbers, out of order, and one that is closed already.
        (
            r#"{"type":"volume-range","ranges":[{"from":10,"price":1},{"from":0,"to":4,"price":3},{"from":5,"to":10,"price":2}]}"#,
            &[("0", Some("5"), "3"), ("5", Some("10"), "2"), ("10", None, "1")],
            1,
        ),
        // The last may end: nothing more can be used.
        (r#"{"type":"volume-range","ranges":[{"to":5,"price":3}]}"#, &[("0", Some("5"), "3")], 0),
    ];
    for (pricing, tiers, closed) in rows {
        let priced = priced(pricing).unwrap_or_else(|why| panic!("{pricing}: {why}"));
        let found: Vec<_> = priced
            .price
            .tierpricing
            .iter()
            .map(|tier| (&*tier.startingvalue, tier.endingvalue.as_deref(), &*tier.chargeamount))
            .collect();
        assert_eq!(found, *tiers, "{pricing}");
        assert_eq!(priced.closed.len(), *closed, "{pricing}");
        let mode = priced.price.other.text("tiermode");
        assert_eq!(mode.as_deref(), (tiers.len() > 1).then_some("volume"), "{pricing}");
        let first = &priced.price.tierpricing[0];
        assert_eq!((&*first.chargeamountunit, &*first.currencycode), ("/gb", "nok"));
    }
}

#[test]
fn prices_with_holes_are_refused_and_say_where() {
    for (pricing, why) in [
        (
            r#"{"type":"volume-range","ranges":[{"to":9,"price":1},{"from":20,"price":1}]}"#,
            "between 9 and 20",
        ),
        (
            r#"{"type":"volume-range","ranges":[{"to":9.9,"price":1},{"from":10.01,"price":1}]}"#,
            "between 9.9 and 10.01",
        ),
        (
            r#"{"type":"volume-range","ranges":[{"to":11,"price":1},{"from":10,"price":1}]}"#,
            "overlap",
        ),
        (r#"{"type":"volume-range","ranges":[{"price":1},{"from":10,"price":1}]}"#, "never ends"),
        (r#"{"type":"volume-range","ranges":[{"from":1,"price":1}]}"#, "begin at 0"),
        (r#"{"type":"volume-range","ranges":[{"to":0,"price":1}]}"#, "where it begins"),
        (r#"{"type":"volume-range","ranges":[{"to":0,"price":1},{"from":0,"price":1}]}"#, "0"),
        (r#"{"type":"volume-range","ranges":[]}"#, "0 ranges"),
        (r#"{"type":"fixed","price":-1}"#, "below 0"),
        (r#"{"type":"fixed","price":"1"}"#, "neither"),
        (r#"{"type":"fixed","price":1e40}"#, "28 digits"),
        (r#"{"type":"moon"}"#, "neither"),
        (r#"[{"type":"fixed","price":1},{"type":"fixed","price":1}]"#, "2 rules"),
        ("[]", "0 rules"),
        ("null", "neither"),
    ] {
        let told = priced(pricing).expect_err(pricing);
        assert!(told.contains(why), "{pricing}: {told}");
    }
}

#[test]
fn floats_are_read_as_decimals() {
    for (text, expected) in [
        ("0.1", Some("0.1")),
        ("250", Some("250")),
        ("1.025e1", Some("10.25")),
        ("1E2", Some("100")),
        ("-3", Some("-3")),
        ("0.30000000000000004", Some("0.30000000000000004")),
        ("1e99", None),
    ] {
        let number: Number = serde_json::from_str(text).unwrap();
        assert_eq!(
            decimal(&number).map(|number| number.to_string()).as_deref(),
            expected,
            "{text}"
        );
    }
}

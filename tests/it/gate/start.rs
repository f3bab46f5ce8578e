//! What a component does when it is instantiated, before anybody calls it.

use super::{component, declared, refusal, with_module, with_section};
use cnsp_tests::host::Host;
use std::time::Duration;

/// A plugin that is right, with one more component.
fn with_component(text: &str) -> Vec<u8> {
    with_section(4, &component(text), 5)
}

#[test]
fn a_start_that_does_not_end_or_fails_is_refused() {
    let host = Host::start();
    let start = |body: &str| {
        let text = format!("(module (func $f {body}) (start $f))");
        with_module(&wat::parse_str(text).unwrap())
    };
    for (body, words) in [
        ("(loop br 0)", "start did not end within 500ms"),
        ("unreachable", "start failed: wasm trap: wasm `unreachable`"),
        ("call 0", "start failed: wasm trap: call stack exhausted"),
    ] {
        let text = refusal(&host, &start(body), Duration::from_secs(10));
        assert!(text.contains(words), "{text}");
    }
    // What was spliced in is all that was wrong.
    host.apply_right(declared(&start("nop")).path());
    host.operator().at("upload").get("/discovery").succeeded();
}

/// Two components inside of one: the first has a resource, the second does this with its handles at the start.
fn handles(start: &str) -> Vec<u8> {
    with_component(&format!(
        r#"(component
        (component $Maker
            (type $thing (resource (rep i32)))
            (export $shown "thing" (type $thing))
            (core func $new (canon resource.new $thing))
            (core module $m
                (import "" "new" (func $new (param i32) (result i32)))
                (func (export "make") (result i32) (call $new (i32.const 7)))
                (func (export "done") (param i32)))
            (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
            (func (export "make") (result (own $shown)) (canon lift (core func $i "make")))
            (func (export "look") (param "it" (borrow $shown)) (canon lift (core func $i "done")))
            (func (export "take") (param "it" (own $shown)) (canon lift (core func $i "done"))))
        (component $User
            (import "maker" (instance $maker
                (export "thing" (type $thing (sub resource)))
                (export "make" (func (result (own $thing))))
                (export "look" (func (param "it" (borrow $thing))))
                (export "take" (func (param "it" (own $thing))))))
            (alias export $maker "thing" (type $thing))
            (core func $make (canon lower (func $maker "make")))
            (core func $look (canon lower (func $maker "look")))
            (core func $take (canon lower (func $maker "take")))
            (core func $drop (canon resource.drop $thing))
            (core module $m
                (import "" "make" (func $make (result i32)))
                (import "" "look" (func $look (param i32)))
                (import "" "take" (func $take (param i32)))
                (import "" "drop" (func $drop (param i32)))
                (func $start (local $it i32) {start})
                (start $start))
            (core instance (instantiate $m (with "" (instance
                (export "make" (func $make)) (export "look" (func $look))
                (export "take" (func $take)) (export "drop" (func $drop)))))))
        (instance $maker (instantiate $Maker))
        (instance (instantiate $User (with "maker" (instance $maker)))))"#
    ))
}

#[test]
fn who_mistakes_handles_at_the_start_is_refused() {
    let host = Host::start();
    let make = "(local.set $it (call $make))";
    let call = |name: &str| format!("(call ${name} (local.get $it))");
    let [look, take, drop] = ["look", "take", "drop"].map(call);
    for (start, words) in [
        (drop.clone(), "unknown handle index 0"),
        ("(call $take (i32.const 12345))".to_owned(), "unknown handle index 12345"),
        ("(call $look (i32.const 12345))".to_owned(), "unknown handle index 12345"),
        (format!("{make} {take} {take}"), "unknown handle index 1"),
        (format!("{make} {take} {look}"), "unknown handle index 1"),
        (format!("{make} {take} {drop}"), "unknown handle index 1"),
        (format!("{make} {drop} {take}"), "unknown handle index 1"),
        ("(loop (drop (call $make)) (br 0))".to_owned(), "store handle limit exceeded"),
    ] {
        let text = refusal(&host, &handles(&start), Duration::from_secs(10));
        assert!(text.contains("does not start") && text.contains(words), "{start}: {text}");
        assert!(!text.contains("backtrace"), "{text}");
    }
    // Handles as they are meant are nobody's trouble.
    host.apply_right(declared(&handles(&format!("{make} {look} {look} {take}"))).path());
    host.operator().at("upload").get("/discovery").succeeded();
}

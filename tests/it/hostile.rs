//! Guests that no compiler makes: what they answer, how they clean up and how they loop breaks the rules of the
//! component model or of WebAssembly. Each file of `tests/fixtures/hostile` has its outcome here. Whatever it
//! is, it comes in time, the caller learns nothing of the guest's inside, and a neighbour notices nothing.

use cnsp_tests::bodies::{account, unique};
use cnsp_tests::check_time;
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::handmade;
use cnsp_tests::host::{Host, Options};
use cnsp_tests::neighbour::beside;
use cnsp_tests::setup::SetupFolder;
use std::time::{Duration, Instant};

/// The computing that a call may do here, in milliseconds.
const CPU_MS: u64 = 100;
/// How long a call of any of them may take. One that computes ends soon after [`CPU_MS`].
const CALL_MAX: Duration = Duration::from_secs(3);

/// What is called.
#[derive(Clone, Copy)]
enum Call {
    /// `account.get`.
    Get,
    /// `account.create`, which has a record for an argument.
    Create,
    /// `health.check`, which answers lists.
    Health,
}

/// What comes of it.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It is stopped at this limit.
    Over(&'static str),
    /// It traps, or breaks the component model's rules; the log has these words.
    Trapped(&'static str),
    /// It does what it is allowed to.
    Answered,
}

use Call::{Create, Get, Health};
use End::{Answered, Over, Trapped};

const CASES: [(&str, Call, End); 65] = [
    ("answer_at_the_edge", Get, Trapped("out of bounds")),
    ("answer_out_of_bounds", Get, Trapped("out of bounds")),
    ("answer_unaligned", Get, Trapped("not aligned")),
    ("argument_not_utf8", Get, Trapped("utf-8")),
    ("argument_of_all_memory", Get, Over("argument size")),
    ("argument_of_many_fields", Get, Over("argument size")),
    ("argument_of_one_place", Get, Over("argument size")),
    ("argument_out_of_bounds", Get, Trapped("out of bounds")),
    ("bool_of_no_case", Health, Answered),
    ("call_loop", Get, Over("CPU time")),
    ("call_of_another_type", Get, Trapped("indirect call type mismatch")),
    ("call_of_nothing", Get, Trapped("uninitialized element")),
    ("call_out_of_bounds", Get, Trapped("undefined element")),
    ("copy_loop", Get, Over("CPU time")),
    ("divide_by_zero", Get, Trapped("integer divide by zero")),
    ("divide_too_far", Get, Trapped("integer overflow")),
    ("enum_of_no_case", Get, Trapped("discriminant")),
    ("fill_loop", Get, Over("CPU time")),
    ("grow_by_nothing", Get, Over("CPU time")),
    ("grow_loop", Get, Over("CPU time")),
    ("grow_often", Health, Answered),
    ("grow_to_the_end", Get, Over("memory")),
    ("handle_bomb", Get, Trapped("store handle limit exceeded")),
    ("handle_churn", Get, Over("CPU time")),
    ("handle_dropped_twice", Get, Trapped("unknown handle index 1")),
    ("handle_forged", Get, Trapped("unknown handle index 2147483647")),
    ("handle_leak", Health, Answered),
    ("handle_of_another_type", Get, Trapped("wrong type")),
    ("handle_of_nothing", Get, Trapped("unknown handle index 1")),
    ("handle_zero", Get, Trapped("unknown handle index 0")),
    ("kv_loop", Get, Over("CPU time")),
    ("list_of_lists", Health, Over("answer size")),
    ("list_out_of_bounds", Health, Trapped("out of bounds")),
    ("list_that_wraps", Health, Trapped("out of bounds")),
    ("list_unaligned", Health, Trapped("not aligned")),
    ("number_of_nothing", Get, Trapped("invalid conversion to integer")),
    ("option_of_no_case", Get, Trapped("discriminant")),
    ("post_return_calls_out", Get, Trapped("cannot leave component instance")),
    ("post_return_loops", Get, Over("CPU time")),
    ("post_return_traps", Get, Trapped("unreachable")),
    ("read_out_of_bounds", Get, Trapped("out of bounds memory access")),
    ("realloc_at_the_edge", Get, Trapped("realloc return")),
    ("realloc_calls_out", Get, Trapped("cannot leave component instance")),
    ("realloc_grows", Get, Over("memory")),
    ("realloc_loops", Get, Over("CPU time")),
    ("realloc_out_of_bounds", Get, Trapped("realloc return")),
    ("realloc_traps", Get, Trapped("unreachable")),
    ("realloc_unaligned", Create, Trapped("realloc return")),
    ("result_of_no_case", Get, Trapped("discriminant")),
    ("result_out_of_bounds", Get, Trapped("out of bounds")),
    ("result_unaligned", Get, Trapped("not aligned")),
    ("stack_bomb", Get, Trapped("call stack exhausted")),
    ("stack_bomb_by_table", Get, Trapped("call stack exhausted")),
    ("string_not_utf8", Get, Trapped("utf-8")),
    ("string_of_a_gigabyte", Get, Trapped("out of bounds")),
    ("string_of_a_surrogate", Get, Trapped("utf-8")),
    ("string_of_all_memory", Get, Over("answer size")),
    ("string_out_of_bounds", Get, Trapped("out of bounds")),
    ("string_that_wraps", Get, Trapped("out of bounds")),
    ("strings_in_one_place", Health, Over("answer size")),
    ("table_bomb", Get, Trapped("unreachable")),
    ("table_grow_loop", Get, Over("CPU time")),
    ("table_grow_to_the_end", Get, Over("memory")),
    ("unreachable", Get, Trapped("unreachable")),
    ("variant_of_no_case", Create, Trapped("discriminant")),
];

#[test]
fn every_handmade_guest_has_a_case() {
    let cases: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    let text = "a file of tests/fixtures/hostile without a case in CASES, or the other way round";
    assert_eq!(handmade::names(), cases, "{text}");
}

fn call(client: &Client, call: Call) -> Answer {
    match call {
        Call::Get => client.get("/account/account-1"),
        Call::Create => client.post("/account", &account(&unique("account"), "ada@example.com")),
        Call::Health => client.get("/health"),
    }
}

/// Lets everyone with this kind of end do what it does, all on one host.
fn suffer(wanted: impl Fn(End) -> bool) {
    let host = Options::default().set("calls.cpu_ms", CPU_MS).start();
    let cases: Vec<_> = CASES.into_iter().filter(|(.., end)| wanted(*end)).collect();
    let mut setup = SetupFolder::default();
    for (name, ..) in &cases {
        setup = setup.handmade(name, "");
    }
    host.apply_right(setup.path());
    let client = host.marketplace();
    let wrong: Vec<String> = beside(&client, || {
        cases.iter().filter_map(|case| judge(&host, &client, *case).err()).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Lets one do what it does. An error says what was to be seen and was not.
fn judge(host: &Host, client: &Client, case: (&str, Call, End)) -> Result<(), String> {
    let (name, what, end) = case;
    let endpoint = client.at(&name.replace('_', "-"));
    let before = host.log().len();
    let answer = check_time(CALL_MAX, || call(&endpoint, what));
    let own = format!("endpoint=\"{}\"", name.replace('_', "-"));
    let log = host.log().split_off(before);
    let log: Vec<&str> = log.lines().filter(|line| line.contains(&own)).collect();
    let log = log.join("\n");
    let shown = format!("{name}: {} {}\n{log}", answer.status, answer.text);
    let seen = match end {
        Answered => answer.status == 200,
        Over(limit) => {
            answer.code() == "PLUGIN_FAILED"
                && answer.error().contains(&format!("{limit} limit"))
                && log.contains(&format!("over its {limit}"))
        }
        Trapped(words) => {
            answer.code() == "PLUGIN_FAILED" && log.contains("trapped") && log.contains(words)
        }
    };
    let told = answer.text.contains("wasm") || answer.text.contains("discriminant");
    // Another function of the same guest is not touched by it.
    let other = check_time(CALL_MAX, || endpoint.get("/discovery"));
    match seen && !told && other.status == 200 {
        true => Ok(()),
        false => Err(shown),
    }
}

#[test]
fn who_computes_or_takes_without_end_is_stopped() {
    suffer(|end| matches!(end, Over(_)));
}

#[test]
fn who_breaks_the_rules_is_stopped() {
    suffer(|end| matches!(end, Trapped(_)));
}

#[test]
fn who_only_looks_wrong_is_let_on() {
    suffer(|end| end == Answered);
}

/// Of 800 times, 400 are a burst, and the others come at 4,000 a second.
#[test]
fn who_makes_its_memory_larger_often_waits() {
    let host = Host::start();
    host.apply_right(SetupFolder::default().handmade("grow_often", "").path());
    let client = host.marketplace().at("grow-often");
    let began = Instant::now();
    let answer = client.get("/health");
    let took = began.elapsed();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(took >= Duration::from_millis(90), "{took:?}");
}

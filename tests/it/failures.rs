//! How a plugin failed is told to whoever has to mend it, and to nobody else.

use cnsp_tests::host::{Host, Options};
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

const PASSWORD: &str = "a password for tests";

/// A host with an endpoint of `greedy` for each of these habits, and another vendor.
fn start(habits: &[&str]) -> Host {
    let host = Options::default().set("breaker.failure_count", 1000).start();
    let mut setup = SetupFolder::default()
        .vendor("globex")
        .caller("globex-admin", "vendor", PASSWORD, "vendor = \"globex\"")
        .caller("auditor", "auditor", PASSWORD, "endpoints = [\"*\"]");
    for habit in habits {
        let more = format!("config = {{ habit = {habit:?} }}\nlimits = {{ cpu_ms = 100 }}");
        setup = setup.fixture(habit, "greedy", &more);
    }
    host.apply_right(setup.path());
    host
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn a_vendor_sees_where_its_plugin_was_and_callers_do_not() {
    let host = start(&["loop", "recursion", "random", "answertext"]);
    let ends = [
        ("loop", "limit", Some("CPU time"), "greedy::Greedy"),
        ("recursion", "trap", None, "greedy::indulge::deeper"),
        ("random", "trap", None, "greedy::Greedy"),
        ("answertext", "limit", Some("answer size"), ""),
    ];
    for (habit, outcome, limit, function) in ends {
        let told = host.marketplace().at(habit).get("/health").refused(502, "PLUGIN_FAILED");
        assert!(!told.text.contains("indulge") && !told.text.contains("wasm"), "{}", told.text);
        let path = format!("/endpoints/{habit}/failures");
        let vendor = host.vendor().below("").get(&path);
        assert_eq!(vendor.status, 200, "{}", vendor.text);
        assert_eq!(host.operator().below("").get(&path).json, vendor.json);
        assert_eq!(vendor.json["endpoint"], habit);
        assert_eq!(vendor.json["unavailable"], false);
        let failures = vendor.json["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1, "{}", vendor.text);
        let failed = &failures[0];
        assert_eq!(failed["operation"], "health.check");
        assert_eq!(failed["outcome"], outcome);
        assert_eq!(failed["limit"].as_str(), limit);
        assert_eq!(failed["plugin"]["name"], "greedy");
        assert_eq!(failed["plugin"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(failed["plugin"]["digest"].as_str().unwrap().len(), 64);
        assert!(failed["at"].as_str().unwrap().ends_with('Z'));
        assert!(!failed["reason"].as_str().unwrap().is_empty());
        let frames = texts(&failed["backtrace"]);
        // What it answered is looked at when it has ended.
        let found = function.is_empty() || frames.iter().any(|frame| frame.contains(function));
        assert!(found, "{habit}: {frames:#?}");
        // The endless recursion is not told frame by frame.
        assert!(frames.len() <= 20 && vendor.text.len() < 10_000, "{}", vendor.text);
        // The log has the same.
        let log = host.log();
        let digest = failed["plugin"]["digest"].as_str().unwrap();
        let plugin = format!("plugin greedy {} {digest}", env!("CARGO_PKG_VERSION"));
        let words = [habit, function, &plugin, "health.check"];
        let mut lines = log.lines();
        assert!(lines.any(|line| words.iter().all(|word| line.contains(word))), "{words:?}\n{log}");
    }
}

#[test]
fn failures_are_for_operators_and_the_endpoints_vendor() {
    let host = start(&["random"]);
    host.marketplace().at("random").get("/health").refused(502, "PLUGIN_FAILED");
    let path = "/endpoints/random/failures";
    for client in [host.marketplace(), host.client("auditor", PASSWORD)] {
        client.below("").get(path).refused(403, "FORBIDDEN");
    }
    // That it exists is not told.
    let other = host.client("globex-admin", PASSWORD).below("");
    other.get(path).refused(404, "NOT_FOUND");
    other.get("/endpoints/nowhere/failures").refused(404, "NOT_FOUND");
    host.operator().below("").get("/endpoints/nowhere/failures").refused(404, "NOT_FOUND");
    host.anonymous().below("").get(path).refused(401, "INVALID_CREDENTIALS");
}

#[test]
fn so_many_are_kept_the_last_one_first() {
    let host = start(&["random"]);
    let client = host.marketplace().at("random");
    for _ in 0..25 {
        client.get("/health").refused(502, "PLUGIN_FAILED");
    }
    let listed = || host.vendor().below("").get("/endpoints/random/failures").json;
    let failures = listed()["failures"].as_array().unwrap().clone();
    assert_eq!(failures.len(), 20);
    let times: Vec<&str> = failures.iter().map(|failed| failed["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|later, earlier| later >= earlier), "{times:?}");
    // They stay when the endpoint is changed: its vendor wants to know why it was.
    let more = "config = { habit = \"loglines\" }";
    host.apply_right(SetupFolder::default().fixture("random", "greedy", more).path());
    client.get("/health").succeeded();
    assert_eq!(listed()["failures"], Value::from(failures));
}

#[test]
fn the_command_shows_them_to_whoever_runs_the_host() {
    let host = start(&["random"]);
    host.marketplace().at("random").get("/health").refused(502, "PLUGIN_FAILED");
    let run = |arguments: &[&str]| {
        let mut command = cnsp_tests::programs::command(&[]);
        command.args(["endpoint", "failures"]).args(arguments).arg("--data").arg(host.data());
        let output = command.output().expect("it can be started");
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, _) = run(&["random"]);
    assert_eq!(code, Some(0));
    for words in [
        " health.check: trap: ",
        &format!("    plugin greedy {} ", env!("CARGO_PKG_VERSION")),
        "    in <greedy::Greedy as ",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let (_, text, _) = run(&["random", "--json"]);
    let listed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(listed, host.operator().below("").get("/endpoints/random/failures").json);
    let (code, _, told) = run(&["nowhere"]);
    assert_eq!((code, told.as_str()), (Some(1), "cnsp: there is no endpoint `nowhere`\n"));
}

#[test]
fn the_limits_in_force_are_shown_by_the_api_and_the_command() {
    let host = Options::default().set("calls.cpu_ms", 1500).start();
    let own = [("cpu_ms", 70), ("kv_write_count_max", 3)];
    let setup = SetupFolder::default()
        .vendor("globex")
        .caller("globex-admin", "vendor", PASSWORD, "vendor = \"globex\"")
        .caller("auditor", "auditor", PASSWORD, "endpoints = [\"*\"]")
        .endpoint("narrow", "acme", &[], &own);
    host.apply_right(setup.path());
    let path = "/endpoints/narrow/limits";
    let listed = host.vendor().below("").get(path).json;
    let limits = listed["limits"].as_array().unwrap();
    let one = |name: &str| limits.iter().find(|limit| limit["name"] == name).unwrap().clone();
    let expected = json!({
        "name": "cpu_ms", "value": 70, "unit": "ms", "own": true, "max": 1500, "setting": "calls.cpu_ms"
    });
    assert_eq!(one("cpu_ms"), expected);
    assert_eq!(one("kv_write_count_max")["value"], 3);
    let of_host = one("answer_bytes_max");
    assert_eq!((&of_host["value"], &of_host["own"]), (&of_host["max"], &json!(false)));
    // The host's own setting is the most that a set-up can say.
    let over = SetupFolder::default().endpoint("narrow", "acme", &[], &[("cpu_ms", 1501)]);
    let refused = String::from_utf8(host.apply(over.path(), &[]).stderr).unwrap();
    assert!(
        refused.contains("the host gives at most 1500 (its setting calls.cpu_ms)"),
        "{refused}"
    );
    let mut command = cnsp_tests::programs::command(&[]);
    command.args(["endpoint", "limits", "narrow", "--json", "--data"]).arg(host.data());
    let output = command.output().expect("it can be started");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), listed);
    for client in [host.marketplace(), host.client("auditor", PASSWORD)] {
        client.below("").get(path).refused(403, "FORBIDDEN");
    }
    host.client("globex-admin", PASSWORD).below("").get(path).refused(404, "NOT_FOUND");
}

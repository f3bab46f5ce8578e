//! Guests that take all they can get: each is stopped at its limit, the log says at which, and the endpoint
//! beside it notices nothing.

use cnsp_tests::bodies::{account, unique};
use cnsp_tests::check_time;
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::{Host, Options};
use cnsp_tests::programs::default_of;
use cnsp_tests::setup::SetupFolder;
use greedy::Habit;
use serde_json::Value;
use std::time::Duration;

/// What a habit comes to.
enum End {
    /// The call is stopped, and the log has these words.
    Stopped(&'static str),
    /// The answer is refused, and the log has these words.
    Nonsense(&'static str),
    /// The guest is told no with this code of the kv import, after it was granted so much, and goes on.
    Told(u64, u64),
    /// It is let go on.
    Logged,
    /// A list of so many.
    Listed(usize),
    /// The list is given up.
    GivenUp,
    /// Is for `breaker`.
    Elsewhere,
}

/// A habit that is missing here does not build.
fn end(habit: Habit) -> End {
    let value_bytes = 24 << 10;
    let keys_max = default_of("kv_write_count_max");
    match habit {
        Habit::Memory => End::Stopped("over its memory"),
        Habit::Loop => End::Stopped("over its CPU time"),
        Habit::Recursion => End::Stopped("trapped"),
        Habit::Random => End::Stopped("asked for 1073741824 random bytes"),
        Habit::AnswerText | Habit::AnswerList | Habit::KvHuge => {
            End::Stopped("over its answer size")
        }
        Habit::AnswerDeep => End::Nonsense("recursion limit"),
        Habit::KvKeys => End::Told(5, keys_max),
        Habit::KvBytes => End::Told(5, (default_of("kv_write_bytes_max") - 1) / value_bytes),
        Habit::KvReads => End::Told(5, default_of("kv_operation_count_max")),
        Habit::KvLong => End::Told(1, 0),
        Habit::KvOutside => End::Told(3, 0),
        Habit::LogLines | Habit::LogBytes => End::Logged,
        Habit::PagesEmpty => End::Listed(0),
        Habit::PagesEndless => End::Listed(10_000),
        Habit::PagesSlow => End::GivenUp,
        Habit::Sulk => End::Elsewhere,
    }
}

/// A host with an endpoint for each of these habits, named after it, beside the sandbox.
fn start(wanted: impl Fn(&End) -> bool) -> (Host, Vec<Habit>) {
    let host = Options::default().set("calls.cpu_ms", 600).start();
    let habits: Vec<Habit> = Habit::ALL.into_iter().filter(|habit| wanted(&end(*habit))).collect();
    let mut setup = SetupFolder::default();
    for habit in &habits {
        let name = habit.name();
        let limits = match habit {
            Habit::Loop => "limits = { cpu_ms = 100 }",
            Habit::PagesSlow => "limits = { call_timeout_ms = 400 }",
            _ => "",
        };
        let more = format!("config = {{ habit = {name:?} }}\n{limits}");
        setup = setup.fixture(&name, "greedy", &more);
    }
    host.apply_right(setup.path());
    (host, habits)
}

/// Lets the endpoint do what it does.
fn indulge(client: &Client, habit: Habit) -> Answer {
    match habit {
        Habit::KvKeys | Habit::KvBytes | Habit::KvReads | Habit::KvLong | Habit::KvHuge => {
            let name = unique("account");
            client.post("/account", &account(&name, "ada@example.com"))
        }
        Habit::PagesEmpty | Habit::PagesEndless | Habit::PagesSlow => client.get("/account"),
        Habit::Memory
        | Habit::Loop
        | Habit::Recursion
        | Habit::Random
        | Habit::AnswerText
        | Habit::AnswerList
        | Habit::AnswerDeep
        | Habit::KvOutside
        | Habit::LogLines
        | Habit::LogBytes
        | Habit::Sulk => client.get("/health"),
    }
}

/// Lets it, and looks at who is beside it, and at the endpoint itself when it does something else.
fn suffer(host: &Host, habit: Habit) -> Answer {
    let client = host.marketplace();
    let greedy = client.at(&habit.name());
    let answer = check_time(Duration::from_secs(3), || indulge(&greedy, habit));
    check_time(Duration::from_secs(1), || {
        client.at("sandbox").new_account();
        greedy.get("/discovery").succeeded();
    });
    answer
}

/// The lines of the log that speak of the endpoint.
fn log_of(host: &Host, habit: Habit) -> Vec<String> {
    let endpoint = habit.name();
    let about = |line: &&str| line.split([' ', '"', '=', '`', ',']).any(|word| word == endpoint);
    host.log().lines().filter(about).map(str::to_owned).collect()
}

#[test]
fn who_goes_over_a_limit_is_stopped_and_hurts_nobody_else() {
    let (host, habits) = start(|end| matches!(end, End::Stopped(_)));
    for habit in habits {
        let End::Stopped(words) = end(habit) else { unreachable!() };
        let name = habit.name();
        let answer = suffer(&host, habit).refused(502, "PLUGIN_FAILED");
        assert!(answer.error().contains(&name), "{name}: {}", answer.text);
        let log = log_of(&host, habit);
        assert!(log.iter().any(|line| line.contains(words)), "{name}: {words}: {log:#?}");
        // The caller learns which limit, and nothing of the guest's inside.
        assert!(
            !answer.text.contains("wasm") && !answer.text.contains("greedy"),
            "{}",
            answer.text
        );
        if let Some(limit) = words.strip_prefix("over its ") {
            assert!(answer.error().contains(&format!("{limit} limit")), "{}", answer.text);
            let metrics = host.operator().below("").get("/metrics").text;
            let hit = format!("limit_hits_total{{endpoint=\"{name}\",limit=\"{limit}\"}} 1");
            assert!(metrics.contains(&hit), "{hit} is not in\n{metrics}");
        }
    }
}

#[test]
fn an_answer_that_would_hurt_its_reader_is_refused() {
    let (host, habits) = start(|end| matches!(end, End::Nonsense(_)));
    for habit in habits {
        let End::Nonsense(words) = end(habit) else { unreachable!() };
        suffer(&host, habit).refused(502, "PLUGIN_ANSWER_INVALID");
        let log = host.log();
        assert!(log.contains(words), "{}: {words}", habit.name());
        let longest = log.lines().map(str::len).max();
        assert!(longest < Some(10_000), "the log does not repeat it: {longest:?}");
    }
}

/// What was granted up to the limit can be committed, too.
#[test]
fn the_kv_import_says_no_at_its_limits_and_keeps_what_it_granted() {
    let (host, habits) = start(|end| matches!(end, End::Told(..)));
    for habit in habits {
        let End::Told(code, count) = end(habit) else { unreachable!() };
        let answer = suffer(&host, habit).succeeded();
        let number = |key: &str| answer.body()[key].as_u64();
        assert_eq!(number("refused"), Some(code), "{}: {}", habit.name(), answer.text);
        assert_eq!(number("granted").unwrap_or(0), count, "{}: {}", habit.name(), answer.text);
    }
}

#[test]
fn the_log_takes_so_much_of_a_call_and_nothing_that_moves_a_terminal() {
    let (host, habits) = start(|end| matches!(end, End::Logged));
    for habit in habits {
        suffer(&host, habit).succeeded();
        let lines = log_of(&host, habit);
        let dropped: Vec<_> =
            lines.iter().filter(|line| line.contains("further lines of this call")).collect();
        let written = lines.iter().filter(|line| line.contains("line ") || line.contains("long "));
        let written: Vec<_> = written.filter(|line| !dropped.contains(line)).collect();
        let bytes: usize = written.iter().map(|line| line.len()).sum();
        match habit {
            Habit::LogLines => {
                assert_eq!(written.len() as u64, default_of("log_lines_max"));
                assert_eq!(dropped.len(), 1, "{lines:#?}");
            }
            _ => {
                assert_eq!((written.len(), dropped.len()), (1, 0));
                assert!(bytes < 10_000, "{bytes}");
            }
        }
    }
    let log = host.log();
    let control = |c: &char| c.is_control() && *c != '\n';
    assert_eq!(log.chars().find(control), None, "no control character");
    // A line of the log begins with its time: nobody else can begin one.
    let forged = log.lines().find(|line| line.starts_with("forged"));
    assert_eq!(forged, None);
}

#[test]
fn a_list_that_never_ends_is_ended() {
    let (host, habits) = start(|end| matches!(end, End::Listed(_) | End::GivenUp));
    let mut endless: Vec<String> = habits.iter().map(|habit| habit.name()).collect();
    endless.sort();
    for habit in habits {
        let answer = suffer(&host, habit);
        match end(habit) {
            End::Listed(count) => {
                let accounts = answer.clone().succeeded().body()["accounts"].clone();
                assert_eq!(accounts.as_array().map(Vec::len), Some(count), "{}", habit.name());
                // Who wants to know what would come next can ask.
                let link = answer.header("link").unwrap_or_default();
                assert!(link.contains("rel=\"next\""), "{}: {link}", habit.name());
            }
            _ => drop(answer.refused(504, "PLUGIN_TIMEOUT")),
        }
    }
    // Together with others, one that is not here as a whole is named, and the others are there.
    let everyone = host.marketplace().get("/account").succeeded();
    let partial = everyone.body()["partial"].as_array().cloned().unwrap_or_default();
    let named: Vec<&Value> = partial.iter().map(|one| &one["endpoint"]).collect();
    assert_eq!(named, endless.iter().collect::<Vec<_>>(), "{}", everyone.body()["partial"]);
}
